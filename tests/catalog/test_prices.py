"""Prices: versions that take effect from a moment on, never changed and never for the past."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from sublet.catalog import prices
from sublet.core.clock import database_now
from sublet.core.db import Database
from sublet.core.money import Rate
from tests.audit.people import OPERATOR
from tests.catalog.test_skus import SMALL

pytestmark = pytest.mark.anyio


@pytest.fixture
async def sku_id(browser: httpx.AsyncClient) -> str:
    return str((await browser.post("/api/v1/admin/skus", json=SMALL)).json()["id"])


KEPT_ALWAYS = {"suspended_claim": "always"}


async def set_price(browser: httpx.AsyncClient, sku_id: str, per_hour: str, **body: Any) -> httpx.Response:
    given = {
        "sku_id": sku_id,
        "per_hour": per_hour,
        **KEPT_ALWAYS,
        "suspended_per_hour": "0.01",
        "currency": "USD",
        **body,
    }
    return await browser.post("/api/v1/admin/prices", json=given)


async def price_elsewhere(database: Database, sku_id: str, per_hour: str) -> None:
    """A price in a currency that this installation does not sell in, which the route would refuse."""
    async with database.transaction() as session:
        rate = Rate.parse(per_hour, "EUR")
        free = Rate(0, "EUR")
        made = {"suspended_claim": "always", "suspended_per_hour": free}
        await prices.create(session, OPERATOR, sku_id=sku_id, per_hour=rate, **made)


async def now(database: Database) -> datetime:
    async with database.reading() as session:
        return await database_now(session)


class TestCreating:
    async def test_is_exact_and_in_force_at_once(
        self, database: Database, browser: httpx.AsyncClient, sku_id: str
    ) -> None:
        answer = await set_price(browser, sku_id, "0.360000001", suspended_per_hour="0.0100")
        made = answer.json()
        assert answer.status_code == 201
        assert made["per_hour"] == {"amount": "0.360000001", "currency": "USD", "per": "hour"}
        assert made["suspended_per_hour"]["amount"] == "0.01"
        async with database.reading() as session:
            found = (await prices.in_force(session, [sku_id, "sku_x"], currency="USD"))[sku_id]
            assert (found.id, found.nano_per_hour, found.suspended_nano_per_hour) == (made["id"], 360000001, 10000000)
            assert found.per_hour.decimal_string() == "0.360000001"
        trail = (await browser.get("/api/v1/admin/audit-events", params={"action": "price.created"})).json()["items"]
        assert trail[0]["after"]["nano_per_hour"] == 360000001

    async def test_for_the_past_is_refused_by_us_and_by_the_database(
        self, database: Database, browser: httpx.AsyncClient, sku_id: str
    ) -> None:
        past = (await now(database) - timedelta(seconds=1)).isoformat()
        answer = await set_price(browser, sku_id, "1", effective_at=past)
        assert (answer.status_code, answer.json()["code"]) == (422, "price_backdated")
        assert answer.json()["errors"][0]["field"] == "effective_at"
        with pytest.raises(DBAPIError, match="cannot take effect in the past"):
            async with database.transaction() as session:
                await session.execute(
                    text(
                        "INSERT INTO price "
                        "(id, sku_id, currency, nano_per_hour, suspended_nano_per_hour, suspended_claim, effective_at) "
                        "VALUES ('prc_x', :sku, 'USD', 1, 0, 'always', now() - interval '1 millisecond')"
                    ),
                    {"sku": sku_id},
                )

    async def test_twice_for_one_moment_is_refused(
        self, database: Database, browser: httpx.AsyncClient, sku_id: str
    ) -> None:
        later = (await now(database) + timedelta(hours=1)).isoformat()
        assert (await set_price(browser, sku_id, "1", effective_at=later)).status_code == 201
        again = await set_price(browser, sku_id, "2", effective_at=later)
        assert (again.status_code, again.json()["code"]) == (409, "price_exists")

    async def test_in_another_currency_than_the_wallets_is_refused(
        self, browser: httpx.AsyncClient, sku_id: str
    ) -> None:
        answer = await set_price(browser, sku_id, "1", currency="EUR")
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "currency")
        assert answer.json()["detail"] == (
            "Wallets are kept in USD here, so nobody could pay a price in EUR. Nothing was created. "
            "Give the price in USD."
        )
        assert (await browser.get("/api/v1/admin/prices")).json()["items"] == []

    @pytest.mark.parametrize(
        "body",
        [
            {"per_hour": "-1"},
            {"per_hour": "1e3"},
            {"per_hour": "0.0000000001"},
            {"per_hour": "9999999"},
            {"per_hour": 0.36},
            {"per_hour": "٣"},
            {"suspended_per_hour": "2"},
            {"suspended_per_hour": "0"},
            {"suspended_per_hour": None},
            {"currency": "usd"},
            {"effective_at": "2026-01-01T00:00:00"},
            {"effective_at": "9999-12-31T23:59:59-12:00"},
            {"effective_at": "0001-01-01T00:00:00+14:00"},
        ],
    )
    async def test_of_what_cannot_be_is_refused(
        self, browser: httpx.AsyncClient, sku_id: str, body: dict[str, Any]
    ) -> None:
        given = {
            "sku_id": sku_id,
            "per_hour": "1",
            **KEPT_ALWAYS,
            "suspended_per_hour": "0.01",
            "currency": "USD",
            **body,
        }
        answer = await browser.post("/api/v1/admin/prices", json=given)
        assert answer.status_code == 422, answer.text

    async def test_says_what_a_suspended_hour_costs_and_that_it_is_not_free(
        self, browser: httpx.AsyncClient, sku_id: str
    ) -> None:
        """It keeps its place on the node: three launched and suspended would keep a node full for others at nothing."""
        given = {"sku_id": sku_id, "per_hour": "1", **KEPT_ALWAYS, "currency": "USD"}
        assert (await browser.post("/api/v1/admin/prices", json=given)).status_code == 422
        answer = await browser.post("/api/v1/admin/prices", json={**given, "suspended_per_hour": "0"})
        assert answer.status_code == 422
        assert "keep a node full for nothing" in answer.json()["detail"]
        free = {**given, "per_hour": "0", "suspended_per_hour": "0"}
        assert (await browser.post("/api/v1/admin/prices", json=free)).status_code == 201

    async def test_for_no_sku_is_not_found(self, browser: httpx.AsyncClient) -> None:
        assert (await set_price(browser, "sku_x", "1")).status_code == 404

    async def test_with_one_idempotency_key_happens_once(self, browser: httpx.AsyncClient, sku_id: str) -> None:
        body = {"sku_id": sku_id, "per_hour": "1", **KEPT_ALWAYS, "suspended_per_hour": "0.1", "currency": "USD"}
        key = {"Idempotency-Key": "k"}
        answers = [await browser.post("/api/v1/admin/prices", json=body, headers=key) for _ in range(2)]
        assert answers[0].json()["id"] == answers[1].json()["id"]


class TestInForce:
    async def test_is_the_latest_that_has_begun(
        self, database: Database, browser: httpx.AsyncClient, sku_id: str
    ) -> None:
        first = (await set_price(browser, sku_id, "1")).json()
        second = (await set_price(browser, sku_id, "2")).json()
        start = await now(database)
        planned = start + timedelta(days=1)
        third = (await set_price(browser, sku_id, "3", effective_at=planned.isoformat())).json()
        at = datetime.fromisoformat(first["effective_at"])

        async def then(moment: datetime | None) -> str | None:
            async with database.reading() as session:
                found = (await prices.in_force(session, [sku_id], moment, currency="USD")).get(sku_id)
            return found.id if found else None

        assert await then(at - timedelta(microseconds=1)) is None
        assert await then(at) == first["id"]
        assert await then(None) == await then(start) == second["id"]
        assert await then(planned - timedelta(microseconds=1)) == second["id"]
        assert await then(planned) == third["id"]

    async def test_is_of_one_currency(self, database: Database, browser: httpx.AsyncClient, sku_id: str) -> None:
        await price_elsewhere(database, sku_id, "1")
        async with database.reading() as session:
            assert await prices.in_force(session, [sku_id], currency="USD") == {}
            assert await prices.in_force(session, [], currency="USD") == {}
            assert (await prices.in_force(session, [sku_id], currency="EUR"))[sku_id].currency == "EUR"


class TestHistory:
    async def test_is_listed_newest_first_for_one_sku_or_all(self, browser: httpx.AsyncClient, sku_id: str) -> None:
        other = (await browser.post("/api/v1/admin/skus", json={**SMALL, "code": "other"})).json()["id"]
        for amount in ("1", "2", "3"):
            await set_price(browser, sku_id, amount)
        await set_price(browser, other, "9")
        first = (await browser.get("/api/v1/admin/prices", params={"sku_id": sku_id, "limit": 2})).json()
        query = {"sku_id": sku_id, "cursor": first["next_cursor"]}
        rest = (await browser.get("/api/v1/admin/prices", params=query)).json()
        amounts = [item["per_hour"]["amount"] for item in first["items"] + rest["items"]]
        assert amounts == ["3.00", "2.00", "1.00"]
        assert len((await browser.get("/api/v1/admin/prices")).json()["items"]) == 4

    async def test_says_which_version_is_in_force_by_the_databases_clock(
        self, database: Database, browser: httpx.AsyncClient, sku_id: str
    ) -> None:
        planned = (await now(database) + timedelta(days=1)).isoformat()
        await set_price(browser, sku_id, "1")
        await price_elsewhere(database, sku_id, "7")
        made = (await set_price(browser, sku_id, "2")).json()
        later = (await set_price(browser, sku_id, "3", effective_at=planned)).json()
        assert (made["standing"], made["in_force"]) == ("in_force", True)
        assert (later["standing"], later["in_force"]) == ("planned", False)
        items = (await browser.get("/api/v1/admin/prices", params={"sku_id": sku_id})).json()["items"]
        assert [(item["per_hour"]["amount"], item["standing"]) for item in items] == [
            ("3.00", "planned"),
            ("2.00", "in_force"),
            ("7.00", "in_force"),
            ("1.00", "past"),
        ]

    @pytest.mark.parametrize(
        "change", ["UPDATE price SET nano_per_hour = 0", "DELETE FROM price", "TRUNCATE price CASCADE"]
    )
    async def test_is_never_changed(
        self, database: Database, owner_url: str, browser: httpx.AsyncClient, sku_id: str, change: str
    ) -> None:
        made = (await set_price(browser, sku_id, "1")).json()
        with pytest.raises(DBAPIError, match="permission denied"):
            async with database.transaction() as session:
                await session.execute(text(change))
        owner = Database(owner_url, pool_size=1, role="sublet_owner")
        try:
            with pytest.raises(DBAPIError, match="append-only"):
                async with owner.transaction() as session:
                    await session.execute(text(change))
        finally:
            await owner.close()
        async with database.reading() as session:
            found = (await prices.in_force(session, [sku_id], currency="USD"))[sku_id]
        assert (found.id, found.nano_per_hour) == (made["id"], 1_000_000_000)


class TestTermsOfSuspension:
    @pytest.mark.parametrize(
        "terms",
        [
            {"suspended_claim": "none", "disk_per_hour": "0.1"},
            {
                "suspended_claim": "hours",
                "suspended_claim_hours": 4,
                "suspended_per_hour": "0.2",
                "disk_per_hour": "0.1",
            },
            {"suspended_claim": "always", "suspended_per_hour": "0.2"},
        ],
    )
    async def test_are_what_was_said(self, browser: httpx.AsyncClient, sku_id: str, terms: dict[str, Any]) -> None:
        body = {"sku_id": sku_id, "per_hour": "1", "currency": "USD", **terms}
        made = (await browser.post("/api/v1/admin/prices", json=body)).json()
        assert (made["suspended_claim"], made["suspended_claim_hours"]) == (
            terms["suspended_claim"],
            terms.get("suspended_claim_hours"),
        )
        disk = made["disk_per_hour"]
        assert (disk is None) == (terms["suspended_claim"] == "always")
        assert disk is None or Decimal(disk["amount"]) == Decimal("0.1")
        assert Decimal(made["suspended_per_hour"]["amount"]) == Decimal(terms.get("suspended_per_hour", "0.1"))

    @pytest.mark.parametrize(
        "terms",
        [
            {"suspended_per_hour": "0.2"},
            {"suspended_claim": "sometimes", "suspended_per_hour": "0.2"},
            {"suspended_claim": "none"},
            {"suspended_claim": "none", "suspended_per_hour": "0.2", "disk_per_hour": "0.1"},
            {"suspended_claim": "none", "disk_per_hour": "0"},
            {"suspended_claim": "none", "disk_per_hour": "2"},
            {"suspended_claim": "hours", "suspended_per_hour": "0.2", "disk_per_hour": "0.1"},
            {
                "suspended_claim": "hours",
                "suspended_claim_hours": 0,
                "suspended_per_hour": "0.2",
                "disk_per_hour": "0.1",
            },
            {"suspended_claim": "hours", "suspended_claim_hours": 4, "suspended_per_hour": "0.2"},
            {"suspended_claim": "hours", "suspended_claim_hours": 4, "suspended_per_hour": "0.2", "disk_per_hour": "0"},
            {
                "suspended_claim": "hours",
                "suspended_claim_hours": 4,
                "suspended_per_hour": "0.2",
                "disk_per_hour": "0.3",
            },
            {"suspended_claim": "always", "suspended_per_hour": "0.2", "disk_per_hour": "0.1"},
            {"suspended_claim": "always", "suspended_claim_hours": 4, "suspended_per_hour": "0.2"},
        ],
    )
    async def test_are_whole_and_give_nothing_for_nothing(
        self, browser: httpx.AsyncClient, sku_id: str, terms: dict[str, Any]
    ) -> None:
        body = {"sku_id": sku_id, "per_hour": "1", "currency": "USD", **terms}
        assert (await browser.post("/api/v1/admin/prices", json=body)).status_code == 422

    @pytest.mark.parametrize(
        "terms",
        [
            "NULL, NULL, NULL",
            "'none', NULL, 4",
            "'hours', NULL, 4",
            "'hours', 9999, 4",
            "'always', NULL, 4",
            "'hours', 4, 6",
            "'hours', 4, 0",
        ],
    )
    async def test_are_held_by_the_database(self, database: Database, sku_id: str, terms: str) -> None:
        columns = "suspended_claim, suspended_claim_hours, disk_nano_per_hour"
        insert = (
            "INSERT INTO price (id, sku_id, currency, nano_per_hour, suspended_nano_per_hour, effective_at, "
            f"{columns}) VALUES ('prc_x', :sku, 'USD', 10, 5, clock_timestamp() + interval '1 hour', {terms})"
        )
        with pytest.raises(DBAPIError, match=r"not-null|check constraint"):
            async with database.transaction() as session:
                await session.execute(text(insert), {"sku": sku_id})
