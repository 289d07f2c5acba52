"""Wallet and usage as customers read them over HTTP."""

from datetime import UTC, datetime
from re import fullmatch
from typing import Any

import pytest
from sqlalchemy import text

from sublet.billing import funds, settlement
from sublet.billing.policy import Policy
from sublet.core.db import Database
from sublet.core.money import Money, Rate
from sublet.ledger import credits
from tests.billing.usage import new_subject, observe_until, settle_due
from tests.ledger.books import top_up, usd
from tests.support.app import Web
from tests.support.policy import DEFAULT_POLICY

pytestmark = pytest.mark.anyio


class TestWallet:
    async def test_says_what_credit_expires_next_and_how_much_is_left_of_it(self, web: Web, database: Database) -> None:
        customer = await web.customer()
        organization = (await customer.get("/api/v1/me")).json()["organization"]["id"]
        found: list[Any] = []
        for amount, day in (("1", None), ("10", 20), ("2", 10), ("4", 10)):
            async with database.transaction() as session:
                await credits.grant(
                    session,
                    organization,
                    usd(amount),
                    idempotency_key=f"grant {amount}",
                    reason="Welcome",
                    expires_at=None if day is None else datetime(2099, 1, day, tzinfo=UTC),
                )
            found.append((await customer.get("/api/v1/wallet")).json()["credit_expires"])
        assert found[0] is None, "what does not expire is not what expires next"
        assert [(one["amount"]["amount"], one["at"]) for one in found[1:]] == [
            ("10.00", "2099-01-20T00:00:00Z"),
            ("2.00", "2099-01-10T00:00:00Z"),
            ("6.00", "2099-01-10T00:00:00Z"),
        ]

    async def test_of_a_newcomer_is_empty_and_says_how_to_put_money_in(self, web: Web) -> None:
        customer = await web.customer()
        wallet = (await customer.get("/api/v1/wallet")).json()
        assert wallet["balance"] == {"amount": "0.00", "currency": "USD"}
        assert wallet["runway_seconds"] is None
        assert wallet["warning"] is None
        [action] = wallet["actions"]
        assert (action["name"], action["allowed"]) == ("top_up", False)
        assert "no key for the card processor is set" in action["reason"], "these tests have none"

    async def test_shows_what_is_held_burnt_and_left(self, web: Web, database: Database) -> None:
        customer = await web.customer()
        organization = (await customer.get("/api/v1/me")).json()["organization"]["id"]
        policy = Policy.of(web.settings)
        async with database.transaction() as session:
            await top_up(session, organization, "20")
            await new_subject(
                session,
                organization=organization,
                rate=Rate.parse("1", "USD"),
                held=usd("2"),
                started_ago=0,
                policy=policy,
            )
        wallet = (await customer.get("/api/v1/wallet")).json()
        assert (wallet["held"]["amount"], wallet["available"]["amount"]) == ("2.00", "18.00")
        assert wallet["burn_per_hour"] == {"amount": "1.00", "currency": "USD", "per": "hour"}
        most = 20 * 3600 - policy.reserve_seconds
        assert most - 60 < wallet["runway_seconds"] <= most
        assert wallet["warning"] == "24h"

    async def test_says_when_grace_ends(self, web: Web, database: Database) -> None:
        customer = await web.customer()
        organization = (await customer.get("/api/v1/me")).json()["organization"]["id"]
        async with database.transaction() as session:
            await top_up(session, organization, "0.10")
            await new_subject(
                session, organization=organization, rate=Rate.parse("1", "USD"), held=usd("0.1"), started_ago=0
            )
            await funds.review(session, policy=Policy.of(web.settings))
        wallet = (await customer.get("/api/v1/wallet")).json()
        assert wallet["warning"] == "grace"
        assert wallet["suspend_at"] is not None


class TestUsage:
    async def test_explains_every_charge(self, web: Web, database: Database) -> None:
        customer = await web.customer()
        organization = (await customer.get("/api/v1/me")).json()["organization"]["id"]
        async with database.transaction() as session:
            await top_up(session, organization, "20")
            subject = await new_subject(session, organization=organization)
            for step in range(1, 4):
                await observe_until(session, subject, step * 240, since=(step - 1) * 240)
                await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
        first = (await customer.get("/api/v1/usage", params={"limit": 2})).json()
        rest = (await customer.get("/api/v1/usage", params={"limit": 2, "cursor": first["next_cursor"]})).json()
        charges = first["items"] + rest["items"]
        assert [charge["seconds"] for charge in charges] == [240, 240, 240]
        assert rest["next_cursor"] is None
        for charge in charges:
            assert charge["subject_id"] == subject.id
            nano = Rate.parse(charge["rate"]["amount"], "USD").nano_per_hour
            assert Money.parse(charge["amount"]["amount"], "USD").micro == nano * charge["seconds"] // 3_600_000
        lines = (await customer.get("/api/v1/wallet/entries")).json()["items"]
        assert {charge["ledger_entry_id"] for charge in charges} <= {line["entry_id"] for line in lines}

    async def test_says_of_one_charge_why(self, web: Web, database: Database) -> None:
        customer, stranger = await web.customer(), await web.customer()
        organization = (await customer.get("/api/v1/me")).json()["organization"]["id"]
        async with database.transaction() as session:
            await top_up(session, organization, "20")
            subject = await new_subject(session, organization=organization, name="api")
            await observe_until(session, subject, 480)
            await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
        [listed] = (await customer.get("/api/v1/usage")).json()["items"]
        path = f"/api/v1/usage/{listed['id']}"
        explained = (await customer.get(path)).json()
        assert listed.items() <= explained.items()
        assert (explained["meter_kind"], explained["sku"]["id"]) == ("compute", subject.sku_id)
        assert (explained["price"]["id"], explained["price"]["per_hour"]) == (subject.price_id, listed["rate"])
        assert explained["price"]["suspended_per_hour"]["amount"] == "0.036"
        [line] = [
            one for one in (await customer.get("/api/v1/wallet/entries")).json()["items"] if one["kind"] == "usage"
        ]
        entry = explained["entry"]
        assert (entry["id"], entry["kind"], entry["description"]) == (line["entry_id"], "usage", line["description"])
        seen = explained["observations"]
        assert (seen["node_id"], seen["count"], seen["last_at"]) == ("nd_1", 3, explained["period_end"])
        assert (await stranger.get(path)).status_code == 404
        assert (await customer.get("/api/v1/usage/999")).status_code == 404

    async def test_of_nothing_has_no_entry(self, web: Web, database: Database) -> None:
        customer = await web.customer()
        organization = (await customer.get("/api/v1/me")).json()["organization"]["id"]
        async with database.transaction() as session:
            await top_up(session, organization, "20")
            least = Rate.parse("0.000001", "USD")
            subject = await new_subject(session, organization=organization, rate=least, suspended_rate=least)
            await observe_until(session, subject, 240)
            await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
        [listed] = (await customer.get("/api/v1/usage")).json()["items"]
        explained = (await customer.get(f"/api/v1/usage/{listed['id']}")).json()
        assert (explained["entry"], explained["amount"]["amount"]) == (None, "0.00")


