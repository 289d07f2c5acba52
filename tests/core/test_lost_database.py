"""A database that goes away under a request, or has no time for it: what is said of what was changed."""

import httpx
import psycopg
import pytest

pytestmark = pytest.mark.anyio

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
