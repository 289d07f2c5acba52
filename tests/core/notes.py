"""A small application with a route for each thing that routes do: its notes are rows that anybody can count."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from pydantic import BaseModel, field_validator
from sqlalchemy import text
from starlette.requests import HTTPConnection

from sublet.core.actors import FRESH_SECONDS, PUBLIC, Actor, Permission, Strength
from sublet.core.app import AUTHENTICATOR, DATABASE, KEYRING, App, Beforehand, Slot
from sublet.core.db import Database, Session, forbid_open_session
from sublet.core.errors import Conflict
from sublet.core.http import ActorDep, DatabaseDep, SessionDep, SubletRouter
from sublet.core.key_files import keyring_at
from sublet.core.money import CurrencyCode
from sublet.core.webapp import BrowserSafety, RequestContext, install_error_handlers

ACTOR = Actor(kind="user", user_id="usr_a", organization_id="org_a", permissions=frozenset({Permission.WALLET_READ}))
SIGNED_IN = {
    "Bearer good": ACTOR,
    "just now": replace(ACTOR, strength=Strength.PASSWORD, confirmed_seconds_ago=FRESH_SECONDS - 1),
    "a while ago": replace(ACTOR, strength=Strength.PASSWORD, confirmed_seconds_ago=FRESH_SECONDS + 1),
    "just now with two factors": replace(ACTOR, strength=Strength.SECOND_FACTOR, confirmed_seconds_ago=0.0),
    "a while ago with two factors": replace(ACTOR, strength=Strength.SECOND_FACTOR, confirmed_seconds_ago=301.0),
    "with a token": replace(ACTOR, kind="token", token_id="tok_a", strength=Strength.TOKEN),
    "without the permission": Actor(kind="user", user_id="usr_b", strength=Strength.PASSWORD),
}


class Note(BaseModel):
    name: str
    currency: CurrencyCode | None = None

    @field_validator("name")
    @classmethod
    def _says_something(cls, value: str) -> str:
        if not value:
            raise ValueError("a note says something.")
        return value


async def authenticate(_session: Session, connection: HTTPConnection) -> Actor | None:
    return SIGNED_IN.get(connection.headers.get("authorization", ""))


class Afar:
    """Something on another machine, which may not be asked while a session is open."""

    def __init__(self) -> None:
        self.fetched = 0

    async def fetch(self) -> int:
        forbid_open_session("another machine")
        self.fetched += 1
        return self.fetched


AFAR: Slot[Afar] = Slot("afar")
FetchedDep = Annotated[int, Depends(Beforehand(AFAR, Afar.fetch))]


def build(database: Database, directory: Path) -> FastAPI:
    router = SubletRouter(prefix="/api/v1/notes")

    @router.post("", permission=Permission.WALLET_READ, creates=True, status_code=201)
    async def create(actor: ActorDep, session: SessionDep, note: Note) -> dict[str, Any]:
        await session.execute(
            text("INSERT INTO outbox_cursor (subscriber, xid, id) VALUES (:n, '1', 1)"), {"n": note.name}
        )
        if note.name == "refused":
            raise Conflict("No.")
        return {"name": note.name, "actor": actor.user_id}

    @router.get("/all", permission=Permission.WALLET_READ)
    async def read(session: SessionDep) -> dict[str, Any]:
        return {"count": (await session.execute(text("SELECT count(*) FROM outbox_cursor"))).scalar_one()}

    @router.post("/secret", permission=Permission.WALLET_READ, creates=True, shows_secret=True)
    async def secret(session: SessionDep) -> dict[str, str]:
        count = (await session.execute(text("SELECT count(*) FROM idempotency_key"))).scalar_one()
        return {"secret": f"canary-{count}"}

    @router.post("/fetched", permission=Permission.WALLET_READ, creates=True)
    async def fetched(session: SessionDep, fetched: FetchedDep) -> dict[str, int]:
        await session.execute(text("SELECT 1"))
        return {"fetched": fetched}

    @router.get("/fetched", permission=Permission.WALLET_READ)
    async def fetched_to_read(session: SessionDep, fetched: FetchedDep) -> dict[str, int]:
        await session.execute(text("SELECT 1"))
        return {"fetched": fetched}

    @router.post("/fetched-for-others", permission=Permission.ADMIN_RECONCILE)
    async def fetched_for_others(fetched: FetchedDep) -> None: ...

    @router.post("/fresh", permission=Permission.WALLET_READ, creates=True, fresh=True)
    async def fresh(session: SessionDep) -> str:
        return "done"

    @router.patch("/fresh", permission=Permission.WALLET_READ, fresh=True)
    async def fresh_change() -> str:
        return "done"

    @router.delete("/strong", permission=Permission.WALLET_READ, second_factor=True)
    async def strong() -> str:
        return "done"

    @router.post("/both", permission=Permission.WALLET_READ, fresh=True, second_factor=True)
    async def both() -> str:
        return "done"

    @router.post("/forbidden", permission=Permission.ADMIN_RECONCILE)
    async def forbidden() -> None: ...

    @router.post("/broken", permission=PUBLIC)
    async def broken(session: SessionDep, note: Note) -> None:
        await session.execute(text("SELECT 1 FROM nowhere WHERE secret = :secret"), {"secret": note.name})

    @router.post("/incomplete", permission=PUBLIC)
    async def incomplete(session: SessionDep, note: Note) -> None:
        await session.execute(
            text("INSERT INTO outbox_cursor (subscriber, xid, id) VALUES (:n, NULL, 1)"), {"n": note.name}
        )

    @router.post("/steps", permission=PUBLIC)
    async def steps(database: DatabaseDep, note: Note) -> None:
        async with database.transaction() as session:
            await session.execute(
                text("INSERT INTO outbox_cursor (subscriber, xid, id) VALUES (:n, '1', 1)"), {"n": note.name}
            )
        async with database.transaction() as session:
            await session.execute(text("SELECT 1 FROM nowhere"))

    @router.post("/open", permission=PUBLIC)
    async def open_route(database: DatabaseDep) -> dict[str, Any]:
        async with database.transaction() as session:
            return {"one": (await session.execute(text("SELECT 1"))).scalar_one()}

    app = FastAPI()
    install_error_handlers(app)
    app.add_middleware(BrowserSafety, origins=frozenset({"http://sublet.test"}), exempt=frozenset())
    app.add_middleware(RequestContext)
    parts = App().put(DATABASE, database).put(AUTHENTICATOR, authenticate).put(AFAR, Afar())
    parts.put(KEYRING, keyring_at(directory / "encryption.key")).attach(app, [router.api])
    return app
