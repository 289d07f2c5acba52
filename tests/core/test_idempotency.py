"""Idempotency-Key: once for the same request of the same person, and never somebody else's answer."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import text
from starlette.requests import HTTPConnection

from sublet.core.actors import Actor, Permission
from sublet.core.app import AUTHENTICATOR, DATABASE, KEYRING, App
from sublet.core.db import Database, Session
from sublet.core.errors import Conflict
from sublet.core.http import ActorDep, DatabaseDep, SessionDep, SubletRouter
from sublet.core.key_files import keyring_at
from sublet.core.webapp import install_error_handlers

pytestmark = pytest.mark.anyio

HELD = frozenset({Permission.WALLET_READ})
PEOPLE = {
    "ann": Actor(kind="user", user_id="usr_ann", organization_id="org_a", permissions=HELD),
    "bob": Actor(kind="user", user_id="usr_bob", organization_id="org_a", permissions=HELD),
    "ann-elsewhere": Actor(kind="user", user_id="usr_ann", organization_id="org_b", permissions=HELD),
    "ann-nowhere": Actor(kind="user", user_id="usr_ann", permissions=HELD),
}


class Note(BaseModel):
    name: str


async def authenticate(_session: Session, connection: HTTPConnection) -> Actor | None:
    return PEOPLE[connection.headers["authorization"].removeprefix("Bearer ")]


class Notes:
    """An application that writes notes down, and how often it was made to."""

    def __init__(self, database: Database, directory: Path) -> None:
        self.database = database
        self.written: list[str] = []
        self.crashes = 0
        router = SubletRouter(prefix="/api/v1")

        @router.post("/notes", permission=Permission.WALLET_READ, creates=True, status_code=201)
        async def create(actor: ActorDep, session: SessionDep, note: Note) -> dict[str, Any]:
            await session.execute(text("SELECT 1"))
            return self._write(actor, note)

        @router.post("/memos", permission=Permission.WALLET_READ, creates=True, shows_secret=True)
        async def create_memo(actor: ActorDep, session: SessionDep, note: Note) -> dict[str, Any]:
            await session.execute(text("SELECT 1"))
            return self._write(actor, note)

        @router.post("/slow-notes", permission=Permission.WALLET_READ, creates=True)
        async def create_slowly(actor: ActorDep, database: DatabaseDep, note: Note) -> dict[str, Any]:
            if self.crashes:
                self.crashes -= 1
                raise Conflict("Something failed half way.")
            return self._write(actor, note)

        @router.post("/marks", permission=Permission.WALLET_READ)
        async def mark(actor: ActorDep, note: Note) -> dict[str, Any]:
            return self._write(actor, note)

        app = FastAPI()
        install_error_handlers(app)
        parts = App().put(DATABASE, database).put(AUTHENTICATOR, authenticate)
        parts.put(KEYRING, keyring_at(directory / "encryption.key")).attach(app, [router.api])
        self.app = app

    def _write(self, actor: Actor, note: Note) -> dict[str, Any]:
        self.written.append(note.name)
        return {"by": actor.user_id, "name": note.name, "number": len(self.written)}


@pytest.fixture
def notes(database: Database, tmp_path: Path) -> Notes:
    """The application."""
    return Notes(database, tmp_path)


class Caller:
    """Sends requests as one of the people, by default Ann with the key `k`."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def post(
        self, path: str = "notes", name: str = "first", *, who: str = "ann", key: str | None = "k", query: str = ""
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {who}"} | ({} if key is None else {"Idempotency-Key": key})
        return await self._client.post(f"/api/v1/{path}{query}", json={"name": name}, headers=headers)


