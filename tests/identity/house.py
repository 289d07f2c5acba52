"""A small application with identity's and the audit trail's routes, and people who use it from a browser."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from fastapi import FastAPI
from sqlalchemy import text
from starlette.requests import HTTPConnection

from sublet.audit.api import router as audit_router
from sublet.core.actors import Actor
from sublet.core.app import AUTHENTICATOR, DATABASE, KEYRING, SETTINGS, App
from sublet.core.db import Database
from sublet.core.key_files import keyring_at
from sublet.core.settings import Settings
from sublet.core.webapp import BrowserSafety, RequestContext, install_error_handlers
from sublet.identity.api import ON_SIGNUP, PASSWORDS
from sublet.identity.api import router as identity_router
from sublet.identity.authentication import SessionAuthenticator
from sublet.identity.hash_queue import HashQueue

LOOPBACK = "http://127.0.0.1:8000"
PASSWORD = "nine purple kettles 4"


@dataclass
class House:
    """The application on a test's database."""

    database: Database
    settings: Settings
    app: FastAPI
    parts: App
    authenticator: SessionAuthenticator
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    @classmethod
    def build(cls, database: Database, directory: Path, url: str = LOOPBACK, **changes: Any) -> "House":
        """An application that is reached at `url`."""
        settings = Settings(data_directory=directory, public_url=url, **changes)
        app = FastAPI()
        install_error_handlers(app)
        app.add_middleware(BrowserSafety, origins=settings.origins, exempt=frozenset())
        app.add_middleware(RequestContext)
        parts = App().put(SETTINGS, settings).put(DATABASE, database).put(ON_SIGNUP, [])
        parts.put(PASSWORDS, HashQueue(waiting=settings.passwords_waiting))
        authenticator = SessionAuthenticator(settings)
        keyring = keyring_at(directory / "keys" / "encryption.key")
        parts.put(AUTHENTICATOR, authenticator.authenticate).put(KEYRING, keyring)
        parts.attach(app, [identity_router.api, audit_router.api])
        return cls(database, settings, app, parts, authenticator)

    def browser(self, address: str = "203.0.113.7") -> httpx.AsyncClient:
        """A browser on our own page, with its own cookies."""
        return self._client(address, {"Origin": self.settings.public_url, "User-Agent": "Browser/1"})

    def program(self, token: str) -> httpx.AsyncClient:
        """A program with an API token."""
        return self._client("203.0.113.9", {"Authorization": f"Bearer {token}"})

    def _client(self, address: str, headers: dict[str, str]) -> httpx.AsyncClient:
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, client=(address, 40000)),
            base_url=self.settings.public_url,
            headers=headers,
        )
        self.clients.append(client)
        return client

    async def customer(self, email: str | None = None, **body: Any) -> httpx.AsyncClient:
        """A browser in which somebody has just signed up."""
        client = self.browser()
        answer = await sign_up(client, email or new_email(), **body)
        assert answer.status_code == 201, answer.text
        return client

    async def token(self, client: httpx.AsyncClient, *scopes: str) -> dict[str, Any]:
        """A new API token of whoever is signed in."""
        answer = await client.post("/api/v1/api-tokens", json=token_body(*scopes))
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def rows(self, sql: str, **parameters: Any) -> list[Any]:
        """What a query finds."""
        async with self.database.reading() as session:
            return list((await session.execute(text(sql), parameters)).all())

    async def change(self, sql: str, **parameters: Any) -> None:
        """Change the database behind the application's back."""
        async with self.database.transaction() as session:
            await session.execute(text(sql), parameters)

    async def hand_over(self, organization_id: str, *, to: str, leaving: str) -> None:
        """Make another person the owner, and leave the owner so far with another role."""
        async with self.database.transaction() as session:
            parameters = {"organization": organization_id, "role": leaving, "to": to}
            await session.execute(
                text("UPDATE membership SET role = :role WHERE organization_id = :organization"), parameters
            )
            await session.execute(
                text("INSERT INTO membership (organization_id, user_id, role) VALUES (:organization, :to, 'owner')"),
                parameters,
            )

    async def actor(self, client: httpx.AsyncClient) -> Actor:
        """The actor that a client's credential makes."""
        connection = client.build_request("GET", "/api/v1/me")
        scope = {
            "type": "http",
            "headers": [(name.lower(), value) for name, value in connection.headers.raw],
            "client": ("203.0.113.7", 40000),
        }
        async with self.database.reading() as session:
            actor = await self.authenticator.authenticate(session, HTTPConnection(scope))
        assert actor is not None
        return actor


def new_email() -> str:
    """An address that nobody has yet."""
    return f"{uuid4().hex[:12]}@customer.example"


def token_body(*scopes: str, **changes: Any) -> dict[str, Any]:
    """A valid request for an API token."""
    expires = datetime.now(UTC) + timedelta(days=30)
    return {"name": "laptop", "scopes": list(scopes), "expires_at": expires.isoformat(), **changes}


async def sign_up(client: httpx.AsyncClient, email: str, **body: Any) -> httpx.Response:
    """Sign up, with a name and password unless given."""
    return await client.post("/api/v1/auth/signup", json={"email": email, "password": PASSWORD, "name": "Ada", **body})


async def log_in(client: httpx.AsyncClient, email: str, password: str = PASSWORD) -> httpx.Response:
    """Sign in."""
    return await client.post("/api/v1/auth/login", json={"email": email, "password": password})


def session_secret(client: httpx.AsyncClient) -> str:
    """The secret in a browser's session cookie."""
    (secret,) = (cookie.value for cookie in client.cookies.jar if cookie.name.endswith("sublet_session"))
    assert secret is not None
    return secret
