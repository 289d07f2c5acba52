"""What runs is metered, and one that somebody has locked keeps nobody else's time from being proven."""

from functools import partial

import pytest
from sqlalchemy import text

from sublet.admin import checks
from sublet.allocations import rows
from sublet.allocations.work import observations
from sublet.core.money import Money
from sublet.findings.checks import Finding
from tests.allocations.rental import Rental
from tests.allocations.simulated import failing, nothing, refused
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


async def not_applied(rental: Rental) -> list[Finding]:
    async with rental.database.transaction() as session:
        results = await checks.run(session, thorough=False)
    return [one for each in results if each.check.code == "allocations.not_applied" for one in each.findings]


class TestWhatCannotBeApplied:
    async def test_is_found_after_minutes_with_its_cause_and_its_money(self, rental: Rental) -> None:
        allocation_id, launched = await rental.running(), await rental.launch()
        cannot = partial(refused, "sessions_remain", retryable=True)
        rental.backend.interrupt = failing("apply", "before", cannot, times=99)
        async with rental.database.transaction() as session:
            await rows.freshen(session, allocation_id, disconnect=True)
        await rental.work(allocation_id)
        await rental.ran_for(allocation_id, 600)
        assert await not_applied(rental) == []
        await rental.run("UPDATE work SET failing_since = clock_timestamp() - interval '6 minutes'")
        [found] = await not_applied(rental)  # a launch that fails is not running, and costs nobody anything
        assert (found.subject, launched in found.problem) == (f"allocation:{allocation_id}", False)
        assert found.amounts == {"an hour": Money.parse("0.36", "USD")}
        assert "sessions_remain" in found.problem
        assert "It is billed meanwhile" in found.problem
        await rental.run("UPDATE meter SET observed_to = clock_timestamp() - interval '3 minutes'")
        [found] = await not_applied(rental)
        assert "Nobody is billed for it" in found.problem
        rental.backend.interrupt = nothing
        await rental.run("UPDATE work SET due_at = clock_timestamp()")
        await rental.work(allocation_id)
        assert await not_applied(rental) == []


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
            await observations.on_observed(
                rental.database, rental.node_id, seen, policy=DEFAULT_POLICY, release_lost_seconds=None
            )
        moved = {one: (await rental.one(before, id=one)).observed_to > at for one, at in times.items()}
        assert moved == {locked: False, other: True}
        await rental.observe()
        assert (await rental.one(before, id=locked)).observed_to > times[locked]
