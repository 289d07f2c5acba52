"""A node that lacks what was sold, or does not hold its limits: a launch goes to another one."""

import pytest

from sublet.allocations.work import relocation
from sublet.fleet.errors import LimitsNotEnforced
from tests.allocations.rental import Rental, offer
from tests.allocations.simulated import failing, refused
from tests.allocations.test_moved_launch import claimed, cleaned
from tests.scheduling.fleet_rows import add_node

pytestmark = pytest.mark.anyio


class TestANodeThatDoesNotHoldTheLimits:
    async def test_is_left_for_one_that_does(self, rental: Rental) -> None:
        allocation_id = await rental.launch()
        second = await add_node(rental.database, "south")
        rental.backend.interrupt = failing(
            "apply", "after", limits_missing, times=rental.pace.attempts_before_another_node
        )
        assert (await rental.work_until(allocation_id, "active")).node_id == second
        await cleaned(rental)
        assert await rental.disagreements() == []


def limits_missing() -> LimitsNotEnforced:
    return LimitsNotEnforced("The node enforces memory, but not for this one.")


class TestANodeThatLacksWhatWasSold:
    async def test_is_left_at_once(self, rental: Rental) -> None:
        allocation_id = await rental.launch()
        second = await add_node(rental.database, "south")
        rental.backend.interrupt = failing("apply", "before", lambda: refused("disk_full"), times=1)
        assert (await rental.work_until(allocation_id, "active")).node_id == second
        await cleaned(rental)
        assert await claimed(rental) == {second: allocation_id}

    async def test_is_not_left_for_one_without_the_gpu(self, rental: Rental) -> None:
        rental.sku = await offer(rental.database, "gpu", gpu_model="A", gpu_count=1)
        allocation_id = await rental.launch()
        await add_node(rental.database, "south")
        rental.backend.interrupt = failing("apply", "before", lambda: refused("gpu_missing"), times=1)
        row = await rental.work_until(allocation_id, "failed")
        assert row.failure["code"] == "gpu_missing"

    async def test_is_left_for_the_gpus_of_the_other(self, rental: Rental) -> None:
        rental.sku = await offer(rental.database, "gpu", gpu_model="A", gpu_count=1)
        allocation_id = await rental.launch()
        had = (await rental.row(allocation_id)).gpus
        await add_node(rental.database, "south", gpus=["A"])
        rental.backend.interrupt = failing("apply", "before", lambda: refused("gpu_in_use"), times=1)
        row = await rental.work_until(allocation_id, "active")
        assert len(row.gpus) == 1
        assert row.gpus != had

    async def test_is_left_so_often_and_no_more(self, rental: Rental) -> None:
        for number in range(relocation.MOST_NODES + 1):
            await add_node(rental.database, f"n{number}")
        rental.backend.interrupt = failing("apply", "before", lambda: refused("disk_full"), times=99)
        row = await rental.work_until(await rental.launch(), "failed")
        assert row.failure["code"] == "disk_full"
        assert len(await rental.all("SELECT node_id FROM allocation_remnant")) == relocation.MOST_NODES - 1

    async def test_is_not_left_by_what_has_run_there(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        await add_node(rental.database, "south")
        await rental.suspend(allocation_id)
        await rental.work_until(allocation_id, "suspended")
        rental.backend.interrupt = failing("apply", "before", lambda: refused("disk_full"), times=2)
        await rental.resume(allocation_id)
        assert (await rental.work_until(allocation_id, "active")).node_id == rental.node_id
