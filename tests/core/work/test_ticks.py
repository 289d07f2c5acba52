"""Ticks: one worker at a time whatever they take, taken over when that worker dies, and none made up."""

import asyncio

import pytest
from sqlalchemy import text
from tests.core.work.kitchen import DEADLINE

from sublet.core.db import Database, Session
from sublet.core.work.reconciler import Reconciler
from sublet.core.work.ticks import Tick, make_due, register, ticks

pytestmark = pytest.mark.anyio

NAME = "boil water"


class Clockwork:
    """A task that writes down each run, and can be made to wait or to fail."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.runs = 0
        self.begun, self.may_end = asyncio.Event(), asyncio.Event()
        self.may_end.set()
        self.fails = False

    async def run_alone(self) -> None:
        self.runs += 1
        self.begun.set()
        await self.may_end.wait()
        if self.fails:
            raise ValueError("no")

    async def run(self, session: Session) -> None:
        await session.execute(text("INSERT INTO outbox_cursor (subscriber, xid, id) VALUES ('ran', '1', 1)"))
        await self.run_alone()

    async def worker(self, task: Tick) -> Reconciler:
        await register(self.database, [task])
        return Reconciler(self.database, [ticks([task])])

    def alone(self, seconds: float = 3600.0) -> Tick:
        return Tick(NAME, seconds, run_alone=self.run_alone)

    async def ask(self) -> None:
        async with self.database.transaction() as session:
            await make_due(session, NAME)

    async def tick(self, worker: Reconciler) -> int:
        begun = await worker.sweep()
        await worker.drain()
        return begun

    async def one(self, statement: str) -> object:
        async with self.database.reading() as session:
            return (await session.execute(text(statement))).scalar_one()


@pytest.fixture
def clockwork(database: Database) -> Clockwork:
    return Clockwork(database)


class TestTicks:
    async def test_one_worker_in_many_has_a_tick(self, clockwork: Clockwork) -> None:
        workers = [await clockwork.worker(clockwork.alone()) for _ in range(6)]
        assert sorted(await asyncio.gather(*(clockwork.tick(worker) for worker in workers))) == [0] * 5 + [1]
        assert clockwork.runs == 1

    async def test_the_next_one_comes_a_period_later(self, clockwork: Clockwork) -> None:
        worker = await clockwork.worker(clockwork.alone(seconds=60))
        await clockwork.tick(worker)
        wait = await clockwork.one("SELECT extract(epoch FROM due_at - clock_timestamp())::float FROM work")
        assert 50 < float(str(wait)) <= 60

    async def test_is_run_at_once_when_somebody_asks(self, clockwork: Clockwork) -> None:
        worker = await clockwork.worker(clockwork.alone())
        await clockwork.tick(worker)
        assert await clockwork.tick(worker) == 0
        await clockwork.ask()
        assert await clockwork.tick(worker) == 1

    async def test_one_that_is_asked_for_while_it_runs_runs_again_afterwards(self, clockwork: Clockwork) -> None:
        clockwork.may_end.clear()
        worker = await clockwork.worker(clockwork.alone())
        await worker.sweep()
        async with asyncio.timeout(DEADLINE):
            await clockwork.begun.wait()
        await clockwork.ask()
        assert await clockwork.tick(await clockwork.worker(clockwork.alone())) == 0, "nobody joins a tick that runs"
        clockwork.may_end.set()
        await worker.drain()
        assert await clockwork.tick(worker) == 1
        assert clockwork.runs == 2

    async def test_registering_again_brings_nothing_forward(self, clockwork: Clockwork) -> None:
        worker = await clockwork.worker(clockwork.alone())
        await clockwork.tick(worker)
        assert await clockwork.tick(await clockwork.worker(clockwork.alone())) == 0

    async def test_one_transaction_holds_what_a_tick_did_and_that_it_ran(self, clockwork: Clockwork) -> None:
        clockwork.fails = True
        worker = await clockwork.worker(Tick(NAME, 3600, run=clockwork.run))
        await clockwork.tick(worker)
        assert await clockwork.one("SELECT count(*) FROM outbox_cursor") == 0
        assert await clockwork.one("SELECT attempts FROM work") == 1
        clockwork.fails = False
        await clockwork.ask()
        await clockwork.tick(worker)
        assert await clockwork.one("SELECT count(*) FROM outbox_cursor") == 1

    async def test_a_tick_that_fails_is_tried_again_soon(self, clockwork: Clockwork) -> None:
        clockwork.fails = True
        worker = await clockwork.worker(clockwork.alone())
        await clockwork.tick(worker)
        assert await clockwork.one("SELECT due_at < clock_timestamp() + interval '10 seconds' FROM work") is True

    async def test_a_task_of_another_release_is_left_alone(self, clockwork: Clockwork) -> None:
        await register(clockwork.database, [Tick("of tomorrow", 1.0, run_alone=clockwork.run_alone)])
        due = await clockwork.one("SELECT due_at FROM work")
        assert await clockwork.tick(Reconciler(clockwork.database, [ticks([clockwork.alone()])])) == 0
        assert clockwork.runs == 0
        assert await clockwork.one("SELECT due_at FROM work") == due, "whoever knows it finds it ready"

    async def test_one_that_is_due_further_away_than_it_takes_is_brought_near(self, clockwork: Clockwork) -> None:
        task = Tick("often", 2.0, run_alone=clockwork.run_alone)
        await register(clockwork.database, [task])
        for moved, near in (("2 hours", True), ("1 second", False)):
            async with clockwork.database.transaction() as session:
                await session.execute(text(f"UPDATE work SET due_at = clock_timestamp() + interval '{moved}'"))
            before = await clockwork.one("SELECT due_at FROM work")
            await register(clockwork.database, [task])
            assert (await clockwork.one("SELECT due_at FROM work") < before) is near
            assert await clockwork.one("SELECT due_at <= clock_timestamp() + interval '2 seconds' FROM work")
