"""What is delivered in a month is charged in it: segments are cut where months of the books end."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from sublet.billing import checks, meters, month_edges, settlement
from sublet.billing.revenue import revenue
from sublet.core.db import Database, Session
from sublet.ledger import months
from tests.billing.usage import RATE, Subject, charged_micro, new_subject, observe_until
from tests.ledger.books import assert_books_are_sound, new_wallet, usd
from tests.support.policy import DEFAULT_POLICY

pytestmark = pytest.mark.anyio

EDGE = datetime(2020, 2, 1, tzinfo=UTC)
LATER = datetime(2020, 3, 1, tzinfo=UTC)


async def _across(
    session: Session, *, before: float, after: float, edge: datetime = EDGE, **options: object
) -> Subject:
    """A subject that has run over the end of a month, so long before and after it, and was seen all the time."""
    now = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    started_ago = (now - edge).total_seconds() + before
    subject = await new_subject(session, started_ago=started_ago, held=usd("15"), **options)  # type: ignore[arg-type]
    moved = edge - timedelta(seconds=before) - subject.started_at
    await session.execute(
        text(
            "UPDATE meter_segment SET period = tstzrange(lower(period) + :moved, NULL), "
            "metered_to = metered_to + :moved, posted_to = posted_to + :moved WHERE subject_id = :id"
        ),
        {"moved": moved, "id": subject.id},
    )
    await session.execute(
        text(
            "UPDATE meter SET started_at = started_at + :moved, observed_to = observed_to + :moved "
            "WHERE subject_id = :id"
        ),
        {"moved": moved, "id": subject.id},
    )
    exact = Subject(
        subject.id, subject.organization, subject.hold_id, subject.started_at + moved, subject.sku_id, subject.price_id
    )
    await observe_until(session, exact, before + after)
    return exact


async def _charges(session: Session, subject: Subject) -> list[tuple[datetime, datetime, int, datetime]]:
    """From when until when each charge is, how many seconds, and when it counts in the books."""
    found = await session.execute(
        text(
            "SELECT u.period_start, u.period_end, u.seconds, e.effective_at FROM usage_charge c "
            "JOIN usage_record u ON u.subject_id = c.subject_id AND u.period_start = c.period_start "
            "JOIN ledger.ledger_entry e ON e.id = c.ledger_entry_id WHERE c.subject_id = :id ORDER BY u.period_start"
        ),
        {"id": subject.id},
    )
    return [(row.period_start, row.period_end, row.seconds, row.effective_at) for row in found]


async def _settle(session: Session, subject: Subject, *, together: bool) -> None:
    if together:
        await session.execute(text("UPDATE meter SET settle_due_at = now() WHERE subject_id = :id"), {"id": subject.id})
        assert (await settlement.settle_due(session, policy=DEFAULT_POLICY)).taken == 1
    else:
        await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)


BOTH_WAYS = pytest.mark.parametrize("together", [False, True], ids=["singly", "in a batch"])


class TestEdge:
    @BOTH_WAYS
    async def test_cuts_what_ran_over_it_and_each_part_counts_in_its_month(
        self, database: Database, together: bool
    ) -> None:
        async with database.transaction() as session:
            subject = await _across(session, before=3600.25, after=1800)
            await _settle(session, subject, together=together)
            assert await _charges(session, subject) == [
                (subject.started_at, EDGE - timedelta(seconds=0.25), 3600, EDGE - timedelta(seconds=0.25)),
                (EDGE, EDGE + timedelta(seconds=1800), 1800, EDGE + timedelta(seconds=1800)),
            ]
            assert await charged_micro(session, subject) == 5400 * 100
            brought = await revenue(session, since=datetime(2020, 1, 1, tzinfo=UTC), until=LATER)
            assert [(one.month, one.sku_id, one.node_id, one.amount) for one in brought] == [
                ("2020-01", subject.sku_id, "nd_1", usd("0.36")),
                ("2020-02", subject.sku_id, "nd_1", usd("0.18")),
            ]
            await assert_books_are_sound(session)
            failed = [result.name for result in await checks.run(session) if not result.ok]
            assert failed == ["metering behind"]  # the time of this test is long ago

    @BOTH_WAYS
    async def test_what_ends_right_at_it_is_the_months_before(self, database: Database, together: bool) -> None:
        async with database.transaction() as session:
            subject = await _across(session, before=600, after=0)
            await _settle(session, subject, together=together)
            [(_, ended, _, effective_at)] = await _charges(session, subject)
            assert (ended, effective_at) == (EDGE, EDGE - timedelta(microseconds=1))

    async def test_of_several_months_cuts_at_each(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await _across(session, before=60, after=60)
            days = (LATER - EDGE).days
            await session.execute(
                text("UPDATE meter SET observed_to = :at WHERE subject_id = :id"),
                {"at": LATER + timedelta(seconds=30), "id": subject.id},
            )
            await _settle(session, subject, together=False)
            assert [seconds for _, _, seconds, _ in await _charges(session, subject)] == [60, days * 86_400, 30]

    async def test_is_midnight_where_the_books_are_kept(self, database: Database) -> None:
        async with database.transaction() as session:
            assert await months.keep_calendar(session, "Asia/Tokyo") == "Asia/Tokyo"
            tokyo = EDGE - timedelta(hours=9)
            subject = await _across(session, before=60, after=60, edge=tokyo)
            await _settle(session, subject, together=False)
            assert [start for start, *_ in await _charges(session, subject)] == [subject.started_at, tokyo]

    async def test_changes_nothing_for_what_was_charged_beyond_it(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await _across(session, before=60, after=60)
            await session.execute(
                text("UPDATE meter_segment SET posted_to = metered_to WHERE subject_id = :id"), {"id": subject.id}
            )
            before = await meters.lock(session, subject.id)
            await month_edges.split(session, [subject.id])
            segments = text("SELECT count(*) FROM meter_segment WHERE subject_id = :id")
            assert (await session.execute(segments, {"id": before.subject_id})).scalar_one() == 1


class TestClosedMonth:
    @BOTH_WAYS
    async def test_gets_nothing_more_and_the_open_one_names_it(self, database: Database, together: bool) -> None:
        async with database.transaction() as session:
            subject = await _across(session, before=600, after=300, name="web")
            assert await month_edges.uncharged(session, before=EDGE) == 0
        async with database.transaction() as session:
            await months.close(session, "2020-01", by="usr_ada")
        async with database.transaction() as session:
            await _settle(session, subject, together=together)
            (_, _, _, late), (_, _, _, own) = await _charges(session, subject)
            assert (late > datetime(2026, 1, 1, tzinfo=UTC), own) == (True, EDGE + timedelta(seconds=300))
            named = await session.execute(
                text(
                    "SELECT c.month, e.description FROM ledger.correction c "
                    "JOIN ledger.ledger_entry e ON e.id = c.entry_id"
                )
            )
            whose = "" if together else " of web"
            assert [tuple(row) for row in named] == [("2020-01", f"Usage{whose} in 2020-01, which is closed")]
            assert await charged_micro(session, subject) == 900 * 100

    async def test_waits_until_what_was_measured_in_it_is_charged(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await _across(session, before=600, after=300)
            await settlement.watermarks.tick(session)
            assert await month_edges.uncharged(session, before=EDGE) == 1
            await _settle(session, subject, together=False)
            assert await month_edges.uncharged(session, before=EDGE) == 0


async def test_a_batch_charges_many_in_one_entry_a_month(database: Database) -> None:
    async with database.transaction() as session:
        organization = await new_wallet(session, "100")
        subjects = [await _across(session, before=600, after=600, organization=organization) for _ in range(3)]
        await session.execute(text("UPDATE meter SET settle_due_at = now()"))
        assert (await settlement.settle_due(session, policy=DEFAULT_POLICY)).taken == 3
        entries = {at for subject in subjects for _, _, _, at in await _charges(session, subject)}
        assert len(entries) == 2
        assert sum([await charged_micro(session, subject) for subject in subjects]) == 3 * 1200 * 100
        assert RATE.nano_per_hour == 360_000_000
