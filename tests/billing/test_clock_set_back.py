"""PostgreSQL's clock was hours ahead, and is set right: nothing is charged twice, and metering goes on from now."""

import time

import pytest
from sqlalchemy import text

from sublet.billing import checks, meters, settlement, watermarks
from sublet.core.clock import database_now
from sublet.core.db import Database
from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.billing.usage import Subject, charged_micro, new_subject
from tests.support.clock import Clock
from tests.support.policy import DEFAULT_POLICY

pytestmark = pytest.mark.anyio

HOURS = 7200.0
MICRO_PER_SECOND = 100


@pytest.fixture
def postgres(clocked_postgres: EmbeddedPostgres) -> EmbeddedPostgres:
    return clocked_postgres


class Metered:
    """A subject that runs from now on, and the time that has really gone by since, whatever the clock says."""

    def __init__(self, database: Database, clock: Clock, subject: Subject) -> None:
        self.database, self.clock, self.subject = database, clock, subject
        self._begun, self._moved = time.monotonic(), 0.0

    async def run(self, seconds: float) -> None:
        """It runs for so long, is seen and metered."""
        self.clock.later(seconds)
        self._moved += seconds
        await self.see()

    async def see(self) -> None:
        async with self.database.transaction() as session:
            now = await database_now(session)
            await meters.observe(session, {self.subject.id}, now, policy=DEFAULT_POLICY)
            await watermarks.tick(session)

    async def settle(self, *, final: bool = False) -> None:
        async with self.database.transaction() as session:
            await settlement.settle(session, self.subject.id, final=final, policy=DEFAULT_POLICY)

    async def charged_seconds(self) -> float:
        async with self.database.reading() as session:
            return await charged_micro(session, self.subject) / MICRO_PER_SECOND

    @property
    def ran(self) -> float:
        """For how long it has really run."""
        return self._moved + time.monotonic() - self._begun

    async def assert_charged(self, *, lost: float = 0.0) -> None:
        """All of it is charged once, but for what is lost and for the second or two of each step."""
        charged = await self.charged_seconds()
        assert self.ran - lost - 15 < charged <= self.ran + 1


@pytest.fixture
async def metered(database: Database, clock: Clock) -> Metered:
    async with database.transaction() as session:
        subject = await new_subject(session, started_ago=0)
    return Metered(database, clock, subject)


async def one(database: Database, query: str) -> object:
    async with database.reading() as session:
        return (await session.execute(text(query))).scalar_one()


class TestAfterTheClockWasSetBack:
    @pytest.mark.parametrize("settled", [True, False], ids=["charged then", "charged afterwards"])
    async def test_what_ran_is_charged_once_and_goes_on_to_be(
        self, database: Database, clock: Clock, metered: Metered, *, settled: bool
    ) -> None:
        await metered.run(200)
        clock.later(HOURS)
        await metered.see()
        await metered.run(200)
        if settled:
            await metered.settle()
        clock.later(-HOURS)
        await metered.run(200)
        await metered.settle()
        await metered.assert_charged()
        charged = await metered.charged_seconds()
        clock.later(HOURS)  # now that time has really come
        await metered.see()
        await metered.settle()
        assert await metered.charged_seconds() == charged, "nobody saw it meanwhile"
        async with database.transaction() as session:
            failed = {result.name for result in await checks.run(session) if not result.ok}
        assert failed == {"unmetered time"}

    async def test_it_is_settled_in_time(self, database: Database, clock: Clock, metered: Metered) -> None:
        clock.later(HOURS)
        await metered.see()
        await metered.run(200)
        await metered.settle()
        clock.later(-HOURS)
        await metered.see()
        assert await one(database, "SELECT settle_due_at < now() + interval '61 minutes' FROM meter") is True
        assert await one(database, "SELECT max(observed_to) <= clock_timestamp() FROM meter") is True

    async def test_a_suspension_begins_when_it_does(self, database: Database, clock: Clock, metered: Metered) -> None:
        await metered.run(200)
        clock.later(HOURS)
        await metered.see()
        clock.later(-HOURS)
        await metered.see()
        async with database.transaction() as session:
            await meters.switch(session, metered.subject.id, "suspended", await database_now(session))
        await metered.settle()
        before = await metered.charged_seconds()
        await metered.run(200)
        await metered.settle()
        assert await metered.charged_seconds() - before < 30, "it is suspended, at a tenth of the rate"

    async def test_one_that_began_then_is_charged_from_its_begin(self, database: Database, clock: Clock) -> None:
        clock.later(HOURS)
        async with database.transaction() as session:
            began = Metered(database, clock, await new_subject(session, started_ago=0))
        await began.run(200)
        clock.later(-HOURS)
        await began.see()
        await began.run(200)
        await began.settle()
        await began.assert_charged()

    async def test_one_that_stopped_then_has_stopped(self, database: Database, clock: Clock, metered: Metered) -> None:
        await metered.run(200)
        clock.later(HOURS)
        await metered.see()
        await metered.run(200)
        async with database.transaction() as session:
            await meters.stop(session, metered.subject.id, await database_now(session))
        clock.later(-HOURS)
        await metered.run(200)
        await metered.settle(final=True)
        await metered.assert_charged(lost=200)

    async def test_a_small_step_mends_itself(self, clock: Clock, metered: Metered) -> None:
        await metered.run(200)
        clock.later(250)
        await metered.see()
        clock.later(-250)
        for _ in range(2):
            await metered.run(200)
        await metered.settle()
        await metered.assert_charged()
