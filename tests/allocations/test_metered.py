"""What runs is metered, and one that somebody has locked keeps nobody else's time from being proven."""

import pytest
from sqlalchemy import text

from sublet.admin import checks
from sublet.allocations.work import observations
from tests.allocations.rental import Rental
from tests.support.policy import DEFAULT_POLICY

pytestmark = pytest.mark.anyio


async def not_metered(rental: Rental) -> list[str]:
    async with rental.database.transaction() as session:
        results = await checks.run(session)
    return [one.subject_id for each in results if each.check.code == "allocations.not_metered" for one in each.findings]


class TestTheCheck:
    @pytest.mark.parametrize(
        "planted",
        [
            "UPDATE meter SET stopped_at = clock_timestamp()",
            "UPDATE meter SET kind = 'suspended'",
            "UPDATE meter_segment SET kind = 'suspended'",
            "UPDATE meter_segment SET period = tstzrange(lower(period), clock_timestamp())",
        ],
    )
    async def test_finds_what_runs_and_is_charged_to_nobody(self, rental: Rental, planted: str) -> None:
        allocation_id = await rental.running()
        await rental.run("UPDATE allocation SET state_since = state_since - interval '6 minutes'")
        assert await not_metered(rental) == []
        await rental.run(planted)
        assert await not_metered(rental) == [allocation_id]

    async def test_lets_what_has_just_changed_be(self, rental: Rental) -> None:
        await rental.running()
        await rental.run("UPDATE meter SET kind = 'suspended'")
        assert await not_metered(rental) == []

    async def test_knows_the_meter_of_what_is_suspended(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        await rental.suspend(allocation_id)
        await rental.work_until(allocation_id, "suspended")
        await rental.run("UPDATE allocation SET state_since = state_since - interval '6 minutes'")
        assert await not_metered(rental) == []
        await rental.run("UPDATE meter SET kind = 'running'")
        assert await not_metered(rental) == [allocation_id]


class TestAnObservation:
    async def test_proves_the_time_of_others_while_one_is_locked(self, rental: Rental) -> None:
        locked, other = await rental.running(), await rental.running()
        for one in (locked, other):
            await rental.ran_for(one, 60)
        await rental.run("UPDATE meter SET observed_to = observed_to - interval '20 seconds'")
        before = "SELECT observed_to FROM meter WHERE subject_id = :id"
        times = {one: (await rental.one(before, id=one)).observed_to for one in (locked, other)}
        seen = await rental.backend.observe(rental.node_id)
        async with rental.database.transaction() as session:
            await session.execute(text("SELECT 1 FROM meter WHERE subject_id = :id FOR UPDATE"), {"id": locked})
            await observations.on_observed(rental.database, rental.node_id, seen, policy=DEFAULT_POLICY)
        moved = {one: (await rental.one(before, id=one)).observed_to > at for one, at in times.items()}
        assert moved == {locked: False, other: True}
        await rental.observe()
        assert (await rental.one(before, id=locked)).observed_to > times[locked]
