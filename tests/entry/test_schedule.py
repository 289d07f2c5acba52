"""Ticks: one worker at a time whatever they take, taken over when that worker dies, ended when it is overtaken."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from sublet.core.db import Database
from sublet.entry.schedule import Periodic, TickLost, make_due, run_tick, take_tick

pytestmark = pytest.mark.anyio

DEADLINE = 10.0


class Slow:
    """Work that goes on until it is let finish."""

    def __init__(self) -> None:
        self.begun, self.may_end = asyncio.Event(), asyncio.Event()
        self.runs = 0
        self.cancelled = False

    async def run(self) -> None:
        self.runs += 1
        self.begun.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise


@pytest.fixture
async def other(app_url: str) -> AsyncIterator[Database]:
    """The pool of another worker."""
    database = Database(app_url, pool_size=2)
    yield database
    await database.close()


async def begun(slow: Slow) -> None:
    async with asyncio.timeout(DEADLINE):
        await slow.begun.wait()


class TestTicks:
    async def test_one_that_outlasts_its_period_is_joined_by_nobody(self, database: Database, other: Database) -> None:
        slow = Slow()
        periodic = Periodic("slow", 0.0, slow.run)
        running = asyncio.create_task(run_tick(database, periodic))
        await begun(slow)
        async with other.transaction() as session:
            await make_due(session, "slow")
        assert await run_tick(other, periodic) is False
        slow.may_end.set()
        assert await running is True
        assert await run_tick(other, periodic) is True
        assert slow.runs == 2

    async def test_one_that_takes_long_keeps_its_lease(self, database: Database, other: Database) -> None:
        slow = Slow()
        periodic = Periodic("slow", 0.0, slow.run)
        running = asyncio.create_task(run_tick(database, periodic, lease_seconds=0.6))
        await begun(slow)
        async with other.reading() as session:
            lease = text("SELECT lease_expires_at FROM periodic_tick WHERE name = 'slow'")
            first = (await session.execute(lease)).scalar_one()
            async with asyncio.timeout(DEADLINE):
                while (await session.execute(text("SELECT clock_timestamp()"))).scalar_one() < first:
                    assert await run_tick(other, periodic) is False
                    await asyncio.sleep(0.01)
        assert await run_tick(other, periodic) is False
        slow.may_end.set()
        assert await running is True

    async def test_a_dead_workers_tick_is_free_when_its_lease_has_run_out(self, database: Database) -> None:
        slow = Slow()
        slow.may_end.set()
        periodic = Periodic("slow", 0.0, slow.run)
        async with database.transaction() as session:
            assert await take_tick(session, periodic, lease_seconds=0.2) is not None
        async with asyncio.timeout(DEADLINE):
            while not await run_tick(database, periodic):
                await asyncio.sleep(0.01)
        assert slow.runs == 1

    async def test_a_worker_that_was_overtaken_stops_at_once(self, database: Database) -> None:
        slow = Slow()
        running = asyncio.create_task(run_tick(database, Periodic("slow", 60.0, slow.run), lease_seconds=0.3))
        await begun(slow)
        async with database.transaction() as session:
            await session.execute(text("UPDATE periodic_tick SET lease_token = nextval('lease_token')"))
        with pytest.raises(TickLost):
            async with asyncio.timeout(DEADLINE):
                await running
        assert slow.cancelled

    async def test_a_tick_that_fails_frees_its_row(self, database: Database) -> None:
        async def fail() -> None:
            raise ValueError("no")

        failing = Periodic("failing", 0.0, fail)
        for _ in range(2):
            with pytest.raises(ValueError, match="no"):
                await run_tick(database, failing)

    async def test_one_worker_in_many_has_a_tick(self, database: Database) -> None:
        slow = Slow()
        slow.may_end.set()
        periodic = Periodic("slow", 3600.0, slow.run)
        ran = await asyncio.gather(*(run_tick(database, periodic) for _ in range(8)))
        assert sorted(ran) == [False] * 7 + [True]
        assert slow.runs == 1
