"""What is suspended keeps its claim as long as was said when it was launched, and has it again where there is room."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from sublet.allocations import remnants, suspended_claim, suspension, upcoming_spend
from sublet.allocations.suspended_claim import WAITING, WAITS_DAYS
from sublet.allocations.work import resumption as resumption_work
from sublet.billing import watermarks
from sublet.billing.standing import standing
from sublet.catalog import prices
from sublet.core.actors import system_actor
from sublet.core.db import Database
from sublet.core.money import Rate
from sublet.core.work.reconciler import Reconciler
from sublet.fleet.backend import EvidenceCheck
from sublet.scheduling.claims import NoCapacity
from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.allocations.rental import Rental
from tests.allocations.simulated import Killed, failing, nothing, unreachable
from tests.scheduling.fleet_rows import add_node
from tests.support.clock import DAY_SECONDS, Clock
from tests.support.policy import DEFAULT_POLICY
from tests.support.work import look_at

pytestmark = pytest.mark.anyio

HOUR = 3600
SHAPE: dict[str, Any] = {
    "vcpu": 1,
    "memory_mib": 1024,
    "disk_gib": 10,
    "gpu_count": 1,
    "per_hour": "0.36",
    "suspended": "0.036",
    "disk": "0.0036",
}
WITHOUT = {**SHAPE, "suspended": SHAPE["disk"], "kept_hours": 0}
"""Nothing is kept but the disk."""
ALL, DISK = [(1, 10, 1)], [(0, 10, 0)]


@pytest.fixture
def postgres(clocked_postgres: EmbeddedPostgres) -> EmbeddedPostgres:
    """A database whose time can be moved: a claim lasts for hours."""
    return clocked_postgres


@pytest.fixture
async def rental(database: Database) -> Rental:
    """A node with one GPU, which a suspended allocation keeps for four hours."""
    return await Rental.open(database, kept_hours=4, **SHAPE)


async def suspended(rental: Rental) -> str:
    allocation_id = await rental.running()
    await rental.suspend(allocation_id)
    await rental.work_until(allocation_id, "suspended")
    return allocation_id


async def without_claim(rental: Rental, clock: Clock) -> str:
    """An allocation whose claim has ended."""
    allocation_id = await suspended(rental)
    clock.later(4 * HOUR + 60)
    await rental.work(allocation_id)
    assert await claimed(rental, allocation_id) == DISK
    return allocation_id


async def claimed(rental: Rental, allocation_id: str) -> list[tuple[int, int, int]]:
    """The claims of an allocation that last: processors, disk, GPUs."""
    async with rental.database.reading() as session:
        statement = "SELECT vcpu, disk_gib, gpu_count FROM claim WHERE subject_id = :id AND upper_inf(during)"
        return [tuple(row) for row in await session.execute(text(statement), {"id": allocation_id})]


async def history(rental: Rental, allocation_id: str) -> list[str]:
    statement = "SELECT reason FROM allocation_history WHERE allocation_id = :id ORDER BY id"
    return await rental.all(statement, id=allocation_id)


async def kind(rental: Rental, allocation_id: str) -> str:
    """At which of its rates it is metered."""
    [found] = await rental.all("SELECT kind FROM meter WHERE subject_id = :id", id=allocation_id)
    return str(found)


async def told(rental: Rental) -> list[str]:
    return [one for one in await rental.events() if "claim" in one or "room" in one]


async def try_again(rental: Rental, allocation_id: str) -> bool:
    worker = Reconciler(rental.database, [resumption_work.work(pace=rental.pace)])
    return await look_at(worker, WAITING, allocation_id)


async def run_again(rental: Rental, allocation_id: str) -> None:
    """Its money is back, or its limit is lifted."""
    async with rental.database.transaction() as session:
        await suspension.run_again(session, allocation_id, policy=DEFAULT_POLICY)


class TestTheTime:
    async def test_is_said_at_once_told_again_and_then_over(self, rental: Rental, clock: Clock) -> None:
        allocation_id = await suspended(rental)
        row = await rental.row(allocation_id)
        assert row.claim_kept_until is not None
        assert await told(rental) == ["allocation.claim_ending"]
        clock.later(3 * HOUR - 60)
        await rental.work(allocation_id)
        assert await told(rental) == ["allocation.claim_ending"]
        clock.later(120)
        await rental.work(allocation_id)
        await rental.work(allocation_id)
        assert await told(rental) == ["allocation.claim_ending"] * 2
        assert (await claimed(rental, allocation_id), await kind(rental, allocation_id)) == (ALL, "suspended")
        clock.later(HOUR)
        await rental.work(allocation_id)
        assert await told(rental) == ["allocation.claim_ending", "allocation.claim_ending", "allocation.claim_ended"]
        assert (await claimed(rental, allocation_id), await kind(rental, allocation_id)) == (DISK, "disk")
        until = suspended_claim.said(row.claim_kept_until)
        assert await history(rental, allocation_id) == [
            "launched",
            "a worker has begun",
            "set up and verified",
            f"its place on the node is kept until {until}, and its disk after that",
            "asked for",
            f"its place on the node is given back at {until}",
            "its place on the node is given back; its disk is kept",
        ]
        assert await rental.disagreements() == []

    async def test_wakes_its_work_by_itself(self, rental: Rental, clock: Clock) -> None:
        """The next look is at the reminder, not when it would be verified anyway."""
        allocation_id = await suspended(rental)
        clock.later(3 * HOUR + 1)
        await rental.work_until(allocation_id, "suspended")
        clock.later(HOUR + 1)
        await rental.work_until(allocation_id, "suspended")
        assert await claimed(rental, allocation_id) == DISK

    async def test_ends_at_once_where_nothing_is_kept(self, database: Database) -> None:
        rental = await Rental.open(database, **WITHOUT)
        allocation_id = await suspended(rental)
        assert await claimed(rental, allocation_id) == DISK
        assert await kind(rental, allocation_id) == "disk"
        assert await told(rental) == ["allocation.claim_ending", "allocation.claim_ended"]
        assert await rental.disagreements() == []

    async def test_never_ends_where_it_is_kept_always(self, database: Database, clock: Clock) -> None:
        rental = await Rental.open(database, **{**SHAPE, "disk": None})
        allocation_id = await suspended(rental)
        clock.later(DAY_SECONDS - 60)
        await rental.work(allocation_id)
        assert await claimed(rental, allocation_id) == ALL
        assert await told(rental) == []

    async def test_is_that_of_the_price_it_was_launched_at(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        async with rental.database.transaction() as session:
            await prices.create(
                session,
                system_actor("test"),
                sku_id=rental.sku.id,
                per_hour=Rate.parse("0.36", "USD"),
                suspended_claim="none",
                suspended_per_hour=Rate.parse("0.01", "USD"),
                disk_per_hour=Rate.parse("0.01", "USD"),
            )
        await rental.suspend(allocation_id)
        await rental.work_until(allocation_id, "suspended")
        assert await claimed(rental, allocation_id) == ALL

    async def test_begins_anew_with_each_suspension(self, rental: Rental, clock: Clock) -> None:
        allocation_id = await suspended(rental)
        clock.later(3 * HOUR)
        await rental.resume(allocation_id)
        await rental.work_until(allocation_id, "active")
        assert (await rental.row(allocation_id)).claim_kept_until is None
        await rental.suspend(allocation_id)
        await rental.work_until(allocation_id, "suspended")
        clock.later(2 * HOUR)
        await rental.work(allocation_id)
        assert await claimed(rental, allocation_id) == ALL

    async def test_does_not_run_while_its_node_is_worked_on(self, rental: Rental, clock: Clock) -> None:
        allocation_id = await rental.running()
        async with rental.database.transaction() as session:
            allocation = await suspension.rows.lock(session, allocation_id)
            await suspension.suspend(session, system_actor("drain"), allocation, cause="drain")
        await rental.work_until(allocation_id, "suspended")
        clock.later(5 * HOUR)
        await rental.work(allocation_id)
        assert await claimed(rental, allocation_id) == ALL
        assert await kind(rental, allocation_id) == "suspended"

    async def test_that_is_over_is_not_revived_by_work_on_its_node(self, rental: Rental, clock: Clock) -> None:
        allocation_id = await rental.running()
        async with rental.database.transaction() as session:
            allocation = await suspension.rows.lock(session, allocation_id)
            await suspension.suspend(session, system_actor("funds"), allocation, cause="funds")
        await rental.work_until(allocation_id, "suspended")
        until = (await rental.row(allocation_id)).claim_kept_until
        clock.later(4 * HOUR + 60)
        await rental.run("UPDATE node SET state = 'draining' WHERE id = :id", id=rental.node_id)
        await run_again(rental, allocation_id)
        row = await rental.row(allocation_id)
        assert (row.suspended_for, row.claim_kept_until) == ("drain", until)
        await rental.work(allocation_id)
        assert await claimed(rental, allocation_id) == DISK


class TestTheNode:
    async def test_is_told_whose_use_it_ends_whenever_it_suspends(self, database: Database) -> None:
        rental = await Rental.open(database, kept_hours=4, gpus=2, **SHAPE)
        allocation_id, mate = await rental.running(), await rental.running()
        account = rental.backend.node(rental.node_id).accounts
        assert account[allocation_id].desired.same_organization == ()
        await rental.suspend(allocation_id)
        await rental.work_until(allocation_id, "suspended")
        assert account[allocation_id].desired.same_organization == ((await rental.row(mate)).login,)

    async def test_takes_its_gpus_away_first(self, rental: Rental, clock: Clock) -> None:
        allocation_id = await suspended(rental)
        account = rental.backend.node(rental.node_id).accounts
        assert account[allocation_id].desired.gpus == ("GPU-north-0",)
        clock.later(4 * HOUR + 60)
        await rental.work(allocation_id)
        desired = account[allocation_id].desired
        assert (desired.gpus, desired.gives_back, desired.state) == ((), True, "suspended")

    @pytest.mark.parametrize("says", [(), (EvidenceCheck("gpu", False, "Left: 900 MiB"),)])
    async def test_that_does_not_show_it_keeps_it(
        self, rental: Rental, clock: Clock, says: tuple[EvidenceCheck, ...]
    ) -> None:
        """Also a helper that does not know how. It costs what its disk costs all the same, as was said."""
        allocation_id = await suspended(rental)
        rental.backend.node(rental.node_id).given_back = says
        clock.later(4 * HOUR + 60)
        await rental.work(allocation_id)
        assert (await claimed(rental, allocation_id), await kind(rental, allocation_id)) == (ALL, "disk")
        rental.backend.node(rental.node_id).given_back = (EvidenceCheck("gpu", True, "nothing"),)
        clock.later(120)
        await rental.work(allocation_id)
        assert await claimed(rental, allocation_id) == DISK

    async def test_whose_place_is_blocked_keeps_all_of_it(self, rental: Rental, clock: Clock) -> None:
        """What is said of the allocation is what is so of its claim."""
        allocation_id = await suspended(rental)
        block = "UPDATE claim SET blocked_at = {}, blocked_reason = {} WHERE subject_id = :id"
        await rental.run(block.format("clock_timestamp()", "'Something is left'"), id=allocation_id)
        clock.later(4 * HOUR + 60)
        await rental.work(allocation_id)
        row = await rental.row(allocation_id)
        assert (row.claim_ended_at, row.gpus, await claimed(rental, allocation_id)) == (None, ["GPU-north-0"], ALL)
        assert "allocation.claim_ended" not in await told(rental)
        await rental.run(block.format("NULL", "NULL"), id=allocation_id)
        clock.later(120)
        await rental.work(allocation_id)
        assert await claimed(rental, allocation_id) == DISK

    async def test_that_is_away_keeps_it_until_it_answers(self, rental: Rental, clock: Clock) -> None:
        allocation_id = await suspended(rental)
        rental.backend.interrupt = failing("apply", "before", unreachable, times=100)
        clock.later(4 * HOUR + 60)
        await rental.work(allocation_id)
        assert await claimed(rental, allocation_id) == ALL
        rental.backend.interrupt = nothing
        clock.later(120)
        await rental.work(allocation_id)
        assert await claimed(rental, allocation_id) == DISK

    async def test_asked_by_a_worker_that_died_is_asked_again(self, rental: Rental, clock: Clock) -> None:
        allocation_id = await suspended(rental)
        clock.later(4 * HOUR + 60)
        rental.backend.interrupt = failing("apply", "after", Killed)
        with pytest.raises(Killed):
            await rental.work(allocation_id)
        assert await claimed(rental, allocation_id) == ALL
        rental.backend.interrupt = nothing
        clock.later(60)
        await rental.work(allocation_id)
        assert await claimed(rental, allocation_id) == DISK
        assert (await told(rental)).count("allocation.claim_ended") == 1


class TestResuming:
    async def test_takes_the_claim_again(self, rental: Rental, clock: Clock) -> None:
        allocation_id = await without_claim(rental, clock)
        await rental.resume(allocation_id)
        assert await claimed(rental, allocation_id) == ALL
        await rental.work_until(allocation_id, "active")
        desired = rental.backend.node(rental.node_id).accounts[allocation_id].desired
        assert (desired.gpus, desired.gives_back) == (("GPU-north-0",), False)
        assert await kind(rental, allocation_id) == "running"
        assert await rental.disagreements() == []

    async def test_may_give_it_another_gpu(self, database: Database, clock: Clock) -> None:
        rental = await Rental.open(database, kept_hours=4, gpus=2, **SHAPE)
        allocation_id = await without_claim(rental, clock)
        other = await rental.running()
        assert (await rental.row(other)).gpus == ["GPU-north-0"]
        await rental.resume(allocation_id)
        await rental.work_until(allocation_id, "active")
        assert (await rental.row(allocation_id)).gpus == ["GPU-north-1"]
        assert rental.backend.node(rental.node_id).accounts[allocation_id].desired.gpus == ("GPU-north-1",)
        assert await rental.disagreements() == []

    async def test_is_refused_where_others_have_its_place(self, rental: Rental, clock: Clock) -> None:
        allocation_id = await without_claim(rental, clock)
        other = await rental.running()
        with pytest.raises(NoCapacity, match=r"Others have its place.*It stays suspended.*Try again"):
            await rental.resume(allocation_id)
        assert (await rental.row(allocation_id)).wanted == "suspended"
        await rental.release(other)
        await rental.work_until(other, "released")
        await rental.resume(allocation_id)
        await rental.work_until(allocation_id, "active")

    async def test_just_before_the_end_keeps_all_of_it(self, rental: Rental, clock: Clock) -> None:
        allocation_id = await suspended(rental)
        clock.later(4 * HOUR + 60)  # nobody has looked
        await rental.resume(allocation_id)
        await rental.work_until(allocation_id, "active")
        assert await claimed(rental, allocation_id) == ALL
        assert await told(rental) == ["allocation.claim_ending"]

    async def test_and_a_launch_race_and_one_has_it(self, rental: Rental, clock: Clock) -> None:
        allocation_id = await without_claim(rental, clock)

        async def tried(act: Any) -> bool:
            try:
                await act
            except NoCapacity:
                return False
            return True

        won = await asyncio.gather(tried(rental.resume(allocation_id)), tried(rental.launch()))
        assert sorted(won) == [False, True]
        assert await rental.disagreements() == []

    async def test_from_where_it_has_no_claim_is_released_like_anything(self, rental: Rental, clock: Clock) -> None:
        allocation_id = await without_claim(rental, clock)
        await rental.release(allocation_id)
        await rental.work_until(allocation_id, "released")
        assert await claimed(rental, allocation_id) == []
        assert await rental.disagreements() == []


class TestWhatIsResumed:
    """It costs the suspended rate until its node opens it, since it has its claim."""

    async def later(self, rental: Rental, clock: Clock, allocation_id: str) -> str:
        """At which rate it is metered an hour after it was resumed, of which its node has not heard."""
        await rental.resume(allocation_id)
        clock.later(HOUR)
        async with rental.database.transaction() as session:
            await watermarks.tick(session)
        assert (await rental.row(allocation_id)).state == "suspended"
        assert await claimed(rental, allocation_id) == ALL
        return await kind(rental, allocation_id)

    async def test_with_the_claim_that_it_kept(self, rental: Rental, clock: Clock) -> None:
        allocation_id = await suspended(rental)
        clock.later(4 * HOUR - 60)
        assert await self.later(rental, clock, allocation_id) == "suspended"

    async def test_with_the_claim_that_it_has_again(self, rental: Rental, clock: Clock) -> None:
        allocation_id = await without_claim(rental, clock)
        assert await kind(rental, allocation_id) == "disk"
        assert await self.later(rental, clock, allocation_id) == "suspended"

    async def test_with_the_claim_that_nobody_has_taken_in_time(self, rental: Rental, clock: Clock) -> None:
        """Its disk's rate applied from when it was said to, and the suspended one does from when it is resumed."""
        allocation_id = await suspended(rental)
        clock.later(4 * HOUR + 60)
        async with rental.database.transaction() as session:
            await watermarks.tick(session)
        assert (await kind(rental, allocation_id), await claimed(rental, allocation_id)) == ("disk", ALL)
        assert await self.later(rental, clock, allocation_id) == "suspended"


