"""A settlement costs so many statements however many it settles, and one that is at fault stops nobody else."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, text

from sublet.billing import extension, meters, settlement, watermarks
from sublet.billing.batches import START, Place
from sublet.core.db import Database, Session
from sublet.core.money import Rate
from sublet.ledger import credits, holds
from tests.billing.usage import EAGER, POLICY, Subject, charged_micro, new_running, new_subject, observe_until
from tests.ledger.books import assert_books_are_sound, key, usd
from tests.support.locks import until_somebody_waits
from tests.support.policy import DEFAULT_POLICY

pytestmark = pytest.mark.anyio


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """The statements that are executed meanwhile, in order."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        seen.append(statement)

    event.listen(database.pool.sync_engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(database.pool.sync_engine, "before_cursor_execute", note)


TURN = 20_261_129
"""The lock that a settlement waits for between its look at what is due and the lock of the first meter."""


@contextmanager
def a_turn_before_what_is_due(database: Database) -> Iterator[None]:
    """Whoever looks for what is due waits for the turn once it has its snapshot, and before it has a meter."""

    def wait(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> tuple[str, Any]:
        due = "settle_due_at <= statement_timestamp()"
        waits = f"(SELECT pg_advisory_xact_lock_shared({TURN})::text) IS NOT NULL AND {due}"
        return statement.replace(due, waits), parameters

    event.listen(database.pool.sync_engine, "before_cursor_execute", wait, retval=True)
    try:
        yield
    finally:
        event.remove(database.pool.sync_engine, "before_cursor_execute", wait)


@pytest.fixture
def other(owner_url: str) -> Iterator[psycopg.Connection[Any]]:
    """Somebody else, whose turn it is first."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        yield connection


async def _due(session: Session, *, promo: bool = False, **options: Any) -> Subject:
    """A subject that owes 0.06 and is due, with promotional money if asked."""
    subject = await new_subject(session, policy=EAGER, started_ago=1000, held=usd("5"), **options)
    if promo:
        await credits.grant(session, subject.organization, usd("1"), idempotency_key=key(), reason="Welcome")
    await observe_until(session, subject, 600)
    return subject


async def _still_due(session: Session) -> list[str]:
    due = "SELECT subject_id FROM meter WHERE settle_due_at <= clock_timestamp() ORDER BY subject_id"
    return list((await session.execute(text(due))).scalars())


_READ_BY = text("SELECT pg_stat_get_xact_tuples_returned(CAST(:index AS regclass))")


_MOVED = text(
    "SELECT pg_stat_get_xact_tuples_updated(t.oid) AS all, pg_stat_get_xact_tuples_hot_updated(t.oid) AS hot"
    "  FROM pg_class t WHERE t.oid = 'meter_segment'::regclass"
)


async def _moved(session: Session) -> Counter[str]:
    """How many segments this connection wrote anew that nobody has added up yet, and of which no index was told."""
    return Counter((await session.execute(_MOVED)).mappings().one())


async def _read_by(session: Session, index: str) -> int:
    """How many entries of an index this connection read that nobody has added up yet."""
    read: int = (await session.execute(_READ_BY, {"index": index})).scalar_one()
    return read


class TestStatements:
    @pytest.mark.parametrize("promo", [False, True], ids=["paid in", "promotional"])
    async def test_of_a_settlement_are_as_many_for_one_as_for_twenty(self, database: Database, promo: bool) -> None:
        counted = []
        for many in (1, 20):
            async with database.transaction() as session:
                subjects = [await _due(session, promo=promo) for _ in range(many)]
            with statements(database) as executed:
                await settlement.settle_all(database, policy=DEFAULT_POLICY)
            counted.append(len(executed))
            async with database.transaction() as session:
                assert {await charged_micro(session, subject) for subject in subjects} == {60_000}
        assert counted[0] == counted[1] <= 12

    async def test_of_fitting_holds_are_as_many_for_one_as_for_twenty(self, database: Database) -> None:
        counted = []
        for many in (1, 20):
            async with database.transaction() as session:
                for _ in range(many):
                    subject = await new_running(session, "20")
                    await credits.grant(session, subject.organization, usd("9"), idempotency_key=key(), reason="Hello")
            with statements(database) as executed:
                await extension.fit_all(database, policy=POLICY)
            counted.append(len(executed))
        assert counted[0] == counted[1] <= 5


class TestSegments:
    async def test_have_room_beside_each_so_that_a_tick_and_a_settlement_tell_no_index(
        self, database: Database
    ) -> None:
        async with database.transaction() as session:
            for _ in range(40):
                await _due(session)
        async with database.transaction() as session:
            before = await _moved(session)
            assert await watermarks.tick(session) == 40
            assert await _moved(session) - before == Counter(all=40, hot=40)
        async with database.transaction() as session:
            before = await _moved(session)
            assert (await settlement.settle_due(session, policy=DEFAULT_POLICY)).taken == 40
            assert await _moved(session) - before == Counter(all=40, hot=40)


class TestABatch:
    async def test_reads_no_more_of_the_due_than_it_takes(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Though all are due at the same time; and of those that are not due, none."""
        monkeypatch.setattr(settlement, "MOST_SUBJECTS", 4)
        async with database.transaction() as session:
            for _ in range(20):
                await _due(session)
            await session.execute(text("UPDATE meter SET settle_due_at = (SELECT min(settle_due_at) FROM meter)"))
            for _ in range(20):
                await new_subject(session, started_ago=10)
        after: Place | None = START
        read = []
        while after is not None:
            async with database.transaction() as session:
                await session.execute(text("SET LOCAL enable_seqscan = off"))
                before = await _read_by(session, "meter_settle_due_after")
                after = (await settlement.settle_due(session, policy=DEFAULT_POLICY, after=after)).next
                read.append(await _read_by(session, "meter_settle_due_after") - before)
        *batches, last = read
        assert batches == [4, 4, 4, 4, 4]
        assert last < 20, "what was due before is still there, but dead"

    async def test_finds_segments_without_the_index_that_refuses_overlaps(self, database: Database) -> None:
        """Which is ten times as dear to ask, and looks as cheap to who plans. PostgreSQL 15 asks it twice a subject."""
        async with database.transaction() as session:
            for _ in range(20):
                await _due(session)
        async with database.transaction() as session:
            await session.execute(text("SET LOCAL enable_seqscan = off"))
            before = await _read_by(session, "meter_segment_subject_id_period_excl")
            assert (await settlement.settle_due(session, policy=DEFAULT_POLICY)).taken == 20
            asked = await _read_by(session, "meter_segment_subject_id_period_excl") - before
            version = (await session.execute(text("SELECT current_setting('server_version_num')::int"))).scalar_one()
        assert asked <= (0 if version >= 160000 else 2 * 20)


class TestSomebodyInBetween:
    async def test_has_nothing_recorded_that_was_not_charged(
        self, database: Database, other: psycopg.Connection[Any]
    ) -> None:
        """The tick ends a suspended rate after the settlement has begun to look, and before it has the meter."""
        async with database.transaction() as session:
            subject = await new_subject(
                session, policy=EAGER, started_ago=4000, held=usd("5"), disk_rate=Rate.parse("0.0036", "USD")
            )
            await observe_until(session, subject, 100)
            await meters.switch(session, subject.id, "suspended", subject.at(100))
            await meters.suspend_until(session, subject.id, subject.at(1000))
            await observe_until(session, subject, 3000, since=100)
        other.execute("SELECT pg_advisory_lock(%s)", [TURN])
        with a_turn_before_what_is_due(database):
            settling = asyncio.create_task(settlement.settle_all(database, policy=DEFAULT_POLICY))
            await until_somebody_waits(database)
            async with database.transaction() as session:
                assert await watermarks.tick(session) == 3, "it ran, was suspended, and is a disk"
            other.execute("SELECT pg_advisory_unlock(%s)", [TURN])
            await settling
        async with database.transaction() as session:
            captured = "SELECT sum(amount) FROM ledger.hold_event WHERE hold_id = :hold_id AND kind = 'captured'"
            found = await session.execute(text(captured), {"hold_id": subject.hold_id})
            assert found.scalar_one() == await charged_micro(session, subject) == 100 * 100 + 900 * 10 + 2000
            await assert_books_are_sound(session)


class TestTransactions:
    async def test_settle_so_many_at_most(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        assert settlement.MOST_SUBJECTS <= 1000
        assert extension.MOST_HOLDS <= 1000
        monkeypatch.setattr(settlement, "MOST_SUBJECTS", 3)
        async with database.transaction() as session:
            subjects = [await _due(session) for _ in range(8)]
        await settlement.settle_all(database, policy=DEFAULT_POLICY)
        async with database.transaction() as session:
            assert [await charged_micro(session, subject) for subject in subjects] == [60_000] * 8
            of_each = "SELECT count(*) FROM usage_charge GROUP BY ledger_entry_id, xmin ORDER BY 1"
            assert list((await session.execute(text(of_each))).scalars()) == [2, 3, 3]
            assert await _still_due(session) == []

    async def test_fit_so_many_holds_at_most(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(extension, "MOST_HOLDS", 3)
        async with database.transaction() as session:
            for _ in range(8):
                await new_running(session, "20")
        await extension.fit_all(database, policy=POLICY)
        async with database.transaction() as session:
            together = "SELECT count(*) FROM ledger.hold_event WHERE kind = 'extended' GROUP BY xmin ORDER BY 1"
            assert list((await session.execute(text(together))).scalars()) == [2, 3, 3]

    async def test_settle_what_a_batch_leaves_so_many_at_most(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert settlement.MOST_SINGLY <= 100
        monkeypatch.setattr(settlement, "MOST_SINGLY", 2)
        settle_singly, tried = settlement.settle_singly, []

        async def noted(session: Session, subject_ids: list[str], **options: Any) -> None:
            tried.append(len(subject_ids))
            await settle_singly(session, subject_ids, **options)

        monkeypatch.setattr(settlement, "settle_singly", noted)
        async with database.transaction() as session:
            for _ in range(3):
                subject = await new_subject(session, policy=EAGER, started_ago=1000, funds="1", held=usd("0.01"))
                await observe_until(session, subject, 600)
        await settlement.settle_all(database, policy=DEFAULT_POLICY)
        async with database.transaction() as session:
            assert await _still_due(session) == []
        assert sorted(tried) == [1, 2]


class TestOneAtFault:
    async def test_stays_due_and_all_others_are_settled(self, database: Database) -> None:
        """Its hold is closed, so that nothing can be charged to it together or singly."""
        async with database.transaction() as session:
            at_fault, poor, rich = await _due(session), await _due(session), await _due(session, promo=True)
            await holds.release(session, at_fault.hold_id, idempotency_key=key())
        for _ in range(2):
            await settlement.settle_all(database, policy=DEFAULT_POLICY)
            async with database.transaction() as session:
                assert await _still_due(session) == [at_fault.id]
                charged = [await charged_micro(session, subject) for subject in (at_fault, poor, rich)]
                assert charged == [0, 60_000, 60_000]
                await assert_books_are_sound(session)

    async def test_in_a_batch_that_is_refused_stays_due_and_all_others_are_settled_singly(
        self, database: Database
    ) -> None:
        """Of the one at fault the time was recorded before, which undoes the batch, and then only its own charge."""
        async with database.transaction() as session:
            at_fault, first, second = [await _due(session) for _ in range(3)]
            await session.execute(
                text(
                    "INSERT INTO usage_record "
                    "(subject_id, period_start, period_end, seconds, kind, meter_kind, sku_id, evidence_at) "
                    "SELECT subject_id, started_at, observed_to, 600, 'running', meter_kind, sku_id, "
                    "observed_to FROM meter WHERE subject_id = :id"
                ),
                {"id": at_fault.id},
            )
        await settlement.settle_all(database, policy=DEFAULT_POLICY)
        async with database.transaction() as session:
            assert await _still_due(session) == [at_fault.id]
            assert [await charged_micro(session, each) for each in (at_fault, first, second)] == [0, 60_000, 60_000]
            await assert_books_are_sound(session)
