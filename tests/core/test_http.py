"""What every route does alike: permission, one transaction, idempotency, problem+json, foreign origins refused."""

import asyncio
import traceback

import httpx
import pytest
import structlog.testing
from sqlalchemy import event, text
from tests.core.notes import FetchedDep

from sublet.core.actors import PUBLIC
from sublet.core.crashes import describe
from sublet.core.db import Database
from sublet.core.http import SubletRouter

pytestmark = pytest.mark.anyio


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

    @pytest.mark.parametrize(
        ("body", "field", "message"),
        [
            ({"name": "x", "currency": "XXX"}, "currency", "'XXX' is not the code of a currency in use"),
            ({"name": ""}, "name", "a note says something"),
        ],
    )
    async def test_says_what_we_found_wrong_in_our_own_words_and_once(
        self, client: httpx.AsyncClient, body: dict[str, str], field: str, message: str
    ) -> None:
        told = (await client.post("/api/v1/notes", json=body)).json()
        assert told["errors"] == [{"field": field, "message": message}]
        assert told["detail"] == f"{field}: {message}. Nothing was changed."

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


class TestASafeRequest:
    async def test_takes_one_connection_from_who_asks_to_the_answer(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        taken: list[object] = []
        event.listen(database.pool.sync_engine, "checkout", lambda *_: taken.append(None))
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
