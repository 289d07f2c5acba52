"""A month of usage day by day, and what it comes to: only what is proven, and what is seen to run."""

from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest
from sqlalchemy import text

from sublet.billing import settlement
from sublet.billing.by_day import MonthUsage, month_usage
from sublet.core.db import Database, Session
from sublet.core.money import Rate
from sublet.ledger import entries, months
from tests.billing.usage import A_DOLLAR_AN_HOUR, Subject, new_subject, observe_until
from tests.ledger.books import key, top_up, usd
from tests.support.app import Web
from tests.support.policy import DEFAULT_POLICY

pytestmark = pytest.mark.anyio

LONG_AGO = datetime(2020, 2, 10, 23, 0, tzinfo=UTC)


async def _moved(session: Session, subject: Subject, started_at: datetime) -> Subject:
    """The same subject, started then, and seen ever since as if it had."""
    moved = started_at - subject.started_at
    about = {"moved": moved, "id": subject.id}
    await session.execute(
        text(
            "UPDATE meter_segment SET period = tstzrange(lower(period) + :moved, NULL), "
            "metered_to = metered_to + :moved, posted_to = posted_to + :moved WHERE subject_id = :id"
        ),
        about,
    )
    await session.execute(
        text(
            "UPDATE meter SET started_at = started_at + :moved, observed_to = observed_to + :moved "
            "WHERE subject_id = :id"
        ),
        about,
    )
    return Subject(subject.id, subject.organization, subject.hold_id, started_at, subject.sku_id, subject.price_id)


async def _ran(session: Session, started_at: datetime, *hours: float, organization: str | None = None) -> Subject:
    """A subject at a dollar an hour that was seen all the time, charged after so many hours each."""
    subject = await new_subject(session, rate=A_DOLLAR_AN_HOUR, held=usd("5"), organization=organization)
    subject = await _moved(session, subject, started_at)
    since = 0.0
    for each in hours:
        await observe_until(session, subject, since + each * 3600, since=since)
        await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
        since += each * 3600
    return subject


async def _of(session: Session, organization: str, month: str | None = None) -> MonthUsage:
    return await month_usage(session, organization, currency="USD", month=month, policy=DEFAULT_POLICY)