async def resumed_costs(rental: Rental, allocation_id: str, *, resuming: bool = False) -> tuple[str, str]:
    """What it adds to what is spent once it runs, by which its resumption is weighed, and what is spent then."""
    organization = rental.actor.organization
    async with rental.database.reading() as session:
        stands = await standing(session, organization, currency="USD", policy=DEFAULT_POLICY)
        if resuming:
            more = await upcoming_spend.more_to_come(session, organization, currency="USD")
        else:
            more = await upcoming_spend.more_of(session, allocation_id, currency="USD")
    return more.decimal_string(), (stands.runway.burn + more).decimal_string()


class TestWhatAResumptionAdds:
    """Beside what its meter says that it costs already, in whatever order its times and its node came about."""

    async def test_to_one_with_its_claim(self, rental: Rental) -> None:
        assert await resumed_costs(rental, await suspended(rental)) == ("0.324", "0.36")

    async def test_to_one_whose_time_is_over_and_who_has_its_claim_still(self, rental: Rental, clock: Clock) -> None:
        allocation_id = await suspended(rental)
        clock.later(4 * HOUR + 60)
        async with rental.database.transaction() as session:
            await watermarks.tick(session)
        await rental.run("UPDATE meter SET observed_to = clock_timestamp() WHERE subject_id = :id", id=allocation_id)
        assert (await rental.row(allocation_id)).claim_ended_at is None
        assert await resumed_costs(rental, allocation_id) == ("0.3564", "0.36")

    async def test_to_one_without_its_claim(self, rental: Rental, clock: Clock) -> None:
        assert await resumed_costs(rental, await without_claim(rental, clock)) == ("0.3564", "0.36")

    async def test_to_one_that_is_being_resumed(self, rental: Rental) -> None:
        allocation_id = await suspended(rental)
        await rental.resume(allocation_id)
        assert await resumed_costs(rental, allocation_id, resuming=True) == ("0.324", "0.36")


