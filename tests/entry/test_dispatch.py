"""Delivery of events to our own handlers: effects once, in order for each subject, and one bad event holds up no other.

Retries here wait for no time at all, or for ever, so that no test waits.
"""

from collections.abc import AsyncIterator
from typing import ClassVar

import pytest
import structlog.testing
from sqlalchemy import text

from sublet.core import set_aside
from sublet.core.db import Database, Session
from sublet.core.outbox import Event, StoredEvent, publish
from sublet.entry.dispatch import RETRIES, Retries, deliver

pytestmark = pytest.mark.anyio

AT_ONCE = Retries(attempts=4, first_seconds=0.0, longest_seconds=0.0)
NEVER = Retries(attempts=4, first_seconds=3600.0, longest_seconds=3600.0)
LIMIT = 20


class Poisoned(Event):
    """An event of these tests; its handler fails on the numbers in `broken`."""

    type: ClassVar[str] = "test.poisoned"
    number: int


class Stream:
    """Events in a database, and a handler that writes down what it did."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.broken: set[int] = set()

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

    async def deliver(self, retries: Retries = AT_ONCE) -> int:
        async with self.database.transaction() as session:
            return await deliver(session, "test", {"test.poisoned": (self.handle,)}, retries=retries)

    async def deliver_all(self, retries: Retries = AT_ONCE) -> int:
        """Deliver until nothing is left to do; how many rounds that took."""
        for rounds in range(LIMIT):
            if await self.deliver(retries) == 0:
                return rounds
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

    async def make_due(self) -> None:
        async with self.database.transaction() as session:
            await session.execute(text("UPDATE outbox_failure SET next_attempt_at = clock_timestamp()"))


@pytest.fixture
async def stream(database: Database) -> AsyncIterator[Stream]:
    async with database.transaction() as session:
        await session.execute(text("INSERT INTO outbox_cursor (subscriber, xid, id) VALUES ('test', '0', 0)"))
    with structlog.testing.capture_logs():  # else every failure is drawn with all its frames
        yield Stream(database)


class TestDeliver:
    async def test_a_failing_event_holds_up_no_other(self, stream: Stream) -> None:
        stream.broken = {2}
        for number in (1, 2, 3):
            await stream.publish(number)
        assert await stream.deliver(NEVER) == 3
        assert await stream.effects() == [1, 3], "what the failing handler did before is undone"
        assert await stream.deliver(NEVER) == 0, "it is not tried again before its time"

    async def test_what_failed_for_a_while_is_done_in_the_end(self, stream: Stream) -> None:
        stream.broken = {2}
        for number in (1, 2, 3):
            await stream.publish(number)
        await stream.deliver(NEVER)
        stream.broken = set()
        await stream.make_due()
        assert await stream.deliver(NEVER) == 1
        assert await stream.effects() == [1, 3, 2]
        assert await stream.one("SELECT count(*) FROM outbox_failure") == 0

    async def test_later_events_of_the_same_subject_wait_their_turn(self, stream: Stream) -> None:
        stream.broken = {1}
        for number, subject in ((1, "a"), (2, "a"), (3, "b"), (4, "a")):
            await stream.publish(number, subject)
        await stream.deliver(NEVER)
        await stream.publish(5, "a")
        await stream.deliver(NEVER)
        assert await stream.effects() == [3]
        stream.broken = set()
        await stream.make_due()
        await stream.deliver_all(NEVER)
        assert await stream.effects() == [3, 1, 2, 4, 5]

    async def test_an_event_that_always_fails_is_set_aside_and_its_subject_goes_on(self, stream: Stream) -> None:
        stream.broken = {1}
        for number in (1, 2):
            await stream.publish(number, "a")
        await stream.deliver_all()
        assert await stream.effects() == [2]
        async with stream.database.reading() as session:
            [event] = await set_aside.page(session)
        assert event.subject == "a"
        assert event.attempts == AT_ONCE.attempts

    async def test_delivers_each_event_once(self, stream: Stream) -> None:
        for number in (1, 2, 3):
            await stream.publish(number)
        await stream.deliver_all()
        assert await stream.deliver() == 0
        assert await stream.effects() == [1, 2, 3]


class TestRetries:
    async def test_wait_longer_each_time_up_to_a_limit_and_not_all_alike(self, stream: Stream) -> None:
        subjects = 12
        stream.broken = set(range(subjects))
        for number in range(subjects):
            await stream.publish(number)
        waits: list[list[float]] = []
        for _ in range(12):
            await stream.make_due()
            await stream.deliver(RETRIES)
            async with stream.database.reading() as session:
                rows = await session.execute(
                    text("SELECT extract(epoch FROM next_attempt_at - failed_at)::float FROM outbox_failure")
                )
                waits.append(list(rows.scalars()))
        for round_, seconds in enumerate(waits):
            middle = min(RETRIES.first_seconds * 2**round_, RETRIES.longest_seconds)
            assert all(middle * 0.49 < wait < middle * 1.51 for wait in seconds), (round_, seconds)
            assert len({round(wait, 3) for wait in seconds}) > 3

    def test_outlast_a_fault_that_somebody_mends(self) -> None:
        waits = [
            min(RETRIES.longest_seconds, RETRIES.first_seconds * 2**attempt) for attempt in range(RETRIES.attempts - 1)
        ]
        assert 0.5 * sum(waits) > 15 * 60
