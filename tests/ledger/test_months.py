"""Months of the books: closed one after the other, for good, whoever asks; what comes later names what it corrects."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy import text

from sublet.core.db import Database, Session
from sublet.ledger import charges, entries, months, reconcile, reports
from sublet.ledger.failures import LedgerRefused, MonthClosed, MonthNotClosable
from tests.ledger.books import charge, grant, key, new_hold, new_wallet, usd
from tests.ledger.calls import KEEPING, POSTING, WRITING, Books, postings, statement
from tests.support.locks import until_somebody_waits

pytestmark = pytest.mark.anyio

JANUARY = datetime(2020, 1, 15, tzinfo=UTC)
APP_OPTIONS = "-c default_transaction_isolation=read\\ committed"


async def _post(session: Session, organization: str, amount: str, at: datetime) -> int:
    """A charge at a time of its own; the entry's id."""
    hold = await new_hold(session, organization, amount)
    entry = await charges.capture(
        session,
        hold.id,
        usd(amount),
        meter_kind="compute",
        source_type="subject",
        source_id="al_1",
        idempotency_key=key(),
        description="Usage",
        effective_at=at,
    )
    return entry.id


async def _close(database: Database, name: str) -> None:
    async with database.transaction() as session:
        await months.close(session, name, by="usr_ada")


