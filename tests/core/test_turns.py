"""What one organization waits for at the database keeps no other waiting."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from tests.support.app import Web

from sublet.core import turns
from sublet.core.db import Database

pytestmark = pytest.mark.anyio


def token(number: int) -> dict[str, object]:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    return {"name": f"t{number}", "scopes": ["wallet:read"], "expires_at": tomorrow.isoformat()}


class TestTurns:
    async def test_leave_connections_to_others_while_one_waits_for_a_lock(
        self, web: Web, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(turns, "LONGEST_WAIT_SECONDS", 0.5)
        locked, other = await web.customer("locked@example.com"), await web.customer("other@example.com")
        async with database.transaction() as locking:
            await locking.execute(text("LOCK TABLE api_token IN SHARE MODE"))
            asked = [
                asyncio.create_task(locked.post("/api/v1/api-tokens", json=token(number)))
                for number in range(2 * database.connections)
            ]
            done, _ = await asyncio.wait(asked, timeout=30.0, return_when=asyncio.FIRST_COMPLETED)
            refused = done.pop().result()
            assert (refused.status_code, refused.json()["code"]) == (503, "too_much_at_once")
            async with asyncio.timeout(10.0):
                assert (await other.get("/api/v1/me")).status_code == 200
        answers = await asyncio.gather(*asked)
        assert {answer.status_code for answer in answers} == {201, 503}

    async def test_leave_connections_to_who_reads_while_many_wait_for_a_lock(
        self, web: Web, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(turns, "LONGEST_WAIT_SECONDS", 0.5)
        many = [await web.customer(f"locked{number}@example.com") for number in range(turns.SHARE)]
        other = await web.customer("other@example.com")
        async with database.transaction() as locking:
            await locking.execute(text("LOCK TABLE api_token IN SHARE MODE"))
            asked = [
                asyncio.create_task(locked.post("/api/v1/api-tokens", json=token(number)))
                for locked in many
                for number in range(database.connections // turns.SHARE)
            ]
            done, _ = await asyncio.wait(asked, timeout=30.0, return_when=asyncio.FIRST_COMPLETED)
            refused = done.pop().result()
            assert "More changes are under way than this server does at a time" in refused.json()["detail"]
            async with asyncio.timeout(10.0):
                assert (await other.get("/api/v1/me")).status_code == 200
        assert {answer.status_code for answer in await asyncio.gather(*asked)} == {201, 503}

    async def test_come_to_an_end_with_each_change(self, web: Web, database: Database) -> None:
        customer = await web.customer()
        for number in range(2 * database.connections):
            answer = await customer.post("/api/v1/api-tokens", json=token(number))
            assert answer.status_code == 201
