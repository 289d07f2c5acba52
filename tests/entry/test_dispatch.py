"""Delivery of events to our own handlers: effects once, in order, and one bad event holds up no other."""

from typing import ClassVar

import pytest
from sqlalchemy import text

from sublet.core.db import Database, Session
from sublet.core.outbox import Event, StoredEvent, parked, publish
from sublet.entry.dispatch import ATTEMPTS, deliver

pytestmark = pytest.mark.anyio


class Poisoned(Event):
    """An event of these tests; its handler fails on the number 2."""

    type: ClassVar[str] = "test.poisoned"
    number: int


async def handle(session: Session, event: StoredEvent) -> None:
    number = event.data["number"]
    statement = text("INSERT INTO outbox_cursor (subscriber, xid, id) VALUES (:name, '1', 1)")
    await session.execute(statement, {"name": f"effect-{number}"})
    if number == 2:
        await session.execute(text("SELECT 1 / 0"))


@pytest.fixture
async def stream(database: Database) -> Database:
    async with database.transaction() as session:
        await session.execute(text("INSERT INTO outbox_cursor (subscriber, xid, id) VALUES ('test', '0', 0)"))
    for number in (1, 2, 3):
        async with database.transaction() as session:
            await publish(session, Poisoned(number=number), subject=f"x-{number}", organization_id=None)
    return database


async def deliver_once(database: Database) -> int:
    async with database.transaction() as session:
        return await deliver(session, "test", {"test.poisoned": (handle,)})


async def effects(database: Database) -> list[str]:
    async with database.reading() as session:
        rows = await session.execute(
            text("SELECT subscriber FROM outbox_cursor WHERE subscriber LIKE 'effect-%' ORDER BY 1")
        )
        return list(rows.scalars())


class TestDeliver:
    async def test_an_event_that_keeps_failing_is_set_aside_and_the_rest_goes_on(self, stream: Database) -> None:
        assert await deliver_once(stream) == 1
        assert await effects(stream) == ["effect-1"], "what the failing handler did before is undone"
        for _ in range(ATTEMPTS - 2):
            assert await deliver_once(stream) == 0
        assert await deliver_once(stream) == 2
        assert await effects(stream) == ["effect-1", "effect-3"]
        async with stream.reading() as session:
            [(subject, detail)] = await parked(session)
        assert subject == "x-2"
        assert f"failed {ATTEMPTS} times" in detail

    async def test_delivers_each_event_once(self, stream: Database) -> None:
        for _ in range(ATTEMPTS + 2):
            await deliver_once(stream)
        assert await deliver_once(stream) == 0
        assert await effects(stream) == ["effect-1", "effect-3"]
