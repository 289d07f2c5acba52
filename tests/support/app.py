"""The whole web application on a test's database, served on a free loopback port as in production."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
import uvicorn

from sublet.core.app import App
from sublet.core.db import Database
from sublet.core.settings import Settings
from sublet.identity import users
from tests.support.passwords import quick_hashes
from tests.support.ports import loopback_listener

if TYPE_CHECKING:
    from fastapi import FastAPI

PASSWORD = "correct horse battery 7"
START_SECONDS = 30.0


@dataclass
class Web:
    """A running application: its address, its settings and its database."""

    url: str
    app: "FastAPI"
    database: Database
    settings: Settings
    parts: App
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    def client(self, token: str | None = None) -> httpx.AsyncClient:
        """A browser-like client (its own cookies and our origin), or a program with a token."""
        headers = {"Authorization": f"Bearer {token}"} if token else {"Origin": self.url}
        client = httpx.AsyncClient(base_url=self.url, headers=headers, timeout=20)
        self.clients.append(client)
        return client

    async def customer(self, email: str | None = None) -> httpx.AsyncClient:
        """A signed-up, signed-in customer with an organization and an empty wallet."""
        client = self.client()
        body = {"email": email or f"{uuid4().hex[:10]}@customer.example", "password": PASSWORD, "name": "Customer"}
        answer = await client.post("/api/v1/auth/signup", json=body)
        assert answer.status_code == 201, answer.text
        return client

    async def operator(self, *roles: str) -> httpx.AsyncClient:
        """A signed-in operator with the given platform roles (all by default)."""
        email = f"{uuid4().hex[:10]}@operator.example"
        async with self.database.transaction() as session:
            await users.create_operator(
                session,
                email=email,
                password=PASSWORD,
                name="Operator",
                platform_roles=frozenset(roles or ("admin", "fleet", "finance", "support")),
            )
        client = self.client()
        answer = await client.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return client


def settings_for(tmp_path: Path, url: str = "http://127.0.0.1:8000", **changes: Any) -> Settings:
    """Settings of a test: keys in its own directory, nothing from the environment."""
    return Settings(**{"data_directory": tmp_path, "public_url": url, "currency": "USD", "time_zone": "UTC", **changes})


@asynccontextmanager
async def served(app: "FastAPI", listener: socket.socket, **options: Any) -> AsyncIterator[None]:
    """The application on a listener, as in production, until the end of the block; then the listener is closed too."""
    config = uvicorn.Config(app, log_config=None, ws="websockets-sansio", timeout_graceful_shutdown=2, **options)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        async with asyncio.timeout(START_SECONDS):
            while not server.started:
                assert not serving.done(), serving
                await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        await serving
        listener.close()


@pytest.fixture
async def web(database: Database, tmp_path: Path) -> AsyncIterator[Web]:
    """The application, served until the test ends."""
    listener = loopback_listener()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    settings = settings_for(tmp_path, url)
    from sublet.entry.web import create_app  # noqa: PLC0415 - two seconds that not every test needs

    app = create_app(settings, database=database)
    with quick_hashes():
        async with served(app, listener, lifespan="on"):
            web = Web(url, app, database, settings, App.of(app))
            yield web
            for client in web.clients:
                await client.aclose()


@pytest.fixture(scope="session")
def openapi(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The application's OpenAPI document; needs no database."""
    settings = settings_for(tmp_path_factory.mktemp("openapi"))
    from sublet.entry.web import create_app  # noqa: PLC0415 - as above

    app = create_app(settings, database=Database("postgresql://nobody@localhost/none"))
    return app.openapi()
