"""`sublet serve`: one web process; run as many as you like behind a load balancer."""

import asyncio
import socket
import sys
from typing import Any

import uvicorn
from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from sublet.core import tracing
from sublet.core.app import DATABASE, SETTINGS, STOPPING, App
from sublet.core.crashes import message_of
from sublet.core.errors import SubletError
from sublet.core.runtime import allow_many_connections
from sublet.core.settings import Settings, read_settings
from sublet.core.telemetry import configure_logging
from sublet.entry.prerequisites import require_prerequisites
from sublet.entry.web import create_app

GOODBYE_SECONDS = 2.0
LOOK_SECONDS = 0.02


class WebServer(uvicorn.Server):
    """Ends each WebSocket in its own words (a close code, a terminal's reason) before the connections are cut."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, unless the database is away or not as we need it: then say so, and end."""
        parts = App.of(self._app)
        try:
            await require_prerequisites(parts[DATABASE], parts[SETTINGS])
        except (SubletError, SQLAlchemyError, OSError) as error:
            print(error.detail if isinstance(error, SubletError) else _away(error), file=sys.stderr)
            await parts[DATABASE].close()
            self.should_exit = True
            return
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell everybody that we go away, wait a moment for it to be said, and shut down."""
        App.of(self._app)[STOPPING].set()
        for _ in range(round(GOODBYE_SECONDS / LOOK_SECONDS)):
            if not self._still_talking() or self.force_exit:
                break
            await asyncio.sleep(LOOK_SECONDS)
        await super().shutdown(sockets)

    def _still_talking(self) -> bool:
        connections = self.server_state.connections
        return any(isinstance(one, WebSocketsSansIOProtocol) and not one.close_sent for one in connections)


def proxy_options(settings: Settings) -> dict[str, Any]:
    """How the server finds a caller's address: what a proxy says counts if the proxy is one that is trusted."""
    return {
        "proxy_headers": bool(settings.trusted_proxies),
        "forwarded_allow_ips": settings.trusted_proxies or "127.0.0.1",
    }


def _away(error: Exception) -> str:
    return f"The database could not be used: {message_of(error)}. Nothing was started. Mend that, then start again."


def main(_arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C; open WebSockets are told that the process is going away."""
    try:
        allow_many_connections()
        settings = read_settings()
        configure_logging(log_format=settings.log_format, level=settings.log_level)
        tracing.configure_tracing("web", settings.otlp_endpoint, ratio=settings.trace_ratio)
        app = create_app(settings)
    except SubletError as error:
        print(error.detail, file=sys.stderr)
        return 1
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        ws=WebSocketsSansIOProtocol,
        ws_max_size=1_048_576,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=5,
        server_header=False,
        date_header=True,
        **proxy_options(settings),
        access_log=False,
        log_config=None,
    )
    server = WebServer(config, app)
    try:
        server.run()
    finally:
        tracing.stop_tracing()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
