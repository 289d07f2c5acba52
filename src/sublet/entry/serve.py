"""`sublet serve`: one web process; run as many as you like behind a load balancer."""

import sys

import uvicorn

from sublet.core import tracing
from sublet.core.errors import SubletError
from sublet.core.settings import read_settings
from sublet.core.telemetry import configure_logging
from sublet.entry.web import create_app


def main(_arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C; open WebSockets are told that the process is going away."""
    try:
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
        ws="websockets-sansio",
        ws_max_size=1_048_576,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=5,
        server_header=False,
        date_header=True,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies or "127.0.0.1",
        access_log=False,
        log_config=None,
    )
    server = uvicorn.Server(config)
    try:
        server.run()
    finally:
        tracing.stop_tracing()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
