"""What others on a node hold of a released allocation: taken back from the same organization, told to operators."""

from collections.abc import Sequence

import pytest

from sublet.fleet.backend import Holder
from tests.allocations.rental import Rental, customer
from tests.allocations.test_moved_launch import cleaned, unanswered
from tests.scheduling.fleet_rows import add_node

pytestmark = pytest.mark.anyio

HOLDER = Holder(41, "al-neighbour", "python3", "a GPU (descriptor 7)")


async def logins(rental: Rental, ids: Sequence[str]) -> list[str]:
    """The logins of allocations, in order."""
    return sorted([(await rental.row(allocation_id)).login for allocation_id in ids])


class TestTheSameOrganization:
    async def test_is_named_to_the_node_by_the_logins_that_it_has_there(self, rental: Rental) -> None:
        gone = await rental.running()
        await rental.release(gone)
        await rental.work_until(gone, "released")
        leaving, *others = [await rental.running() for _ in range(3)]
        await rental.suspend(others[0])
        await rental.work_until(others[0], "suspended")
        stranger = await rental.launch(await customer(rental.database))
        await rental.work_until(stranger, "active")
        await rental.release(leaving)
        row = await rental.work_until(leaving, "released")
        assert list(rental.backend.same_organization[row.login]) == await logins(rental, others)

    async def test_is_named_too_where_a_launch_left_something(self, rental: Rental) -> None:
        first, beside = rental.node_id, await rental.running()
        moved = await rental.launch()
        login = (await rental.row(moved)).login
        await add_node(rental.database, "south")
        rental.backend.interrupt = unanswered(rental)
        await rental.work_until(moved, "active")
        await cleaned(rental)
        assert (await rental.row(beside)).node_id == first
        assert list(rental.backend.same_organization[login]) == await logins(rental, [beside])


class TestWhoHoldsIt:
    async def test_is_told_to_operators_and_not_to_the_customer(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        rental.backend.node(rental.node_id).holders[allocation_id] = (HOLDER,)
        await rental.release(allocation_id)
        row = await rental.work_until(allocation_id, "release_failed")
        [reason] = await rental.all("SELECT blocked_reason FROM claim")
        assert "Who holds it: al-neighbour: python3 (41) has a GPU (descriptor 7)." in reason
        assert [check["name"] for check in row.evidence["checks"] if not check["clean"]] == ["held"]
        told = await rental.all("SELECT reason FROM allocation_history")
        assert await rental.all("SELECT code FROM allocation_history WHERE code IS NOT NULL") == ["not_clean"]
        told += await rental.all("SELECT CAST(error AS text) FROM allocation_operation WHERE error IS NOT NULL")
        assert HOLDER.login not in f"{row.evidence} {told}"
        rental.backend.node(rental.node_id).holders.clear()
        await rental.work_until(allocation_id, "released")
        assert await rental.all("SELECT 1 FROM claim WHERE upper_inf(during)") == []
