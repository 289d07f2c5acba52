"""Which meters a settlement takes, alone and together, what it leaves to the next one, and what is then complete."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from sublet.billing import checks, meters, settlement, usage, watermarks
from sublet.billing.policy import Policy
from sublet.core.clock import database_now
from sublet.core.db import Database, Session
from sublet.core.money import Money, Rate
from tests.billing.usage import (
    Subject,
    charged_micro,
    known_of,
    new_subject,
    observe_until,
    settle_due,
    unmetered_seconds,
)
from tests.ledger.books import assert_books_are_sound, new_wallet, usd
from tests.support.locks import until_somebody_waits
from tests.support.policy import DEFAULT_POLICY

pytestmark = pytest.mark.anyio

EAGER = Policy(data_kept_days=14, settle_interval_seconds=1)
both_ways = pytest.mark.parametrize("together", [True, False], ids=["together", "singly"])


async def _settle(session: Session, subject: Subject, *, together: bool) -> None:
    """Settle a subject that is running, by itself or with all that are due."""
    if together:
        await session.execute(text("UPDATE meter SET settle_due_at = clock_timestamp()"))
        await settle_due(session)
    else:
        await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)


async def _sound(session: Session) -> None:
    await assert_books_are_sound(session)
    failed = {result.name for result in await checks.run(session) if not result.ok}
    assert failed <= {"metering behind"}  # these subjects live in the past


class TestTaken:
    async def test_is_nothing_that_is_stopped(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session, policy=EAGER)
            await observe_until(session, subject, 600)
            await meters.stop(session, subject.id, subject.at(600))
            assert await settle_due(session) == 0
            assert await charged_micro(session, subject) == 0

    async def test_is_nothing_whose_time_has_not_come(self, database: Database) -> None:
        async with database.transaction() as session:
            due, early = await new_subject(session, policy=EAGER), await new_subject(session, started_ago=1000)
            for subject in (due, early):
                await observe_until(session, subject, 600)
            await watermarks.tick(session)
            before = await known_of(session, early)
            assert await settle_due(session) == 1
            assert await known_of(session, early) == before
            assert [await charged_micro(session, subject) for subject in (due, early)] == [60_000, 0]

    async def test_is_nothing_that_was_settled_singly_just_now(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session, policy=EAGER)
            await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
            assert await settle_due(session) == 0

    async def test_is_nothing_that_somebody_else_works_on_and_nobody_waits(self, database: Database) -> None:
        async with database.transaction() as session:
            free, busy = [await new_subject(session, policy=EAGER) for _ in range(2)]
            for subject in (free, busy):
                await observe_until(session, subject, 600)
        async with database.transaction() as other:
            await settlement.settle(other, busy.id, final=False, policy=EAGER)
            async with database.transaction() as session:
                await session.execute(text("SET LOCAL lock_timeout = '500ms'"))
                assert await settle_due(session) == 1
                assert [await charged_micro(session, subject) for subject in (free, busy)] == [60_000, 0]

    async def test_is_nothing_that_was_settled_for_good(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 600)
            await meters.stop(session, subject.id, subject.at(700))
            await settlement.settle(session, subject.id, final=True, policy=DEFAULT_POLICY)
            ended = await known_of(session, subject)
            for final in (False, True):
                settled = await settlement.settle(session, subject.id, final=final, policy=DEFAULT_POLICY)
                assert settled == settlement.Settled(Money(0, "USD"), None)
                assert await known_of(session, subject) == ended


class TestLast:
    async def test_charges_all_that_is_proven_though_it_waits_for_a_tick(self, database: Database) -> None:
        async def settled() -> int:
            async with database.transaction() as session:
                await settlement.settle(session, subject.id, final=True, policy=DEFAULT_POLICY)
                return await charged_micro(session, subject)

        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 600)
            await meters.stop(session, subject.id, subject.at(720))
        async with database.transaction() as ticking:
            assert await watermarks.tick(ticking) == 1
            async with database.transaction() as session:
                await observe_until(session, subject, 720, since=600)
            last = asyncio.create_task(settled())
            await until_somebody_waits(database)
        assert await last == 72_000

    async def test_looks_no_more_at_what_is_complete(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 599.5)
            await meters.stop(session, subject.id, subject.at(599.9))
            await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
            await settlement.settle(session, subject.id, final=True, policy=DEFAULT_POLICY)
            assert await charged_micro(session, subject) == 59_900
            assert await unmetered_seconds(session, subject) == 0


class TestRounds:
    @both_ways
    async def test_charge_what_came_since_the_one_before(self, database: Database, *, together: bool) -> None:
        charged = []
        async with database.transaction() as session:
            subject = await new_subject(session, rate=Rate(333_333_333, "USD"))
            for since, until in ((0, 100), (100, 100), (100, 250), (250, 1000)):
                await observe_until(session, subject, until, since=since)
                await _settle(session, subject, together=together)
                charged.append(await charged_micro(session, subject))
            await _sound(session)
        assert charged == [9_259, 9_259, 23_148, 92_592]

    @both_ways
    async def test_record_what_is_free_and_name_no_entry_for_it(self, database: Database, *, together: bool) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            subject = await new_subject(session, suspended_rate=Rate(0, "USD"), organization=organization)
            free = await new_subject(
                session, rate=Rate(0, "USD"), suspended_rate=Rate(0, "USD"), held=usd("1"), organization=organization
            )
            for each in (subject, free):
                await observe_until(session, each, 900)
            await meters.switch(session, subject.id, "suspended", subject.at(600))
            for each in (subject, free):
                await _settle(session, each, together=together)
            found = await usage.charges_of(session, organization, limit=10)
            await _sound(session)
        assert sorted((each.seconds, each.amount.micro, each.ledger_entry_id is None) for each in found) == [
            (300, 0, True),
            (600, 60_000, False),
            (900, 0, True),
        ]

    @both_ways
    async def test_complete_a_segment_with_its_last_whole_second(self, database: Database, *, together: bool) -> None:
        complete = text("SELECT complete FROM meter_segment WHERE subject_id = :id ORDER BY lower(period)")
        known = []
        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 699)
            await meters.switch(session, subject.id, "suspended", subject.at(700))
            for since, until in ((699, 699), (699, 720)):
                await observe_until(session, subject, until, since=since)
                await _settle(session, subject, together=together)
                done = (await session.execute(complete, {"id": subject.id})).scalars().all()
                known.append((await charged_micro(session, subject), done))
        assert known == [(69_900, [False, False]), (70_000 + 200, [True, False])]

    async def test_charge_what_they_record_though_a_tick_comes_in_between(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        charge_together = settlement.ledger_charges.capture_batch

        async def meanwhile(session: Session, *arguments: Any, **options: Any) -> dict[int, int]:
            charged = await charge_together(session, *arguments, **options)
            next_second = await database_now(session) + timedelta(seconds=1)
            async with database.transaction() as other:
                while await database_now(other) < next_second:
                    await asyncio.sleep(0.02)
                await watermarks.tick(other)
            return charged

        monkeypatch.setattr(settlement.ledger_charges, "capture_batch", meanwhile)
        async with database.transaction() as session:
            subject = await new_subject(session, started_ago=100, policy=EAGER)
            await meters.observe(session, {subject.id}, subject.at(200), policy=DEFAULT_POLICY)  # its clock is ahead
            await watermarks.tick(session)  # which leaves the settlement nothing to move
        async with database.transaction() as session:
            assert await settle_due(session) == 1
        async with database.transaction() as session:
            assert await charged_micro(session, subject) >= 10_000
            await _sound(session)
