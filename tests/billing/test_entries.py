"""The ledger as customers read it over HTTP."""

from itertools import pairwise

import pytest

from sublet.core.db import Database
from sublet.ledger import charges, credits, entries
from tests.ledger.books import key, new_hold, top_up, usd
from tests.support.app import Web

pytestmark = pytest.mark.anyio


async def _with_history(database: Database, organization: str) -> None:
    async with database.transaction() as session:
        await top_up(session, organization, "20")
        await credits.grant(session, organization, usd("0.5"), idempotency_key=key(), reason="Welcome")
        hold = await new_hold(session, organization, "5")
        for _ in range(4):
            await charges.capture(
                session,
                hold.id,
                usd("0.200001"),
                meter_kind="compute",
                source_type="subject",
                source_id="al_1",
                idempotency_key=key(),
                description="Usage of demo",
            )


class TestEntries:
    async def test_sum_to_the_wallet_and_follow_from_line_to_line(self, web: Web, database: Database) -> None:
        customer = await web.customer()
        organization = (await customer.get("/api/v1/me")).json()["organization"]["id"]
        await _with_history(database, organization)
        items, cursor = [], None
        for _ in range(20):
            page = (await customer.get("/api/v1/wallet/entries", params={"limit": 2, **_after(cursor)})).json()
            items += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        wallet = (await customer.get("/api/v1/wallet")).json()
        lines = [item for item in items if item["account"] == "wallet"]
        total = sum(usd(item["amount"]["amount"]).micro for item in lines)
        assert len({item["id"] for item in items}) == len(items)
        assert lines[0]["balance_after"] == wallet["balance"]
        assert total == usd(wallet["balance"]["amount"]).micro
        for newer, older in pairwise(lines):
            before = usd(newer["balance_after"]["amount"]) - usd(newer["amount"]["amount"])
            assert before == usd(older["balance_after"]["amount"])
        assert lines[-1]["kind"] == "top_up"
        assert lines[-1]["source"]["type"] == "top_up"

    async def test_are_nobody_elses(self, web: Web, database: Database) -> None:
        owner, other = await web.customer(), await web.customer()
        organization = (await owner.get("/api/v1/me")).json()["organization"]["id"]
        await _with_history(database, organization)
        assert (await other.get("/api/v1/wallet/entries")).json() == {"items": [], "next_cursor": None}
        async with database.reading() as session:
            assert len(await entries.list_for(session, organization, limit=50, currency="USD")) > 0

    async def test_need_somebody_signed_in(self, web: Web) -> None:
        for path in ("/api/v1/wallet", "/api/v1/wallet/entries", "/api/v1/usage"):
            answer = await web.client().get(path)
            assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")

    async def test_a_foreign_cursor_is_refused(self, web: Web) -> None:
        customer = await web.customer()
        answer = await customer.get("/api/v1/wallet/entries", params={"cursor": "WyJ4Il0"})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


def _after(cursor: str | None) -> dict[str, str]:
    return {} if cursor is None else {"cursor": cursor}
