"""PostgreSQL's clock was ahead, and is set right: what was put off then comes in time, with no worker begun anew."""

import pytest
from sqlalchemy import text
from tests.core.work.kettles import KETTLE
from tests.core.work.kitchen import Kitchen
from tests.core.work.test_ticks import Clockwork
from tests.support.clock import Clock

from sublet.core.db import Database
from sublet.core.work import leases
from sublet.core.work.reconciler import LONGEST_LEASE_SECONDS, Reconciler
from sublet.core.work.ticks import register, ticks
from sublet.supervisor.embedded_postgres import EmbeddedPostgres

pytestmark = pytest.mark.anyio

HOURS = 7200.0


@pytest.fixture
def postgres(clocked_postgres: EmbeddedPostgres) -> EmbeddedPostgres:
    return clocked_postgres


class TestWhatIsDueFarOff:
    async def test_comes_a_period_later_if_it_is_a_tick(self, database: Database, clock: Clock) -> None:
        clockwork = Clockwork(database)
        clock.later(HOURS)
        task = clockwork.alone(seconds=60)
        await register(database, [task])
        worker = Reconciler(database, [ticks([task])], within_seconds=0)
        assert await clockwork.tick(worker) == 1
        clock.later(-HOURS)
        assert await clockwork.tick(worker) == 0
        assert await clockwork.one("SELECT due_at <= clock_timestamp() + interval '60 seconds' FROM work") is True
        clock.later(60)
        assert await clockwork.tick(worker) == 1

    @pytest.mark.parametrize(("longest", "seconds"), [(30.0, 30.0), (None, HOURS)])
    async def test_comes_as_soon_as_its_kind_says_if_it_does(
        self, kitchen: Kitchen, longest: float | None, seconds: float
    ) -> None:
        await kitchen.want("a")
        async with kitchen.database.transaction() as session:
            await session.execute(text("UPDATE work SET due_at = clock_timestamp() + interval '2 hours'"))
        assert await kitchen.worker(longest_seconds=longest).sweep() == 0
        wait = (await kitchen.one("SELECT extract(epoch FROM due_at - now())::float AS seconds FROM work")).seconds
        assert seconds - 10 < wait <= seconds


class TestALeaseOfADeadWorker:
    async def test_that_was_taken_then_runs_out_in_minutes(self, kitchen: Kitchen, clock: Clock) -> None:
        clock.later(HOURS)
        await kitchen.want("a")
        async with kitchen.database.transaction() as session:
            assert await leases.lease_one(session, KETTLE, "a", seconds=6) is not None
        clock.later(-HOURS)
        worker = kitchen.worker()
        assert await worker.sweep() == 0
        clock.later(LONGEST_LEASE_SECONDS)
        await kitchen.work(worker)
        assert kitchen.stoves.heated == ["a"]