class TestDays:
    async def test_each_has_what_ended_on_it_and_the_month_has_all(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await _ran(session, LONG_AGO, 1, 2)
            found = await _of(session, subject.organization, "2020-02")
        costs = {day.day: day.amount for day in found.days if day.amount.micro}
        # What ended at midnight is of the day before.
        assert costs == {date(2020, 2, 10): usd("1"), date(2020, 2, 11): usd("2")}
        assert (len(found.days), found.days[0].day, found.charged) == (29, date(2020, 2, 1), usd("3"))
        assert found.days[9].kinds == {"compute": usd("1")}
        assert found.forecast is None

    async def test_of_another_month_and_of_somebody_else_are_not_in_it(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await _ran(session, LONG_AGO, 1)
            await _ran(session, LONG_AGO, 2)
            january = await _of(session, subject.organization, "2020-01")
            february = await _of(session, subject.organization, "2020-02")
        assert (january.charged, february.charged) == (usd("0"), usd("1"))

    async def test_leave_out_what_was_taken_back(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await _ran(session, LONG_AGO, 1, 2)
            one = "SELECT min(ledger_entry_id) FROM usage_charge WHERE subject_id = :id"
            entry_id = (await session.execute(text(one), {"id": subject.id})).scalar_one()
            await entries.reverse(session, entry_id, idempotency_key=key(), reason="by mistake")
            found = await _of(session, subject.organization, "2020-02")
        assert found.charged == usd("2")

    async def test_are_looked_for_among_what_was_charged_since_the_month_began(
        self, database: Database, owner_url: str
    ) -> None:
        async with database.transaction() as session:
            subject = await _ran(session, LONG_AGO, 1, 2)
        with psycopg.connect(owner_url, autocommit=True) as owner:
            owner.execute("SET session_replication_role = replica")
            first = "WHERE id = (SELECT min(id) FROM usage_charge)"
            owner.execute(f"UPDATE usage_charge SET charged_at = '2020-01-31 22:59Z' {first}")
            async with database.reading() as session:
                earlier = await _of(session, subject.organization, "2020-02")
            owner.execute(f"UPDATE usage_charge SET charged_at = '2020-01-31 23:01Z' {first}")
            async with database.reading() as session:
                later = await _of(session, subject.organization, "2020-02")
        # What was charged an hour before a month began cannot have been delivered in it, and is not read.
        assert (earlier.charged, later.charged) == (usd("2"), usd("3"))


class TestForecast:
    async def test_goes_on_from_what_is_charged_at_what_is_seen_to_run(self, database: Database) -> None:
        async with database.transaction() as session:
            now = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
            subject = await new_subject(session, rate=A_DOLLAR_AN_HOUR, started_ago=0, held=usd("1"))
            found = await _of(session, subject.organization)
        assert found.forecast is not None
        hours = (found.ends_at - now).total_seconds() / 3600
        assert abs(found.forecast.amount.micro - hours * 1_000_000) < 60_000_000 / 3600
        assert found.forecast.burn == A_DOLLAR_AN_HOUR
        assert found.forecast.within_funds == (hours < 20)

    async def test_counts_nothing_of_what_nobody_sees(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session, rate=A_DOLLAR_AN_HOUR, started_ago=7 * 86_400, held=usd("1"))
            found = await _of(session, subject.organization)
        assert found.forecast is not None
        # Its first second is billed, in the month in which it began.
        assert found.forecast.amount.micro in {0, 277}
        assert found.forecast.burn == Rate(0, "USD")
        assert found.forecast.within_funds

    async def test_says_when_the_money_does_not_last(self, database: Database) -> None:
        async with database.transaction() as session:
            rich = await new_subject(session, funds="5000", rate=A_DOLLAR_AN_HOUR, started_ago=0, held=usd("1"))
            poor = await new_subject(session, funds="2", rate=Rate.parse("100", "USD"), started_ago=0, held=usd("1"))
            lasts = [(await _of(session, one.organization)).forecast for one in (rich, poor)]
        assert [one is not None and one.within_funds for one in lasts] == [True, False]

    async def test_of_what_is_delivered_and_not_charged_yet_is_in_it(self, database: Database) -> None:
        async with database.transaction() as session:
            start = max(await _month_starts(session), await _ago(session, 1800))
            subject = await _moved(session, await new_subject(session, rate=A_DOLLAR_AN_HOUR, held=usd("5")), start)
            seen_to = 600.0
            await observe_until(session, subject, seen_to)
            found = await _of(session, subject.organization)
        assert found.forecast is not None
        assert found.forecast.accrued.micro >= 600 * 1_000_000 // 3600 - 1


async def _month_starts(session: Session) -> datetime:
    name = await months.present(session)
    starts_at, _ = await months.span(session, name, name)
    return starts_at


async def _ago(session: Session, seconds: float) -> datetime:
    now: datetime = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    return now - timedelta(seconds=seconds)


class TestTheRoute:
    async def test_shows_the_present_month_unless_another_is_asked_for(self, web: Web, database: Database) -> None:
        customer = await web.customer()
        organization = (await customer.get("/api/v1/me")).json()["organization"]["id"]
        async with database.transaction() as session:
            await top_up(session, organization, "20")
            await _ran(session, LONG_AGO, 1, organization=organization)
            present = await months.present(session)
        now = (await customer.get("/api/v1/usage/by-day")).json()
        assert (now["month"], now["charged"]["amount"]) == (present, "0.00")
        assert now["forecast"]["amount"]["currency"] == "USD"
        then = (await customer.get("/api/v1/usage/by-day", params={"month": "2020-02"})).json()
        assert (then["charged"]["amount"], then["forecast"]) == ("1.00", None)
        [day] = [day for day in then["days"] if day["kinds"]]
        assert day["kinds"] == [{"meter_kind": "compute", "amount": {"amount": "1.00", "currency": "USD"}}]
        assert (await customer.get("/api/v1/usage/by-day", params={"month": "2020-13"})).status_code == 422
