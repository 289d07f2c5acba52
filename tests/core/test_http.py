"""What every route does alike: permission, one transaction, idempotency, problem+json, foreign origins refused."""

import asyncio
import traceback
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import httpx
import psycopg
import pytest
import structlog.testing
from fastapi import Depends, FastAPI
from pydantic import BaseModel
from sqlalchemy import event, text
from starlette.requests import HTTPConnection

from sublet.core.actors import FRESH_SECONDS, PUBLIC, Actor, Permission, Strength
from sublet.core.app import AUTHENTICATOR, DATABASE, KEYRING, App, Beforehand, Slot
from sublet.core.crashes import describe
from sublet.core.db import Database, Session, forbid_open_session
from sublet.core.errors import Conflict
from sublet.core.http import ActorDep, DatabaseDep, SessionDep, SubletRouter
from sublet.core.key_files import keyring_at
from sublet.core.webapp import BrowserSafety, RequestContext, install_error_handlers

pytestmark = pytest.mark.anyio

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


@pytest.fixture
async def client(database: Database, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(build(database, tmp_path))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://sublet.test", headers={"Authorization": "Bearer good"}
    ) as client:
        yield client


class TestEveryRoute:
    async def test_refuses_nobody_and_the_unpermitted_with_problem_json(self, client: httpx.AsyncClient) -> None:
        nobody = await client.get("/api/v1/notes/all", headers={"Authorization": ""})
        assert nobody.status_code == 401
        assert nobody.headers["content-type"] == "application/problem+json"
        assert nobody.json()["request_id"] == nobody.headers["x-request-id"]
        unpermitted = await client.post("/api/v1/notes/forbidden")
        assert (unpermitted.status_code, unpermitted.json()["code"]) == (403, "permission_denied")

    async def test_undoes_everything_when_it_fails(self, client: httpx.AsyncClient) -> None:
        refused = await client.post("/api/v1/notes", json={"name": "refused"})
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
        assert (await client.get("/api/v1/notes/all")).json() == {"count": 0}

    async def test_names_the_field_that_is_wrong(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/api/v1/notes", json={"name": 7})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "name"

    async def test_refuses_a_character_that_cannot_be_stored(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/api/v1/notes", json={"name": "a\x00b"})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")

    async def test_that_crashes_tells_neither_the_caller_nor_the_log_what_was_sent(
        self, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        with structlog.testing.capture_logs() as logs:
            answer = await client.post("/api/v1/notes/broken", json={"name": "canary-of-http"})
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        (crash,) = (entry for entry in logs if entry["event"] == "request.crashed")
        told = describe(crash["exc_info"])
        assert "nowhere" in told
        assert "canary-of-http" not in told + answer.text + caplog.text

    async def test_that_breaks_a_constraint_tells_the_log_which_and_not_the_row(
        self, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        with structlog.testing.capture_logs() as logs:
            answer = await client.post("/api/v1/notes/incomplete", json={"name": "canary-of-http"})
        assert answer.status_code == 500
        (crash,) = (entry for entry in logs if entry["event"] == "request.crashed")
        assert "canary-of-http" in "".join(traceback.format_exception(crash["exc_info"])), "PostgreSQL tells the row"
        told = describe(crash["exc_info"])
        assert "SQLSTATE 23502" in told
        assert "canary-of-http" not in told + answer.text + caplog.text

    async def test_that_crashes_half_way_does_not_claim_that_all_was_undone(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/api/v1/notes/steps", json={"name": "x"})
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        assert "undone" not in answer.json()["detail"]
        assert "same Idempotency-Key" in answer.json()["detail"]
        assert "undone" in (await client.post("/api/v1/notes/broken", json={"name": "x"})).json()["detail"]

    async def test_an_unknown_route_is_a_problem_too(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/api/v1/nowhere")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

    async def test_a_route_with_its_own_transactions_works_unauthenticated(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/api/v1/notes/open", headers={"Authorization": ""})
        assert answer.json() == {"one": 1}


FRESH, STRONG = "fresh_sign_in_required", "second_factor_required"


class TestHowSomebodySignedIn:
    @pytest.mark.parametrize(
        ("who", "fresh", "strong", "both"),
        [
            ("just now", None, STRONG, STRONG),
            ("a while ago", FRESH, STRONG, STRONG),
            ("just now with two factors", None, None, None),
            ("a while ago with two factors", FRESH, None, FRESH),
            ("with a token", FRESH, STRONG, STRONG),
            ("Bearer good", FRESH, STRONG, STRONG),
            ("without the permission", "permission_denied", "permission_denied", "permission_denied"),
        ],
    )
    async def test_decides_where_a_route_asks(
        self, client: httpx.AsyncClient, who: str, fresh: str | None, strong: str | None, both: str | None
    ) -> None:
        asked = {
            ("POST", "fresh"): fresh,
            ("PATCH", "fresh"): fresh,
            ("DELETE", "strong"): strong,
            ("POST", "both"): both,
        }
        for (method, path), refused in asked.items():
            answer = await client.request(method, f"/api/v1/notes/{path}", headers={"Authorization": who})
            code = None if answer.status_code == 200 else answer.json()["code"]
            assert (answer.status_code, code) == ((200, None) if refused is None else (403, refused)), path

    async def test_decides_for_a_replay_too(self, client: httpx.AsyncClient) -> None:
        key = {"Idempotency-Key": "k"}
        done = await client.post("/api/v1/notes/fresh", headers={"Authorization": "just now", **key})
        assert done.status_code == 200
        later = await client.post("/api/v1/notes/fresh", headers={"Authorization": "a while ago", **key})
        assert (later.status_code, later.json()["code"]) == (403, FRESH)

    async def test_is_told_with_what_to_do(self, client: httpx.AsyncClient) -> None:
        fresh = (await client.post("/api/v1/notes/fresh", headers={"Authorization": "a while ago"})).json()
        assert fresh["detail"].startswith("Sign in again in a browser, and do this within 5 minutes")
        assert fresh["detail"].endswith("Nothing was changed.")
        assert (fresh["fresh_seconds"], fresh["title"]) == (300, "Sign in again first")
        strong = (await client.delete("/api/v1/notes/strong", headers={"Authorization": "just now"})).json()
        assert "add one to your account, and sign in with it in a browser. Nothing was changed." in strong["detail"]

    def test_is_asked_of_nobody_where_nobody_signs_in(self) -> None:
        for rule in ("fresh", "second_factor"):
            with pytest.raises(ValueError, match="/open is public"):
                SubletRouter().post("/open", permission=PUBLIC, **{rule: True})

    async def test_is_asked_openly(self, database: Database, tmp_path: Path) -> None:
        paths = build(database, tmp_path).openapi()["paths"]
        both, fresh = paths["/api/v1/notes/both"]["post"], paths["/api/v1/notes/fresh"]["post"]
        assert (both["x-fresh"], both["x-second-factor"]) == ("yes", "yes")
        assert (fresh["x-fresh"], "x-second-factor" in fresh) == ("yes", False)
        for code in ("permission_denied", FRESH, STRONG):
            assert f"`{code}`" in both["responses"]["403"]["description"]
        assert STRONG not in fresh["responses"]["403"]["description"]
        assert "403" not in paths["/api/v1/notes"]["post"]["responses"]


class TestASafeRequest:
    async def test_takes_one_connection_from_who_asks_to_the_answer(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        taken: list[object] = []
        event.listen(database.engine.sync_engine, "checkout", lambda *_: taken.append(None))
        assert (await client.get("/api/v1/notes/all")).status_code == 200
        assert len(taken) == 1


class TestWhatARouteNeedsFromAfar:
    async def test_is_fetched_before_its_session_opens(self, client: httpx.AsyncClient) -> None:
        assert (await client.post("/api/v1/notes/fetched")).json() == {"fetched": 1}
        key = {"Idempotency-Key": "k"}
        assert (await client.post("/api/v1/notes/fetched", headers=key)).json() == {"fetched": 2}
        assert (await client.get("/api/v1/notes/fetched")).json() == {"fetched": 3}

    def test_is_fetched_for_no_unknown_visitor(self) -> None:
        async def fetched(fetched: FetchedDep) -> None: ...

        with pytest.raises(ValueError, match="/open is public"):
            SubletRouter().post("/open", permission=PUBLIC)(fetched)

    async def test_is_fetched_for_nobody_else(self, client: httpx.AsyncClient) -> None:
        refused = await client.post("/api/v1/notes/fetched-for-others")
        assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
        nobody = await client.post("/api/v1/notes/fetched", headers={"Authorization": ""})
        assert nobody.status_code == 401
        assert (await client.post("/api/v1/notes/fetched")).json() == {"fetched": 1}


class TestIdempotencyKey:
    async def test_an_answer_with_a_secret_is_kept_encrypted_and_replayed_as_it_was(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        first, again = [await client.post("/api/v1/notes/secret", headers={"Idempotency-Key": "k"}) for _ in range(2)]
        assert first.json() == again.json() == {"secret": "canary-1"}
        assert again.headers["idempotent-replayed"] == "true"
        async with database.reading() as session:
            kept = (await session.execute(text("SELECT body FROM idempotency_key"))).scalar_one()
        assert b"canary" not in bytes(kept)

    async def test_same_key_and_body_do_it_once_even_at_the_same_time(self, client: httpx.AsyncClient) -> None:
        async def send() -> httpx.Response:
            return await client.post("/api/v1/notes", json={"name": "once"}, headers={"Idempotency-Key": "k1"})

        answers = await asyncio.gather(*(send() for _ in range(10)))
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
        assert sum(answer.headers.get("idempotent-replayed") == "true" for answer in answers) == 9
        assert (await client.get("/api/v1/notes/all")).json() == {"count": 1}

    async def test_same_key_with_another_body_is_refused(self, client: httpx.AsyncClient) -> None:
        await client.post("/api/v1/notes", json={"name": "first"}, headers={"Idempotency-Key": "k2"})
        other = await client.post("/api/v1/notes", json={"name": "second"}, headers={"Idempotency-Key": "k2"})
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")

    async def test_a_failed_request_leaves_its_key_free(self, client: httpx.AsyncClient) -> None:
        key = {"Idempotency-Key": "k3"}
        assert (await client.post("/api/v1/notes", json={"name": "refused"}, headers=key)).status_code == 409
        assert (await client.post("/api/v1/notes", json={"name": "better"}, headers=key)).status_code == 201


END_THE_CONNECTION = """
CREATE FUNCTION end_the_connection() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON outbox_cursor DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION end_the_connection();
"""


class TestLostDatabase:
    async def test_during_a_commit_leaves_the_outcome_open_and_says_so(
        self, client: httpx.AsyncClient, owner_url: str
    ) -> None:
        with psycopg.connect(owner_url) as owner:
            owner.execute(END_THE_CONNECTION)
        key = {"Idempotency-Key": "k"}
        lost = await client.post("/api/v1/notes", json={"name": "x"}, headers=key)
        assert (lost.status_code, lost.json()["code"]) == (503, "outcome_unknown")
        assert "same Idempotency-Key" in lost.json()["detail"]
        assert "Nothing was changed" not in lost.json()["detail"]
        with psycopg.connect(owner_url) as owner:
            owner.execute("DROP TRIGGER at_commit ON outbox_cursor")
        again = await client.post("/api/v1/notes", json={"name": "x"}, headers=key)
        assert again.status_code == 201
        assert (await client.get("/api/v1/notes/all")).json() == {"count": 1}

    @pytest.mark.parametrize("sqlstate", ["40P01", "55P03", "57014"])
    async def test_is_told_from_one_that_is_busy(
        self, client: httpx.AsyncClient, owner_url: str, sqlstate: str
    ) -> None:
        gave_up = END_THE_CONNECTION.replace("INITIALLY DEFERRED", "INITIALLY IMMEDIATE").replace(
            "PERFORM pg_terminate_backend(pg_backend_pid())", f"RAISE EXCEPTION 'too long' USING ERRCODE = '{sqlstate}'"
        )
        with psycopg.connect(owner_url) as owner:
            owner.execute(gave_up)
        busy = await client.post("/api/v1/notes", json={"name": "x"})
        assert (busy.status_code, busy.json()["code"], busy.headers["Retry-After"]) == (503, "busy", "3")
        assert "Nothing was changed" in busy.json()["detail"]

    async def test_before_any_commit_has_changed_nothing(self, client: httpx.AsyncClient, owner_url: str) -> None:
        at_once = END_THE_CONNECTION.replace("INITIALLY DEFERRED", "INITIALLY IMMEDIATE")
        with psycopg.connect(owner_url) as owner:
            owner.execute(at_once)
        lost = await client.post("/api/v1/notes", json={"name": "x"})
        assert (lost.status_code, lost.json()["code"]) == (503, "unavailable")
        assert "Nothing was changed" in lost.json()["detail"]


class TestBrowserSafety:
    @pytest.mark.parametrize(
        "headers", [{"Origin": "http://evil.test"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
    )
    async def test_another_sites_page_is_refused(self, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        answer = await client.post("/api/v1/notes", json={"name": "x"}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "origin_refused")

    async def test_a_cookie_without_any_origin_is_refused(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/api/v1/notes", json={"name": "x"}, headers={"Cookie": "sublet_session=a"})
        assert answer.json()["code"] == "origin_refused"

    async def test_only_json_bodies_are_taken(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/api/v1/notes", content=b'{"name": "x"}', headers={"Content-Type": "text/plain"})
        assert answer.status_code == 415
