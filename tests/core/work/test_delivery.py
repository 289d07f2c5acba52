"""Delivery of events to our own handlers: effects once, in order for each subject, and one bad event holds up no other.

Waits here are let pass by moving what is stored, so that no test waits.
"""

from collections.abc import AsyncIterator, Sequence
from typing import ClassVar

import pytest
import structlog.testing
from sqlalchemy import text

from sublet.core import dead_letters
from sublet.core.db import Database, Session
from sublet.core.outbox import Event, StoredEvent, publish
from sublet.core.work import delivery, leases
from sublet.core.work.delivery import EVENT_PACE, deliveries
from sublet.core.work.pace import Pace
from sublet.core.work.reconciler import Reconciler

pytestmark = pytest.mark.anyio

FOUR_TIMES = Pace(attempts=4, shortest_seconds=3600.0, longest_seconds=3600.0)
LIMIT = 40


class Poisoned(Event):
    """An event of these tests; its handler fails on the numbers in `broken`."""

    type: ClassVar[str] = "test.poisoned"
    number: int


class Stream:
    """Events in a database, and a handler that writes down what it did."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.broken: set[int] = set()
        self.known = {"test.poisoned"}

    async def publish(self, number: int, subject: str | None = None) -> None:
        async with self.database.transaction() as session:
            event = Poisoned(number=number)
            await publish(session, event, subject=subject or f"x-{number}", organization_id=None)

    async def handle(self, session: Session, event: StoredEvent) -> None:
        number = event.data["number"]
        statement = text("INSERT INTO outbox_cursor (subscriber, xid, id) VALUES (:name, '1', nextval('lease_token'))")
        await session.execute(statement, {"name": f"effect-{number}"})
        if number in self.broken:
            await session.execute(text("SELECT 1 / 0"))

    def worker(self) -> Reconciler:
        handlers = {"test.poisoned": (self.handle,)} if self.known else {}
        return Reconciler(self.database, deliveries(handlers, self.known, pace=FOUR_TIMES))

    async def deliver(self) -> None:
        """Deliver what is new, and try what is due."""
        async with self.database.transaction() as session:
            await leases.wake(session, [delivery.DELIVERY])
        worker = self.worker()
        for _ in range(LIMIT):
            begun = await worker.sweep()
            await worker.drain()
            if not begun:
                return
        raise AssertionError("there is always something to deliver")

    async def deliver_all(self) -> None:
        """Deliver until nothing is left to do, however long that takes."""
        for _ in range(LIMIT):
            await self.deliver()
            if not await self.one("SELECT count(*) FROM work WHERE kind = 'event' AND set_aside_at IS NULL"):
                return
            await self.waits_pass()
        raise AssertionError("there is always something to deliver")

    async def effects(self) -> list[int]:
        """What was done, in the order in which it was done."""
        async with self.database.reading() as session:
            rows = await session.execute(
                text("SELECT subscriber FROM outbox_cursor WHERE subscriber LIKE 'effect-%' ORDER BY id")
            )
            return [int(name.removeprefix("effect-")) for name in rows.scalars()]

    async def one(self, statement: str) -> object:
        async with self.database.reading() as session:
            return (await session.execute(text(statement))).scalar_one()

    async def waits_pass(self) -> None:
        async with self.database.transaction() as session:
            await session.execute(text("UPDATE work SET due_at = clock_timestamp() WHERE due_at < 'infinity'"))


@pytest.fixture
async def stream(database: Database) -> AsyncIterator[Stream]:
    async with database.transaction() as session:
        await delivery.register(session, "test")
    with structlog.testing.capture_logs():  # else every failure is drawn with all its frames
        yield Stream(database)


class TestDelivery:
    async def test_a_failing_event_holds_up_no_other(self, stream: Stream) -> None:
        stream.broken = {2}
        for number in (1, 2, 3):
            await stream.publish(number)
        await stream.deliver()
        assert await stream.effects() == [1, 3], "what the failing handler did before is undone"
        assert await stream.one("SELECT attempts FROM work WHERE kind = 'event'") == 1
        await stream.deliver()
        assert await stream.one("SELECT attempts FROM work WHERE kind = 'event'") == 1, "its time has not come"

    async def test_what_failed_for_a_while_is_done_in_the_end(self, stream: Stream) -> None:
        stream.broken = {2}
        for number in (1, 2, 3):
            await stream.publish(number)
        await stream.deliver()
        stream.broken = set()
        await stream.waits_pass()
        await stream.deliver()
        assert await stream.effects() == [1, 3, 2]
        assert await stream.one("SELECT count(*) FROM work WHERE kind = 'event'") == 0

    async def test_later_events_of_the_same_subject_wait_their_turn(self, stream: Stream) -> None:
        stream.broken = {1}
        for number, subject in ((1, "a"), (2, "a"), (3, "b"), (4, "a")):
            await stream.publish(number, subject)
        await stream.deliver()
        await stream.publish(5, "a")
        await stream.deliver()
        assert await stream.effects() == [3]
        stream.broken = set()
        await stream.waits_pass()
        await stream.deliver()
        assert await stream.effects() == [3, 1, 2, 4, 5]

    async def test_an_event_that_always_fails_is_set_aside_and_its_subject_goes_on(self, stream: Stream) -> None:
        stream.broken = {1}
        for number in (1, 2):
            await stream.publish(number, "a")
        await stream.deliver_all()
        assert await stream.effects() == [2]
        async with stream.database.reading() as session:
            [event] = await dead_letters.page(session)
        assert event.subject == "a"
        assert event.attempts == FOUR_TIMES.attempts

    @pytest.mark.parametrize(("crashes", "done", "apart"), [(1, [1, 2], 0), (2, [], 2)])
    async def test_events_leave_a_stream_that_workers_die_of_untried(
        self, stream: Stream, crashes: int, done: list[int], apart: int
    ) -> None:
        for number in (1, 2):
            await stream.publish(number)
        async with stream.database.transaction() as session:
            await session.execute(text("UPDATE work SET crashes = :crashes"), {"crashes": crashes})
        worker = stream.worker()
        await worker.sweep()
        await worker.drain()
        assert await stream.effects() == done
        assert await stream.one("SELECT count(*) FROM work WHERE kind = 'event'") == apart
        await stream.deliver()
        assert sorted(await stream.effects()) == [1, 2]
        assert await stream.one("SELECT crashes FROM work WHERE kind = 'delivery'") == 0

    async def test_delivers_each_event_once(self, stream: Stream) -> None:
        for number in (1, 2, 3):
            await stream.publish(number)
        await stream.deliver_all()
        await stream.deliver()
        assert await stream.effects() == [1, 2, 3]

    async def test_an_event_of_another_release_waits_for_a_worker_that_knows_it(self, stream: Stream) -> None:
        stream.known = set()
        for number, subject in ((1, "a"), (2, "a"), (3, "b")):
            await stream.publish(number, subject)
        await stream.deliver()
        await stream.waits_pass()
        await stream.deliver()
        assert await stream.effects() == []
        stream.known = {"test.poisoned"}
        await stream.deliver_all()
        assert sorted(await stream.effects()) == [1, 2, 3]
        assert await stream.one("SELECT count(*) FROM work WHERE kind = 'event'") == 0

    async def test_an_event_that_is_known_and_handled_by_nobody_is_passed_over(self, stream: Stream) -> None:
        await stream.publish(1)
        works = deliveries({}, stream.known, pace=FOUR_TIMES)
        await Reconciler(stream.database, works).sweep()
        assert await stream.one("SELECT count(*) FROM work WHERE kind = 'event'") == 0

    async def test_looks_again_soon_while_a_transaction_before_it_runs(self, stream: Stream) -> None:
        async with stream.database.transaction() as running:
            await running.execute(text("SELECT pg_current_xact_id()"))
            await stream.publish(1)
            await stream.deliver()
            assert await stream.effects() == []
            wait = "SELECT extract(epoch FROM due_at - clock_timestamp())::float FROM work WHERE kind = 'delivery'"
            assert float(str(await stream.one(wait))) <= delivery.UNSETTLED_SECONDS
        await stream.deliver()
        assert await stream.effects() == [1]

    async def test_nobody_waits_behind_an_event_that_is_just_done(self, stream: Stream) -> None:
        async with stream.database.transaction() as session:
            assert await leases.queue_behind(session, "event", "9-9", place="a") is False

    def test_goes_on_trying_while_somebody_mends_a_fault(self) -> None:
        assert EVENT_PACE.attempts is not None
        bounds = [
            min(EVENT_PACE.longest_seconds, EVENT_PACE.shortest_seconds * 2**attempt)
            for attempt in range(1, EVENT_PACE.attempts)
        ]
        assert sum(bounds) / 2 > 15 * 60


class TestGathering:
    """Events of which there are very many, taken together."""

    async def test_takes_all_of_a_look_at_once_and_tries_each_alone_if_that_fails(self, stream: Stream) -> None:
        seen: list[list[int]] = []
        broken = {2}

        async def gather(session: Session, events: Sequence[StoredEvent]) -> None:
            numbers = [event.data["number"] for event in events]
            seen.append(numbers)
            for event in events:
                await stream.handle(session, event)
            if broken & set(numbers):
                await session.execute(text("SELECT 1 / 0"))

        def worker() -> Reconciler:
            works = deliveries({}, stream.known, gatherers={"test.poisoned": gather}, pace=FOUR_TIMES)
            return Reconciler(stream.database, works)

        stream.worker = worker  # type: ignore[method-assign]  # of this one stream
        for number in (1, 2, 3):
            await stream.publish(number)
        await stream.deliver()
        assert seen[0] == [1, 2, 3]
        assert await stream.effects() == [1, 3], "what the one that fails did is undone, and the others' is not"
        broken.clear()
        await stream.waits_pass()
        await stream.deliver()
        assert await stream.effects() == [1, 3, 2]
        assert await stream.one("SELECT count(*) FROM work WHERE kind = 'event'") == 0