@pytest.fixture
def app(app_url: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """The application's role."""
    with psycopg.connect(app_url, options=APP_OPTIONS) as connection:
        yield connection


@pytest.fixture
async def closed_now(database: Database, owner_url: str) -> Books:
    """Books whose present month is closed, by their owner's hand: no function closes one that is not over."""
    made = await Books.made(database)
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute(
            "INSERT INTO ledger.month_close (month, starts_at, ends_at, closed_by) "
            "VALUES ('2099-01', clock_timestamp() - interval '1 day', clock_timestamp() + interval '1 day', 'usr')"
        )
    return made


class TestCalls:
    def test_are_all_that_the_application_may_execute(self, owner_url: str) -> None:
        with psycopg.connect(owner_url) as owner:
            found = {str(row[0]) for row in owner.execute(WRITING)}
        assert found == POSTING.keys() | KEEPING.keys(), "give a new function of the ledger its call in calls.py"

    @pytest.mark.parametrize("name", sorted(POSTING))
    async def test_post_where_the_month_is_open(
        self, database: Database, app: psycopg.Connection[tuple[object, ...]], name: str
    ) -> None:
        made = await Books.made(database)
        before = postings(app)
        app.execute(statement(POSTING[name]), made.arguments())
        assert postings(app) > before


class TestClosedMonth:
    @pytest.mark.parametrize("name", sorted(POSTING))
    async def test_refuses_every_function_that_posts(
        self, closed_now: Books, app: psycopg.Connection[tuple[object, ...]], name: str
    ) -> None:
        before = postings(app)
        app.commit()
        with pytest.raises(psycopg.Error) as refused:
            app.execute(statement(POSTING[name]), closed_now.arguments())
        assert refused.value.sqlstate == "SL007"
        app.rollback()
        assert postings(app) == before

    @pytest.mark.parametrize("name", sorted(KEEPING.keys() - {"seal_ranges", "name_corrected", "close_month"}))
    async def test_lets_money_be_set_aside_and_given_back(
        self, closed_now: Books, app: psycopg.Connection[tuple[object, ...]], name: str
    ) -> None:
        before = postings(app)
        app.execute(statement(KEEPING[name]), closed_now.arguments())
        assert postings(app) == before

    @pytest.mark.parametrize("name", ["capture", "capture_batch"])
    async def test_refuses_what_is_dated_back_into_it(
        self, database: Database, app: psycopg.Connection[tuple[object, ...]], name: str
    ) -> None:
        made = await Books.made(database)
        await _close(database, "2020-01")
        for at in ("'2020-01-31T23:59:59.999999Z'", "'1999-12-31T00:00Z'"):
            with pytest.raises(psycopg.Error) as refused:
                app.execute(statement(POSTING[name], at=at), made.arguments())
            assert (refused.value.sqlstate, "2020-01 is closed" in str(refused.value)) == ("SL007", True)
            app.rollback()
        app.execute(statement(POSTING[name], at="'2020-02-01T00:00Z'"), made.arguments())

    async def test_is_closed_for_who_began_to_look_before(
        self, database: Database, app: psycopg.Connection[tuple[object, ...]]
    ) -> None:
        """A transaction that sees the books as they were would not see that the month was closed since."""
        made = await Books.made(database)
        app.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        postings(app)
        await _close(database, "2020-01")
        with pytest.raises(psycopg.Error, match="needs to see what is committed"):
            app.execute(statement(POSTING["capture"], at="'2020-01-15T00:00Z'"), made.arguments())

    async def test_waits_for_who_is_posting_into_it(
        self, database: Database, app: psycopg.Connection[tuple[object, ...]], app_url: str
    ) -> None:
        made = await Books.made(database)
        app.execute(statement(POSTING["capture"], at="'2020-01-15T00:00Z'"), made.arguments())
        with psycopg.connect(app_url) as closing:
            closing.execute("SET lock_timeout = '200ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                closing.execute("SELECT ledger.close_month('2020-01', 'usr')")
        app.commit()
        await _close(database, "2020-01")
        async with database.transaction() as session:
            [january] = [one for one in await months.months(session) if one.month == "2020-01"]
            assert {total.kind: total.credits for total in await months.totals(session, january)} == {
                "wallet": 0,
                "revenue_compute": 1000,
            }

    async def test_is_named_by_the_error_of_a_function(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
        await _close(database, "2020-01")
        async with database.transaction() as session:
            with pytest.raises(MonthClosed, match="2020-01 is closed, and nothing is posted into it any more"):
                await _post(session, organization, "1", JANUARY)

    async def test_keeps_what_it_came_to(self, database: Database, owner_url: str) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            await _post(session, organization, "1", JANUARY)
            await _post(session, organization, "2", datetime(2020, 1, 31, 23, 59, 59, 999999, tzinfo=UTC))
            await _post(session, organization, "4", datetime(2020, 2, 1, tzinfo=UTC))
            await _post(session, organization, "8", datetime(2019, 12, 31, 23, 59, tzinfo=UTC))
        await _close(database, "2020-01")
        await _close(database, "2020-02")
        async with database.transaction() as session:
            january, february = [await months.month(session, name) for name in ("2020-01", "2020-02")]
            revenue = [
                next(total for total in await months.totals(session, one) if total.kind == "revenue_compute")
                for one in (january, february)
            ]
            assert [(one.opening, one.credits, one.closing) for one in revenue] == [
                (8_000_000, 3_000_000, 11_000_000),
                (11_000_000, 4_000_000, 15_000_000),
            ]
            assert all(result.ok for result in await reconcile.run(session))
        with psycopg.connect(owner_url, autocommit=True) as owner:
            owner.execute("SET session_replication_role = replica")
            owner.execute(
                "UPDATE ledger.ledger_entry SET effective_at = '2020-02-02' WHERE effective_at < '2020-01-01'"
            )
        async with database.transaction() as session:
            failed = [result for result in await reconcile.run(session) if not result.ok]
        found = {finding.subject: finding.amounts for result in failed for finding in result.findings}
        assert [result.name for result in failed] == ["closed months"]
        assert found["month:2020-02/revenue_compute"] == {"closed with": usd("4"), "posted": usd("12")}


class TestClosing:
    async def test_is_refused_for_a_month_that_is_not_over(self, database: Database) -> None:
        async with database.transaction() as session:
            [present, *_] = await months.months(session)
            refusal = months.why_not_close(present, [present], datetime.now(UTC))
            assert refusal is not None
            assert "is not over" in refusal.reason
            with pytest.raises(MonthNotClosable, match="is not over"):
                await months.close(session, present.month, by="usr_ada")

    async def test_is_refused_twice_and_out_of_order(self, database: Database) -> None:
        await _close(database, "2020-01")
        for name, why in (
            ("2020-01", "is closed"),
            ("2019-12", "is closed"),
            ("2020-03", "after 2020-01 is not closed"),
        ):
            with pytest.raises(MonthNotClosable, match=why):
                await _close(database, name)
        await _close(database, "2020-02")

    async def test_of_the_months_the_next_alone_is_offered(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session)
            await grant(session, organization, "20")
        await _close(database, "2020-01")
        async with database.transaction() as session:
            known = await months.months(session)
            offered = [one.month for one in known if months.why_not_close(one, known, datetime.now(UTC)) is None]
        assert offered == ["2020-02"]
        assert [one.month for one in known][-2:] == ["2020-02", "2020-01"]

    async def test_by_two_at_a_time_is_done_once(self, database: Database) -> None:
        async with database.transaction() as session:
            await months.close(session, "2020-01", by="usr_ada")
            second = asyncio.create_task(_close(database, "2020-01"))
            await until_somebody_waits(database)
        with pytest.raises(MonthNotClosable):
            await second


class TestCorrection:
    async def test_names_the_month_that_it_is_about(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
        await _close(database, "2020-01")
        async with database.transaction() as session:
            late = await _post(session, organization, "1", datetime(2020, 2, 3, tzinfo=UTC))
            for _ in range(2):
                await months.name_corrected(session, late, "2020-01")
        async with database.transaction() as session:
            told = await reports.statement(
                session,
                organization,
                currency="USD",
                since=datetime(2020, 1, 1, tzinfo=UTC),
                until=datetime(2020, 3, 1, tzinfo=UTC),
            )
            assert [(line.entry_id, line.corrects) for line in told.lines] == [(late, "2020-01")]

    async def test_that_takes_an_entry_back_names_that_entrys_month(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            wrong = await _post(session, organization, "1", JANUARY)
        await _close(database, "2020-01")
        async with database.transaction() as session:
            back = await entries.reverse(session, wrong, idempotency_key=key(), reason="In error")
            told = await reports.statement(
                session, organization, currency="USD", since=back.effective_at, until=datetime.now(UTC)
            )
        assert [(line.entry_id, line.corrects) for line in told.lines][-1] == (back.id, "2020-01")

    @pytest.mark.parametrize("month", ["2019-12", "2020-02", "2020-01"])
    async def test_is_none_of_an_open_month_or_of_its_own(self, database: Database, month: str) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            inside = await _post(session, organization, "1", JANUARY)
        await _close(database, "2020-01")
        async with database.transaction() as session:
            with pytest.raises(LedgerRefused, match="corrects nothing"):
                await months.name_corrected(session, inside, month)


class TestCalendar:
    async def test_may_change_while_there_are_no_entries(self, database: Database) -> None:
        async with database.transaction() as session:
            assert await months.keep_calendar(session, "Europe/Berlin") == "Europe/Berlin"
            organization = await new_wallet(session, "20")
            hold = await new_hold(session, organization, "1")
            await charge(session, hold.id, "1")
            assert await months.keep_calendar(session, "UTC") == "Europe/Berlin"
            assert await months.time_zone(session) == "Europe/Berlin"
            edge = await months.edge(session, "2020-01")
            assert edge.ends_at == datetime(2020, 1, 31, 23, tzinfo=UTC)

    async def test_is_of_a_time_zone_that_there_is(self, database: Database) -> None:
        async with database.transaction() as session:
            with pytest.raises(LedgerRefused, match="no time zone Mars/Olympus"):
                await months.keep_calendar(session, "Mars/Olympus")

    async def test_is_needed_for_months(self, database: Database, owner_url: str) -> None:
        with psycopg.connect(owner_url, autocommit=True) as owner:
            owner.execute("SET session_replication_role = replica")
            owner.execute("DELETE FROM ledger.calendar")
        async with database.transaction() as session:
            with pytest.raises(LedgerRefused, match="have no calendar"):
                await months.edge(session, "2020-01")
        async with database.transaction() as session:
            with pytest.raises(LedgerRefused, match="have no calendar"):
                await months.close(session, "2020-01", by="usr_ada")


class TestTrialBalance:
    async def test_is_of_any_time_and_adds_up_to_zero(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            await _post(session, organization, "1", JANUARY)
            await _post(session, organization, "2", datetime(2020, 2, 3, tzinfo=UTC))
        for closed in ((), ("2020-01",), ("2020-02",)):
            for name in closed:
                await _close(database, name)
            async with database.transaction() as session:
                at = [
                    {one.kind: one.balance for one in await reports.trial_balance(session, moment)}
                    for moment in (JANUARY, datetime(2020, 2, 1, tzinfo=UTC), datetime.now(UTC))
                ]
            assert at[0] == {}
            assert at[1] == {"wallet": -1_000_000, "revenue_compute": 1_000_000}
            assert at[2] == {"wallet": 17_000_000, "revenue_compute": 3_000_000, "stripe_balance": -20_000_000}

    async def test_says_what_nobody_has_spent_yet(self, database: Database) -> None:
        async with database.transaction() as session:
            before = datetime.now(UTC)
            paid, owing = await new_wallet(session, "20"), await new_wallet(session, "1")
            await grant(session, paid, "3")
            await charge(session, (await new_hold(session, owing, "1")).id, "1.5", overrun=True)
            assert await reports.unspent(session, before) == []
            [unspent] = await reports.unspent(session, datetime.now(UTC))
        assert (unspent.organizations, unspent.paid, unspent.promo, unspent.owed) == (
            2,
            usd("20"),
            usd("3"),
            usd("0.5"),
        )


async def test_a_customers_balances_are_those_of_any_time(database: Database) -> None:
    async with database.transaction() as session:
        organization = await new_wallet(session, "20")
        between = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    async with database.transaction() as session:
        await grant(session, organization, "3")
        now = datetime.now(UTC)
        was = await reports.balances(session, organization, currency="USD", at=between)
        became = await reports.balances(session, organization, currency="USD", at=now)
    assert (was.wallet, was.promo, became.promo) == (usd("20"), usd("0"), usd("3"))
