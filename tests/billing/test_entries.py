"""The ledger as customers read it over HTTP."""

import csv
import io
from itertools import pairwise
from typing import Any

import pytest

from sublet.billing import api, settlement
from sublet.core.db import Database
from sublet.ledger import charges, credits, entries
from tests.billing.usage import new_subject, observe_until
from tests.ledger.books import key, new_hold, top_up, usd
from tests.support.app import Web
from tests.support.policy import DEFAULT_POLICY

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


class TestSearch:
    async def _asked(self, customer: Any, **asked: str) -> list[dict[str, Any]]:
        answer = await customer.get("/api/v1/wallet/entries", params=asked)
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    async def test_finds_by_kind_by_time_and_by_what_is_said(self, web: Web, database: Database) -> None:
        customer = await web.customer()
        organization = (await customer.get("/api/v1/me")).json()["organization"]["id"]
        await _with_history(database, organization)
        everything = await self._asked(customer)
        assert {one["kind"] for one in await self._asked(customer, kind="top_up")} == {"top_up"}
        assert [one["description"] for one in await self._asked(customer, search="WELCOME")] == ["Welcome"]
        middle = everything[len(everything) // 2]["effective_at"]
        newer = await self._asked(customer, since=middle)
        older = await self._asked(customer, until=middle)
        assert [one["id"] for one in newer + older] == [one["id"] for one in everything]
        assert newer
        assert older
        assert await self._asked(customer, search="100%") == []

    async def test_finds_usage_by_the_name_of_what_was_used(self, web: Web, database: Database) -> None:
        customer, other = await web.customer(), await web.customer()
        organizations = [(await who.get("/api/v1/me")).json()["organization"]["id"] for who in (customer, other)]
        async with database.transaction() as session:
            for organization in organizations:
                await top_up(session, organization, "20")
                for name in ("alpha", "beta"):
                    subject = await new_subject(session, organization=organization, name=name, started_ago=600)
                    await observe_until(session, subject, 240)
                    await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
        found = await self._asked(customer, search="Alph")
        assert [one["purposes"][0]["subject_name"] for one in found] == ["alpha"]
        [purpose] = found[0]["purposes"]
        assert [one["id"] for one in await self._asked(customer, search=purpose["subject_id"])] == [found[0]["id"]]
        assert await self._asked(other, search=purpose["subject_id"]) == []

    async def test_goes_on_from_page_to_page(self, web: Web, database: Database) -> None:
        customer = await web.customer()
        organization = (await customer.get("/api/v1/me")).json()["organization"]["id"]
        await _with_history(database, organization)
        first = (await customer.get("/api/v1/wallet/entries", params={"search": "demo", "limit": 1})).json()
        rest = await self._asked(customer, search="demo", cursor=first["next_cursor"])
        every = await self._asked(customer, search="demo")
        assert [one["id"] for one in first["items"] + rest] == [one["id"] for one in every]
        assert len(every) > 1

    async def test_comes_as_a_file_with_the_same_lines(
        self, web: Web, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        customer = await web.customer()
        organization = (await customer.get("/api/v1/me")).json()["organization"]["id"]
        await _with_history(database, organization)
        answer = await customer.get("/api/v1/wallet/entries", params={"format": "csv", "search": "demo", "limit": 1})
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert answer.headers["content-disposition"] == 'attachment; filename="ledger.csv"'
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        listed = await self._asked(customer, search="demo")
        assert [(row["entry_id"], row["amount"]) for row in rows] == [
            (one["entry_id"], one["amount"]["amount"]) for one in listed
        ]
        assert {row["currency"] for row in rows} == {"USD"}
        monkeypatch.setattr(api, "MOST_LINES", 1)
        refused = await customer.get("/api/v1/wallet/entries", params={"format": "csv"})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "since")
