"""A worker that runs hears of what is due, sweeps for what it was not told, and wakes in time."""

import asyncio
from unittest.mock import patch

import pytest
from sqlalchemy import text
from tests.core.work.kettles import KETTLE, work
from tests.core.work.kitchen import DEADLINE, Held, Kitchen

from sublet.core.db import Database, Session
from sublet.core.work import leases
from sublet.core.work.declaration import Work
from sublet.core.work.leases import Lease
from sublet.core.work.outcomes import Done
from sublet.core.work.pace import Pace
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

    async def test_leaves_nothing_of_its_own_running_when_it_ends(self, kitchen: Kitchen) -> None:
        worker, let, ended = Reconciler(kitchen.database, [work(kitchen.stoves)]), asyncio.Event(), asyncio.Event()

        async def listens_and_is_slow_to_end() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await let.wait()
                ended.set()

        with patch.object(worker, "_listen", listens_and_is_slow_to_end):
            running = asyncio.create_task(worker.run())
            await asyncio.sleep(0)
            running.cancel()
            await asyncio.wait({running}, timeout=0.2)
            assert not running.done(), "it waits for what it has begun"
            let.set()
            await asyncio.wait({running})
        assert ended.is_set()

    async def test_keeps_its_leases_while_it_ends(self, kitchen: Kitchen) -> None:
        slow, renewed = Held(kitchen), asyncio.Event()
        await kitchen.want("a")
        worker = Reconciler(kitchen.database, [work(kitchen.stoves)], lease_seconds=0.3)
        renew = worker.renew

        async def renews() -> None:
            await renew()
            renewed.set()

        with patch.object(worker, "renew", renews):
            running = asyncio.create_task(worker.run())
            await slow.has_begun()
            running.cancel()
            await asyncio.sleep(0)
            renewed.clear()
            async with asyncio.timeout(DEADLINE):
                await renewed.wait()
            slow.let.set()
            await asyncio.wait({running})
        assert await kitchen.state() == "hot"

    async def test_goes_on_with_others_where_many_wait_for_one_lock(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        await kitchen.run("DELETE FROM work")
        waits = Work("waits", self.locks_the_kettle, slots=128)
        free = Work("free", self.does_nothing)
        worker = Reconciler(kitchen.database, [waits, free], lease_seconds=60)
        async with kitchen.database.transaction() as locking:
            await self.locks_the_kettle(locking, Lease("waits", "somebody", 0))
            async with kitchen.database.transaction() as session:
                for number in range(2 * kitchen.database.connections):
                    await leases.make_due(session, "waits", f"w{number}", place=f"p{number}")
                await leases.make_due(session, "free", "f")
            async with asyncio.timeout(DEADLINE):
                await worker.sweep()
                while await kitchen.row("f") is not None:
                    await asyncio.sleep(0.005)
                await worker.renew()
                await worker.sweep()
        await worker.drain()

    async def test_whoever_is_locked_out_comes_again_and_has_not_failed(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        await kitchen.run("DELETE FROM work")
        database = Database(kitchen.database.url, lock_seconds=0.05)
        worker = Reconciler(database, [Work("waits", self.locks_the_kettle, pace=Pace(attempts=1))])
        async with kitchen.database.transaction() as locking:
            await self.locks_the_kettle(locking, Lease("waits", "somebody", 0))
            async with kitchen.database.transaction() as session:
                await leases.make_due(session, "waits", "w")
            await worker.sweep()
            await worker.drain()
        row = await kitchen.row("w")
        assert row is not None
        assert (row.attempts, row.aside, row.leased) == (0, False, False)
        await kitchen.waits_pass()
        await worker.sweep()
        await worker.drain()
        assert await kitchen.row("w") is None
        await database.close()

    async def test_a_wait_for_a_lock_forgets_nothing_of_a_row(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        await kitchen.run(
            "UPDATE work SET attempts = 2, crashes = 1, last_error = 'stove_failed',"
            " failing_since = clock_timestamp() - interval '1 hour'"
        )
        before = await kitchen.one("SELECT attempts, crashes, last_error, failing_since, failed_at FROM work")
        database = Database(kitchen.database.url, lock_seconds=0.05)
        worker = Reconciler(database, [work(kitchen.stoves)])
        async with kitchen.database.transaction() as locking:
            await self.locks_the_kettle(locking, Lease(KETTLE, "somebody", 0))
            await worker.sweep()
            await worker.drain()
        after = await kitchen.one("SELECT attempts, crashes, last_error, failing_since, failed_at FROM work")
        assert after == before
        row = await kitchen.row()
        assert row is not None
        assert (row.leased, row.undated) == (False, False), "it comes again"
        await database.close()

    async def test_a_row_that_kills_its_workers_is_ended_however_long_its_end_waits_for_a_lock(
        self, kitchen: Kitchen
    ) -> None:
        await kitchen.want("a")
        await kitchen.run("UPDATE work SET crashes = 3")
        database = Database(kitchen.database.url, lock_seconds=0.05)
        worker = Reconciler(database, [work(kitchen.stoves, crashes=3)])
        async with kitchen.database.transaction() as locking:
            await self.locks_the_kettle(locking, Lease(KETTLE, "somebody", 0))
            await worker.sweep()
            await worker.drain()
        await kitchen.waits_pass()
        await worker.sweep()
        await worker.drain()
        assert await kitchen.state() == "broken"
        assert kitchen.stoves.heated == []
        await database.close()

    async def locks_the_kettle(self, session: Session, _lease: Lease) -> Done:
        await session.execute(text("SELECT 1 FROM kettle FOR UPDATE"))
        return Done()

    async def does_nothing(self, _session: Session, _lease: Lease) -> Done:
        return Done()

    async def test_uses_a_slot_that_is_free_again_at_once(self, kitchen: Kitchen) -> None:
        slow = Held(kitchen)
        worker = Reconciler(kitchen.database, [work(kitchen.stoves, slots=1)], lease_seconds=60, sweep_seconds=3600)
        running = asyncio.create_task(worker.run())
        try:
            await self.until_listening(kitchen)
            await kitchen.want("a")
            await slow.has_begun()
            await kitchen.run("INSERT INTO kettle (id, stove) VALUES ('b', 'north')")
            await kitchen.run("INSERT INTO work (kind, id, due_at) VALUES ('kettle', 'b', clock_timestamp())")
            slow.let.set()
            async with asyncio.timeout(DEADLINE):
                while await kitchen.state("b") != "hot":
                    await asyncio.sleep(0.005)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def test_forgets_no_wake_when_a_sweep_fails(self, kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
        async def away(*_: object) -> None:
            raise OSError("the database is away")

        await kitchen.run("INSERT INTO kettle (id, stove) VALUES ('a', 'north')")
        async with kitchen.database.transaction() as session:
            await leases.make_due(session, KETTLE, "a", after_seconds=3600)
        worker = kitchen.worker()
        worker.wake(KETTLE)
        with monkeypatch.context() as patched:
            patched.setattr(leases, "wake", away)
            with pytest.raises(OSError, match="away"):
                await worker.sweep()
        await worker.sweep()  # makes it due, and the next one finds it
        await kitchen.work(worker)
        assert await kitchen.state() == "hot"

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
