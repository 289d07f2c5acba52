"""The sandbox as one ASGI app."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.middleware.trustedhost import TrustedHostMiddleware

from sublet_sandbox.mailbox import pages
from sublet_sandbox.mailbox.receiver import Receiver
from sublet_sandbox.stripe import api, control, hosted
from sublet_sandbox.stripe.errors import StripeProblem
from sublet_sandbox.stripe.store import Store
from sublet_sandbox.stripe.webhooks import Courier


@dataclass(frozen=True)
class Configuration:
    """Where it is reached, where the state lies, who may call, and where events go; and a mailbox beside it, if any."""

    base_url: str
    data_file: Path
    api_key: str
    webhook_secret: str
    webhook_url: str
    mailbox: Receiver | None = None


def create_app(configuration: Configuration) -> FastAPI:
    """Open the data file and build the app; deliveries run for as long as the app does."""
    store = Store(configuration.data_file)
    courier = Courier(store, configuration.webhook_url, configuration.webhook_secret)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        delivering = asyncio.create_task(courier.run())
        if configuration.mailbox is not None:
            await configuration.mailbox.start()
        try:
            yield
        finally:
            if configuration.mailbox is not None:
                await configuration.mailbox.stop()
            delivering.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await delivering
            store.close()

    app = FastAPI(title="Stripe sandbox", openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan)
    # Pages ask for no password. A site whose own name leads to this machine must not read them in a browser here, mails
    # with their links among them.
    names = [urlsplit(configuration.base_url).hostname or "127.0.0.1", "localhost"]
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=names, www_redirect=False)
    app.add_exception_handler(StripeProblem, control.problem_answer)
    app.include_router(control.router(store, courier, configuration.api_key))
    app.include_router(hosted.router(store, configuration.base_url, courier.wake))

    if configuration.mailbox is not None:
        app.include_router(pages.router(configuration.mailbox.folder))

    @app.get("/livez")
    async def livez() -> dict[str, str]:
        return {"status": "ok"}

    api.mount(
        app,
        store,
        api_key=configuration.api_key,
        base_url=configuration.base_url,
        after_commit=courier.wake,
    )
    return app