@pytest.fixture
async def caller(notes: Notes) -> AsyncIterator[Caller]:
    """Whoever calls the application."""
    transport = httpx.ASGITransport(notes.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://sublet.test") as client:
        yield Caller(client)


def is_replay(answer: httpx.Response) -> bool:
    return answer.headers.get("idempotent-replayed") == "true"


class TestTheSameKey:
    @pytest.mark.parametrize("path", ["notes", "memos", "slow-notes"])
    async def test_for_the_same_request_gives_the_same_answer_and_does_it_once(
        self, notes: Notes, caller: Caller, path: str
    ) -> None:
        first, again = await caller.post(path), await caller.post(path)
        assert (first.status_code, first.json()) == (again.status_code, again.json())
        assert (is_replay(first), is_replay(again)) == (False, True)
        assert notes.written == ["first"]

    @pytest.mark.parametrize("who", ["bob", "ann-elsewhere", "ann-nowhere"])
    async def test_of_somebody_else_or_in_another_organization_is_another(
        self, notes: Notes, caller: Caller, who: str
    ) -> None:
        mine, theirs = await caller.post(), await caller.post(who=who)
        assert (is_replay(theirs), theirs.json()["number"]) == (False, 2)
        assert (await caller.post()).json() == mine.json()
        assert (await caller.post(who=who)).json() == theirs.json()
        assert len(notes.written) == 2

    async def test_with_another_body_is_refused_and_does_nothing(self, notes: Notes, caller: Caller) -> None:
        first = await caller.post()
        other = await caller.post(name="second")
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
        assert (await caller.post()).json() == first.json()
        assert notes.written == ["first"]

    async def test_on_another_route_is_refused_and_does_nothing(self, notes: Notes, caller: Caller) -> None:
        await caller.post()
        other = await caller.post("memos")
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
        assert notes.written == ["first"]

    async def test_after_a_failure_half_way_goes_on_with_the_same_request_alone(
        self, notes: Notes, caller: Caller
    ) -> None:
        notes.crashes = 1
        assert (await caller.post("slow-notes")).status_code == 409
        assert (await caller.post("slow-notes", name="second")).json()["code"] == "idempotency_key_reused"
        assert (await caller.post("slow-notes")).json()["number"] == 1
        assert is_replay(await caller.post("slow-notes"))

    async def test_is_kept_encrypted_where_the_answer_holds_a_secret_and_nowhere_else(
        self, notes: Notes, caller: Caller
    ) -> None:
        await caller.post("notes", "of the wallet", key="a")
        await caller.post("memos", "of the wallet", key="b")
        async with notes.database.reading() as session:
            kept = (await session.execute(text("SELECT body FROM idempotency_key ORDER BY key"))).scalars().all()
        assert [b"of the wallet" in bytes(body) for body in kept] == [True, False]


class TestAnotherKey:
    async def test_does_it_again(self, notes: Notes, caller: Caller) -> None:
        await caller.post(key="k1")
        assert not is_replay(await caller.post(key="k2"))
        assert not is_replay(await caller.post(key=None))
        assert not is_replay(await caller.post(key=None))
        assert len(notes.written) == 4

    async def test_has_an_answer_of_its_own(self, caller: Caller) -> None:
        answers = [await caller.post(name=key, key=key) for key in ("k1", "k2")]
        again = [await caller.post(name=key, key=key) for key in ("k1", "k2")]
        assert [one.json() for one in again] == [one.json() for one in answers]
        assert all(map(is_replay, again))

    async def test_on_a_route_that_creates_nothing_means_nothing(self, notes: Notes, caller: Caller) -> None:
        await caller.post("marks")
        await caller.post("marks")
        assert len(notes.written) == 2

    @pytest.mark.parametrize("key", ["", "a" * 256, "tab\there", "caf\xe9\x85"])
    async def test_that_is_too_long_or_not_printable_is_refused(self, notes: Notes, caller: Caller, key: str) -> None:
        answer = await _with_raw_key(notes, key)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "Idempotency-Key")
        assert notes.written == []

    @pytest.mark.parametrize("key", ["a", "a" * 255, "with a space", "~!@#$%^&*()"])
    async def test_of_up_to_255_printable_characters_is_taken(self, notes: Notes, key: str) -> None:
        assert (await _with_raw_key(notes, key)).status_code == 201


async def _with_raw_key(notes: Notes, key: str) -> httpx.Response:
    """A request with a key as it is on the wire, where nothing in between has looked at it."""
    headers: Sequence[tuple[bytes, bytes]] = [
        (b"authorization", b"Bearer ann"),
        (b"idempotency-key", key.encode("latin-1")),
    ]
    transport = httpx.ASGITransport(notes.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://sublet.test") as client:
        return await client.post("/api/v1/notes", json={"name": "first"}, headers=headers)