class TestByItself:
    async def waiting(self, rental: Rental, clock: Clock) -> tuple[str, str]:
        """An allocation that lack of funds suspended, has its money again, and no room; and who has its place."""
        allocation_id = await rental.running()
        async with rental.database.transaction() as session:
            allocation = await suspension.rows.lock(session, allocation_id)
            await suspension.suspend(session, system_actor("funds"), allocation, cause="funds")
        await rental.work_until(allocation_id, "suspended")
        clock.later(4 * HOUR + 60)
        await rental.work(allocation_id)
        other = await rental.running()
        await run_again(rental, allocation_id)
        assert (await rental.row(allocation_id)).suspended_for == "capacity"
        return allocation_id, other

    async def test_waits_for_room_says_so_once_and_runs_when_there_is(self, rental: Rental, clock: Clock) -> None:
        allocation_id, other = await self.waiting(rental, clock)
        await run_again(rental, allocation_id)
        clock.later(120)
        assert await try_again(rental, allocation_id)
        assert (await told(rental)).count("allocation.waits_for_room") == 1
        assert not await try_again(rental, allocation_id)
        await rental.release(other)
        await rental.work_until(other, "released")
        assert await try_again(rental, allocation_id), "what was released wakes it"
        row = await rental.work_until(allocation_id, "active")
        assert (row.suspended_for, await claimed(rental, allocation_id)) == (None, ALL)
        assert await rental.disagreements() == []

    async def test_is_woken_by_what_a_launch_that_went_elsewhere_had_left(self, database: Database) -> None:
        rental = await Rental.open(database, **WITHOUT)
        allocation_id = await rental.running()
        async with database.transaction() as session:
            allocation = await suspension.rows.lock(session, allocation_id)
            await suspension.suspend(session, system_actor("funds"), allocation, cause="funds")
        await rental.work_until(allocation_id, "suspended")
        assert await claimed(rental, allocation_id) == DISK
        other = await rental.launch()
        await add_node(database, "south", gpus=["A"])
        north = rental.backend.node(rental.node_id)

        async def lost(verb: str, moment: str) -> None:
            if (verb, moment) == ("apply", "after") and other in north.accounts and north.reachable:
                north.reachable = False
                raise unreachable()

        rental.backend.interrupt = lost
        await rental.work_until(other, "active")
        await run_again(rental, allocation_id)
        assert (await rental.row(allocation_id)).suspended_for == "capacity"
        assert not await try_again(rental, allocation_id)
        north.reachable = True
        [left] = await rental.all("SELECT id FROM allocation_remnant WHERE cleaned_at IS NULL")
        await rental.run("UPDATE work SET due_at = clock_timestamp() WHERE kind = 'remnant'")
        assert await look_at(rental.worker(), remnants.WORK, left)
        assert await rental.all("SELECT id FROM allocation_remnant WHERE cleaned_at IS NULL") == []
        assert await try_again(rental, allocation_id)
        assert (await rental.row(allocation_id)).wanted == "active"

    async def test_waits_so_long_and_then_for_its_customer(self, rental: Rental, clock: Clock) -> None:
        allocation_id, _ = await self.waiting(rental, clock)
        clock.later(WAITS_DAYS * DAY_SECONDS)
        assert await try_again(rental, allocation_id)
        row = await rental.row(allocation_id)
        assert (row.wanted, row.suspended_for, row.waits_since) == ("suspended", "customer", None)
        assert not await try_again(rental, allocation_id)
        assert (await told(rental)).count("allocation.waits_for_room") == 2

    async def test_is_looked_at_in_vain_once_it_is_released(self, rental: Rental, clock: Clock) -> None:
        allocation_id, _ = await self.waiting(rental, clock)
        await rental.release(allocation_id)
        clock.later(120)
        assert await try_again(rental, allocation_id)
        assert (await rental.row(allocation_id)).wanted == "gone"


class TestTheDatabase:
    @pytest.mark.parametrize(
        "change",
        [
            "wanted = 'active', gpus = '{}'",
            "gpus = ARRAY['GPU-north-0']",
            "claim_ended_at = claim_kept_until - interval '1 second'",
            "suspended_for = 'capacity', waits_since = NULL",
            "suspended_for = 'anything'",
        ],
    )
    async def test_refuses_what_has_no_claim_and_would_use_it(self, rental: Rental, clock: Clock, change: str) -> None:
        allocation_id = await without_claim(rental, clock)
        with pytest.raises(IntegrityError):
            await rental.run(f"UPDATE allocation SET {change} WHERE id = :id", id=allocation_id)
