"""What is suspended costs one rate while its claim is kept, and its disk's after that: to the second that was said."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from sublet.billing import checks, meters, settlement, watermarks
from sublet.billing.cost import cost_of
from sublet.core.db import Database, Session
from sublet.core.money import Rate
from tests.billing.usage import Subject, charged_micro, known_of, new_subject, observe_until, unmetered_seconds
from tests.support.policy import DEFAULT_POLICY

pytestmark = pytest.mark.anyio

DISK_RATE = Rate.parse("0.0036", "USD")  # a micro-dollar a second, where running costs 100 and suspended 10


async def suspended(session: Session, *, until: float = 1000) -> Subject:
    """A subject that ran for 100 seconds, and keeps its claim until so many after its start."""
    subject = await new_subject(session, disk_rate=DISK_RATE)
    await observe_until(session, subject, 100)
    await meters.switch(session, subject.id, "suspended", subject.at(100))
    await meters.suspend_until(session, subject.id, subject.at(until))
    return subject


async def settled(session: Session, subject: Subject) -> int:
    await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
    return await charged_micro(session, subject)


RAN = 100 * 100
KEPT = 900 * 10


class TestTheEdge:
    async def test_is_where_it_was_said_however_late_anybody_looks(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await suspended(session)
            await observe_until(session, subject, 3000, since=100)
            assert await settled(session, subject) == RAN + KEPT
            await meters.pass_suspension(session, subject.id, subject.at(3000))
            assert await settled(session, subject) == RAN + KEPT + 2000

    async def test_is_not_passed_before_its_time(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await suspended(session)
            await observe_until(session, subject, 999, since=100)
            await meters.pass_suspension(session, subject.id, subject.at(999))
            assert (await meters.lock(session, subject.id)).kind == "suspended"
            assert await settled(session, subject) == RAN + 899 * 10
            await meters.pass_suspension(session, subject.id, subject.at(1000))
            assert (await meters.lock(session, subject.id)).kind == "disk"

    async def test_is_passed_on_the_way_to_running_again(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await suspended(session)
            await observe_until(session, subject, 2000, since=100)
            await meters.switch(session, subject.id, "running", subject.at(2000))
            await observe_until(session, subject, 2010, since=2000)
            assert await settled(session, subject) == RAN + KEPT + 1000 + 10 * 100

    async def test_is_passed_on_the_way_to_its_release(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await suspended(session)
            await meters.stop(session, subject.id, subject.at(2000))
            await observe_until(session, subject, 2000, since=100)
            await settlement.settle(session, subject.id, final=True, policy=DEFAULT_POLICY)
            assert await charged_micro(session, subject) == RAN + KEPT + 1000

    async def test_in_time_that_nobody_proved_is_free_on_both_sides(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await suspended(session)
            await observe_until(session, subject, 500, since=100)
            await meters.observe(session, {subject.id}, subject.at(2000), policy=DEFAULT_POLICY)
            await observe_until(session, subject, 3000, since=2000)
            await meters.pass_suspension(session, subject.id, subject.at(3000))
            assert await settled(session, subject) == RAN + 400 * 10 + 1000
            assert await unmetered_seconds(session, subject) == 1500

    async def test_is_passed_by_the_tick_where_nobody_else_does(self, database: Database) -> None:
        """As where its node is away: else what expires would wait for a charge that never comes."""
        async with database.transaction() as session:
            subject, later = await suspended(session), await suspended(session, until=1_000_000)
            stopped = await suspended(session, until=1_000_000)
            await meters.stop(session, stopped.id, stopped.at(900))
            await observe_until(session, subject, 3000, since=100)
            await watermarks.tick(session)
            kinds = [(await meters.lock(session, one.id)).kind for one in (subject, later, stopped)]
            assert kinds == ["disk", "suspended", "suspended"]
            assert await settled(session, subject) == RAN + KEPT + 2000

    async def test_lies_inside_a_second_in_the_customers_favour(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await suspended(session, until=1000.7)
            await observe_until(session, subject, 2000, since=100)
            await meters.pass_suspension(session, subject.id, subject.at(2000))
            # 900 whole seconds before it, 999 whole ones after it.
            assert await settled(session, subject) == RAN + KEPT + 999

    async def test_is_gone_once_it_runs_again_before_it(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await suspended(session)
            await observe_until(session, subject, 500, since=100)
            await meters.switch(session, subject.id, "running", subject.at(500))
            await observe_until(session, subject, 1500, since=500)
            assert await settled(session, subject) == RAN + 400 * 10 + 1000 * 100

    async def test_may_be_taken_back_while_it_lies_ahead(self, database: Database) -> None:
        """As while its node is emptied: then it is not the customer who keeps it suspended."""
        async with database.transaction() as session:
            subject = await suspended(session)
            await meters.suspend_until(session, subject.id, None)
            await observe_until(session, subject, 2000, since=100)
            await meters.pass_suspension(session, subject.id, subject.at(2000))
            assert await settled(session, subject) == RAN + 1900 * 10


class TestWhatIsShown:
    async def test_is_never_more_than_will_be_charged(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await suspended(session)
            await observe_until(session, subject, 3000, since=100)
            cost = (await cost_of(session, [subject.id]))[subject.id]
            assert cost.total.micro == RAN + KEPT
            await meters.pass_suspension(session, subject.id, subject.at(3000))
            cost = (await cost_of(session, [subject.id]))[subject.id]
            assert (cost.total.micro, cost.rate) == (RAN + KEPT + 2000, DISK_RATE)

    async def test_agrees_with_the_price(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await suspended(session)
            await observe_until(session, subject, 3000, since=100)
            await meters.pass_suspension(session, subject.id, subject.at(3000))
            await settled(session, subject)
            problems = [
                finding.problem
                for result in await checks.run(session)
                for finding in result.findings
                if result.name == "rates against prices" and finding.subject.endswith(subject.id)
            ]
            assert problems == []
            await session.execute(
                text("UPDATE meter SET disk_nano_per_hour = 1 WHERE subject_id = :id"), {"id": subject.id}
            )
            [result] = [one for one in await checks.run(session) if one.name == "rates against prices"]
            assert any("1 nano-units an hour for disk" in finding.problem for finding in result.findings)


class TestTheDatabase:
    @pytest.mark.parametrize(
        "change",
        [
            "kind = 'asleep'",
            "kind = 'disk', disk_nano_per_hour = NULL, suspended_until = NULL",
            "kind = 'running'",
            "disk_nano_per_hour = -1",
        ],
    )
    async def test_refuses_what_no_meter_can_be(self, database: Database, change: str) -> None:
        async with database.transaction() as session:
            subject = await suspended(session)
        with pytest.raises(IntegrityError):
            async with database.transaction() as session:
                await session.execute(text(f"UPDATE meter SET {change} WHERE subject_id = :id"), {"id": subject.id})
        async with database.transaction() as session:
            [[meter], *_] = await known_of(session, subject)
            assert meter.kind == "suspended"
