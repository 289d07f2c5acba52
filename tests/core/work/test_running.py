"""A worker that runs hears of what is due, sweeps for what it was not told, and wakes in time."""

import asyncio

import pytest
from tests.core.work.kettles import KETTLE, work
from tests.core.work.kitchen import DEADLINE, Kitchen

from sublet.core.work import leases
from sublet.core.work.reconciler import Reconciler

pytestmark = pytest.mark.anyio


class TestRunning:
    async def test_hears_of_what_is_due_at_once(self, kitchen: Kitchen) -> None:
        worker = Reconciler(kitchen.database, [work(kitchen.stoves)], sweep_seconds=3600)
        running = asyncio.create_task(worker.run())
        try:
            await self.until_listening(kitchen)
            await kitchen.want("a")
            async with asyncio.timeout(DEADLINE):
                while await kitchen.state() != "hot":
                    await asyncio.sleep(0.005)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def test_finds_by_its_sweep_what_nobody_told(self, kitchen: Kitchen) -> None:
        worker = Reconciler(kitchen.database, [work(kitchen.stoves)], sweep_seconds=0.05)
        running = asyncio.create_task(worker.run())
        try:
            await self.until_listening(kitchen)
            await kitchen.run("INSERT INTO kettle (id, stove) VALUES ('a', 'north')")
            await kitchen.run("INSERT INTO work (kind, id, due_at) VALUES ('kettle', 'a', clock_timestamp())")
            async with asyncio.timeout(DEADLINE):
                while await kitchen.state() != "hot":
                    await asyncio.sleep(0.005)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def test_wakes_when_the_next_row_is_due(self, kitchen: Kitchen) -> None:
        worker = Reconciler(kitchen.database, [work(kitchen.stoves)], sweep_seconds=3600)
        await kitchen.run("INSERT INTO kettle (id, stove) VALUES ('a', 'north')")
        async with kitchen.database.transaction() as session:
            await leases.make_due(session, KETTLE, "a", after_seconds=0.3)
        running = asyncio.create_task(worker.run())
        try:
            async with asyncio.timeout(DEADLINE):
                while await kitchen.state() != "hot":
                    await asyncio.sleep(0.005)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    @staticmethod
    async def until_listening(kitchen: Kitchen) -> None:
        async with asyncio.timeout(DEADLINE):
            while not (
                await kitchen.one(
                    "SELECT count(*) AS n FROM pg_stat_activity "
                    "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
                )
            ).n:
                await asyncio.sleep(0.005)
