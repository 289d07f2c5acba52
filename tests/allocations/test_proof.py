"""What ran unseen is billed only if the next look proves it: not after a restart, nor while nobody knows what runs."""

from collections.abc import Awaitable, Callable

import pytest

from sublet.allocations.work import observations
from tests.allocations.rental import Rental
from tests.support.policy import DEFAULT_POLICY

pytestmark = pytest.mark.anyio

UNSEEN = 100
"""Seconds that an allocation has run since it was last seen: fewer than a look proves afterwards."""

Fault = Callable[[Rental, str], Awaitable[None]]


async def ran_unseen(rental: Rental) -> str:
    """An allocation that has run for a while, and that nobody has looked at since it began."""
    allocation_id = await rental.running()
    await rental.ran_for(allocation_id, UNSEEN)
    await rental.run("UPDATE meter SET observed_to = started_at")
    return allocation_id


async def node_restarted(rental: Rental, _allocation_id: str) -> None:
    """The node has booted meanwhile, and everything on it looks as before."""
    rental.backend.node(rental.node_id).boot_id = "boot-2"


async def was_found_amiss(rental: Rental, allocation_id: str) -> None:
    """It was seen to be wrong meanwhile, and nobody has set it right yet; by itself it looks right again."""
    await rental.run("UPDATE allocation SET unproven = true WHERE id = :id", id=allocation_id)


async def account_was_closed(rental: Rental, allocation_id: str) -> None:
    """Somebody has closed the login on the node."""
    rental.backend.node(rental.node_id).accounts[allocation_id].login_open = False


FAULTS = [node_restarted, was_found_amiss, account_was_closed]


async def billed_seconds(rental: Rental) -> int:
    return int((await rental.one("SELECT coalesce(sum(seconds), 0) AS n FROM usage_record")).n)


async def proven_seconds(rental: Rental) -> int:
    """How long the running time is that evidence covers, less what was cut out of it."""
    found = await rental.one(
        """
        SELECT extract(epoch FROM m.observed_to - m.started_at)
             - (SELECT coalesce(sum(extract(epoch FROM upper(period) - lower(period))), 0) FROM unmetered_interval) AS n
          FROM meter m
        """
    )
    return int(found.n)


class TestARelease:
    async def test_bills_what_its_last_look_proves(self, rental: Rental) -> None:
        allocation_id = await ran_unseen(rental)
        await rental.release(allocation_id)
        await rental.work_until(allocation_id, "released")
        assert await billed_seconds(rental) >= UNSEEN

    @pytest.mark.parametrize("fault", FAULTS)
    async def test_bills_nothing_of_what_ran_unseen_when(self, rental: Rental, fault: Fault) -> None:
        allocation_id = await ran_unseen(rental)
        await fault(rental, allocation_id)
        await rental.release(allocation_id)
        await rental.work_until(allocation_id, "released")
        assert await billed_seconds(rental) == 0
        assert await rental.disagreements() == []


class TestAChange:
    """A suspension looks at the node once more before it changes anything."""

    async def test_bills_what_its_look_proves(self, rental: Rental) -> None:
        allocation_id = await ran_unseen(rental)
        await rental.suspend(allocation_id)
        await rental.work_until(allocation_id, "suspended")
        assert await proven_seconds(rental) >= UNSEEN

    @pytest.mark.parametrize("fault", [node_restarted, was_found_amiss])
    async def test_bills_nothing_of_what_ran_unseen_when(self, rental: Rental, fault: Fault) -> None:
        allocation_id = await ran_unseen(rental)
        await fault(rental, allocation_id)
        await rental.suspend(allocation_id)
        await rental.work_until(allocation_id, "suspended")
        assert await proven_seconds(rental) == 0


class TestALook:
    async def test_proves_what_ran_unseen(self, rental: Rental) -> None:
        await ran_unseen(rental)
        await rental.observe()
        assert await proven_seconds(rental) >= UNSEEN

    @pytest.mark.parametrize("fault", FAULTS)
    async def test_proves_nothing_and_has_it_set_up_again_when(self, rental: Rental, fault: Fault) -> None:
        allocation_id = await ran_unseen(rental)
        await fault(rental, allocation_id)
        listing = await rental.backend.observe(rental.node_id)
        await observations.on_observed(rental.database, rental.node_id, listing, policy=DEFAULT_POLICY)
        assert await proven_seconds(rental) == 0
        assert (await rental.row(allocation_id)).unproven
        await rental.work_until(allocation_id, "active")
        for _ in range(2):
            await rental.observe()
        assert 0 <= await proven_seconds(rental) < UNSEEN  # what is seen from now on, and not what was not
        assert not (await rental.row(allocation_id)).unproven