class TestEntriesOfASharedSettlement:
    async def test_name_nobody_elses_allocations(self, web: Web, database: Database) -> None:
        customers = [await web.customer() for _ in range(3)]
        organizations = [(await customer.get("/api/v1/me")).json()["organization"]["id"] for customer in customers]
        names = [["alpha"], ["beta"], ["gamma", "delta"]]
        own: list[set[str]] = []
        async with database.transaction() as session:
            for organization, named in zip(organizations, names, strict=True):
                await top_up(session, organization, "20")
                subjects = [
                    await new_subject(session, organization=organization, name=name, started_ago=600) for name in named
                ]
                for subject in subjects:
                    await observe_until(session, subject, 600)
                own.append({subject.id for subject in subjects})
            await session.execute(text("UPDATE meter SET settle_due_at = clock_timestamp()"))
            await settle_due(session)
        batches = set()
        for customer, mine, named in zip(customers, own, names, strict=True):
            answer = await customer.get("/api/v1/wallet/entries")
            batch = next(item for item in answer.json()["items"] if item["kind"] == "usage_batch")
            batches.add((batch["entry_id"], batch["source"]["type"], batch["source"]["id"]))
            others = set().union(*own, *names) - mine - set(named)
            assert not any(other in answer.text for other in others)
            assert {purpose["subject_id"] for purpose in batch["purposes"]} == mine
            assert batch["purpose_count"] == len(mine)
            assert (
                sum(usd(purpose["amount"]["amount"]).micro for purpose in batch["purposes"])
                == -usd(batch["amount"]["amount"]).micro
            )
            assert all(name in batch["description"] for name in named)
        ((_, kind, source_id),) = batches
        assert kind == "settlement"
        assert fullmatch(r"stl_[a-z2-7]{16}", source_id)


class TestSpendingLimits:
    async def test_are_set_changed_listed_and_cleared(self, web: Web) -> None:
        customer = await web.customer()
        amount = {"amount": "20.00", "currency": "USD"}
        assert (await customer.patch("/api/v1/spending-limits/day", json={**amount, "amount": "5"})).status_code == 200
        made = (await customer.patch("/api/v1/spending-limits/day", json=amount)).json()
        assert (made["id"], made["scope"], made["reached"]) == ("day", "day", False)
        assert (made["amount"], made["spent"]["amount"], made["left"]) == (amount, "0.00", amount)
        await customer.patch("/api/v1/spending-limits/month", json=amount)
        first = (await customer.get("/api/v1/spending-limits?limit=1")).json()
        rest = (await customer.get(f"/api/v1/spending-limits?limit=1&cursor={first['next_cursor']}")).json()
        assert [one["id"] for one in (*first["items"], *rest["items"])] == ["day", "month"]
        assert rest["next_cursor"] is None
        day = "/api/v1/spending-limits/day"
        assert (await customer.delete(day)).status_code == 422, "which one of several currencies would it be"
        assert (await customer.delete(f"{day}?currency=EUR")).status_code == 404
        assert (await customer.delete(f"{day}?currency=USD")).status_code == 204
        assert (await customer.delete(f"{day}?currency=USD")).status_code == 404

    @pytest.mark.parametrize(
        ("limit_id", "amount", "currency", "status"),
        [
            ("day", "0", "USD", 422),
            ("day", "-1", "USD", 422),
            ("day", "much", "USD", 422),
            ("day", "5", "EUR", 404),  # no wallet
            ("al_nobodys", "5", "USD", 404),
        ],
    )
    async def test_are_refused_where_they_bound_nothing(
        self, web: Web, limit_id: str, amount: str, currency: str, status: int
    ) -> None:
        customer = await web.customer()
        body = {"amount": amount, "currency": currency}
        answer = await customer.patch(f"/api/v1/spending-limits/{limit_id}", json=body)
        assert answer.status_code == status
        assert (await customer.get("/api/v1/spending-limits")).json()["items"] == []
