"""Months and reports as an accountant asks for them: who may, what they say, and as CSV."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from sublet.billing import meters, settlement
from sublet.ledger import credits, months, reports
from tests.billing.usage import new_subject, observe_until
from tests.ledger.books import charge, grant, key, new_hold, new_wallet, usd
from tests.support.app import Web
from tests.support.policy import DEFAULT_POLICY

pytestmark = pytest.mark.anyio


@pytest.fixture
async def finance(web: Web) -> httpx.AsyncClient:
    """An operator who keeps the books."""
    return await web.operator()


async def _spent(web: Web) -> str:
    """An organization that paid 20.00, was given 3.00, and was charged 1.00."""
    async with web.database.transaction() as session:
        organization = await new_wallet(session, "20")
        await charge(session, (await new_hold(session, organization, "1")).id, "1")
    async with web.database.transaction() as session:
        await grant(session, organization, "3")
    return organization


def rows_of(answer: httpx.Response) -> list[dict[str, str]]:
    """The lines of a CSV document."""
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"].startswith("attachment; ")
    return list(csv.DictReader(io.StringIO(answer.text)))


class TestMonths:
    async def test_are_listed_with_what_may_be_done(self, web: Web, finance: httpx.AsyncClient) -> None:
        await _spent(web)
        [present] = (await finance.get("/api/v1/admin/months")).json()["items"]
        assert present["state"] == "open"
        [close] = present["actions"]
        assert (close["name"], close["allowed"]) == ("close", False)
        refused = await finance.post(f"/api/v1/admin/months/{present['month']}/close")
        assert (refused.status_code, refused.json()["code"]) == (409, "month_not_closable")
        assert close["reason"] in refused.json()["detail"]

    async def test_are_closed_once_and_the_trail_says_by_whom(self, web: Web, finance: httpx.AsyncClient) -> None:
        async with web.database.transaction() as session:
            await months.close(session, "2026-01", by="usr_before")
        closed = await finance.post("/api/v1/admin/months/2026-02/close")
        assert (closed.status_code, closed.json()["state"]) == (200, "closed")
        trail = (await finance.get("/api/v1/admin/audit-events?action=month.closed")).json()["items"]
        assert [one["target"]["id"] for one in trail] == ["2026-02"]
        assert closed.json()["closed_by"] == trail[0]["actor"]["user_id"]
        again = await finance.post("/api/v1/admin/months/2026-02/close")
        assert (again.status_code, again.json()["code"]) == (409, "month_not_closable")

    async def test_wait_for_what_was_measured_and_not_charged(self, web: Web, finance: httpx.AsyncClient) -> None:
        async with web.database.transaction() as session:
            await months.close(session, "2026-01", by="usr_before")
            subject = await new_subject(session, started_ago=600)
            moved = datetime(2026, 2, 10, tzinfo=UTC) - subject.started_at
            await session.execute(
                text(
                    "UPDATE meter_segment SET period = tstzrange(lower(period) + :moved, NULL), "
                    "posted_to = posted_to + :moved, metered_to = metered_to + :moved + interval '60 seconds'"
                ),
                {"moved": moved},
            )
        february = (await finance.get("/api/v1/admin/months/2026-02")).json()["month"]
        [close] = february["actions"]
        assert close["reason"] == "What 1 of the meters measured in 2026-02 is not charged yet."
        refused = await finance.post("/api/v1/admin/months/2026-02/close")
        assert refused.status_code == 409
        assert close["reason"] in refused.json()["detail"]

    async def test_say_what_they_came_to(self, web: Web, finance: httpx.AsyncClient) -> None:
        await _spent(web)
        [present] = (await finance.get("/api/v1/admin/months")).json()["items"]
        path = f"/api/v1/admin/months/{present['month']}"
        lines = {line["account"]: line for line in (await finance.get(path)).json()["lines"]}
        assert lines["wallet"]["closing"] == {"amount": "19.00", "currency": "USD"}
        assert lines["stripe_balance"]["debits"]["amount"] == "20.00"
        rows = rows_of(await finance.get(f"{path}?format=csv"))
        assert {row["account"]: (row["closing"], row["currency"]) for row in rows}["promo"] == ("3.00", "USD")

    async def test_of_which_there_are_none_are_not_found(self, finance: httpx.AsyncClient) -> None:
        assert (await finance.get("/api/v1/admin/months/2019-01")).status_code == 404
        assert (await finance.post("/api/v1/admin/months/never/close")).status_code == 404

    async def test_are_for_who_keeps_the_books(self, web: Web) -> None:
        support = await web.operator("support")
        assert (await support.get("/api/v1/admin/months")).status_code == 403


class TestReports:
    async def test_the_trial_balance_adds_up(self, web: Web, finance: httpx.AsyncClient) -> None:
        await _spent(web)
        before = (datetime.now(UTC) - timedelta(days=1)).isoformat()
        lines = (await finance.get("/api/v1/admin/reports/trial-balance")).json()["lines"]
        sides = [sum(float(line[side]["amount"]) for line in lines) for side in ("debit", "credit")]
        assert sides == [23.0, 23.0]
        earlier = await finance.get("/api/v1/admin/reports/trial-balance", params={"at": before})
        assert earlier.json()["lines"] == []
        rows = rows_of(await finance.get("/api/v1/admin/reports/trial-balance?format=csv"))
        assert {(row["account"], row["debit"], row["credit"]) for row in rows} >= {("stripe_balance", "20.00", "0.00")}

    async def test_deferred_revenue_is_what_is_not_spent(self, web: Web, finance: httpx.AsyncClient) -> None:
        await _spent(web)
        [line] = (await finance.get("/api/v1/admin/reports/deferred-revenue")).json()["lines"]
        assert (line["paid"]["amount"], line["promo"]["amount"], line["organizations"]) == ("19.00", "3.00", 1)
        [row] = rows_of(await finance.get("/api/v1/admin/reports/deferred-revenue?format=csv"))
        assert (row["paid"], row["currency"]) == ("19.00", "USD")

    async def test_revenue_is_by_sku_node_and_month(self, web: Web, finance: httpx.AsyncClient) -> None:
        async with web.database.transaction() as session:
            subject = await new_subject(session, started_ago=3600, funds="20")
            await observe_until(session, subject, 3500)
            await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
            first, last = [
                (
                    await session.execute(text("SELECT to_char(CAST(:at AS timestamptz), 'YYYY-MM')"), {"at": at})
                ).scalar_one()
                for at in (subject.started_at, subject.at(3600))
            ]
        asked = {"first": first, "last": last}
        lines = (await finance.get("/api/v1/admin/reports/revenue", params=asked)).json()["lines"]
        assert {(one["sku_id"], one["node_id"], one["meter_kind"]) for one in lines} == {
            (subject.sku_id, "nd_1", "compute")
        }
        assert sum(float(one["amount"]["amount"]) for one in lines) == pytest.approx(0.35, abs=1e-4)
        turned = {"first": "2026-03", "last": "2026-02"}
        assert (await finance.get("/api/v1/admin/reports/revenue", params=turned)).status_code == 422

    async def test_a_statement_has_every_line_between_two_balances(self, web: Web, finance: httpx.AsyncClient) -> None:
        organization = await _spent(web)
        asked = {"organization_id": organization, "currency": "USD", "since": "2026-01-01T00:00:00Z"}
        told = (await finance.get("/api/v1/admin/reports/statement", params=asked)).json()
        assert (told["opening"]["wallet"]["amount"], told["closing"]["wallet"]["amount"]) == ("0.00", "19.00")
        assert [line["amount"]["amount"] for line in told["lines"]] == ["20.00", "-1.00", "3.00"]
        rows = rows_of(await finance.get("/api/v1/admin/reports/statement", params={**asked, "format": "csv"}))
        assert [row["kind"] for row in rows] == ["top_up", "usage", "credit"]

    @pytest.mark.parametrize("as_format", ["json", "csv"])
    async def test_a_statement_sums_whatever_commits_while_it_is_read(
        self, web: Web, finance: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, as_format: str
    ) -> None:
        organization = await _spent(web)
        read, told = reports.balances, list[reports.Balances]()

        async def after_a_commit(*of: Any, **at: Any) -> reports.Balances:
            async with web.database.transaction() as other:
                await grant(other, organization, "1")
            told.append(await read(*of, **at))
            return told[-1]

        monkeypatch.setattr(reports, "balances", after_a_commit)
        until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        asked = {"organization_id": organization, "currency": "USD", "since": "2026-01-01T00:00:00Z", "until": until}
        answer = await finance.get("/api/v1/admin/reports/statement", params={**asked, "format": as_format})
        if as_format == "json":
            amounts = [line["amount"]["amount"] for line in answer.json()["lines"]]
        else:
            amounts = [row["amount"] for row in rows_of(answer)]
        had, has = (one.wallet + one.promo - one.owed for one in told)
        assert sum((usd(amount) for amount in amounts), usd("0")) == has - had == usd("22")

    async def test_text_that_a_spreadsheet_would_run_stays_text(self, web: Web, finance: httpx.AsyncClient) -> None:
        organization = await _spent(web)
        async with web.database.transaction() as session:
            await credits.grant(session, organization, usd("1"), idempotency_key=key(), reason="=HYPERLINK(1)")
        asked = {"organization_id": organization, "currency": "USD", "since": "2026-01-01T00:00:00Z", "format": "csv"}
        rows = rows_of(await finance.get("/api/v1/admin/reports/statement", params=asked))
        assert rows[-1]["description"] == "'=HYPERLINK(1)"
        assert rows[1]["amount"] == "-1.00"

    async def test_unmetered_time_names_node_and_customer(self, web: Web, finance: httpx.AsyncClient) -> None:
        async with web.database.transaction() as session:
            subject = await new_subject(session, started_ago=10_000)
            await meters.observe(session, {subject.id}, subject.at(100), policy=DEFAULT_POLICY)
            await meters.observe(session, {subject.id}, subject.at(3700), policy=DEFAULT_POLICY)
        asked = {"since": subject.started_at.isoformat()}
        [line] = (await finance.get("/api/v1/admin/reports/unmetered", params=asked)).json()["lines"]
        assert (line["node_id"], line["organization_id"], line["seconds"]) == ("nd_1", subject.organization, 3600)
        assert line["forgone"] == {"amount": "0.36", "currency": "USD"}
        half = {"since": subject.at(1900).isoformat(), "format": "csv"}
        [row] = rows_of(await finance.get("/api/v1/admin/reports/unmetered", params=half))
        assert (row["seconds"], row["forgone"]) == ("1800", "0.18")
        later = {"since": subject.at(3700).isoformat()}
        assert (await finance.get("/api/v1/admin/reports/unmetered", params=later)).json()["lines"] == []

    @pytest.mark.parametrize("path", ["trial-balance", "deferred-revenue"])
    async def test_are_for_who_keeps_the_books(self, web: Web, path: str) -> None:
        support = await web.operator("support")
        assert (await support.get(f"/api/v1/admin/reports/{path}")).status_code == 403
