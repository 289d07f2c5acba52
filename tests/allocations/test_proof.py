"""What ran unseen is billed only if the next look proves it: not after a restart, nor while nobody knows what runs."""

from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from sublet.allocations import rows
from sublet.allocations.work import observations
from sublet.billing import watermarks
from tests.allocations.rental import Rental
from tests.allocations.simulated import failing, nothing, refused
from tests.support.policy import DEFAULT_POLICY
from tests.support.work import sweep_once

pytestmark = pytest.mark.anyio

UNSEEN = 200
"""Seconds that an allocation has run since it was last seen: fewer than a look proves afterwards."""
HOUR = 3600
FIRST = 1
"""Seconds that are billed of everything that ran at all, whoever saw it."""

Fault = Callable[[Rental, str], Awaitable[None]]


async def ran_unseen(rental: Rental) -> str:
    """An allocation that has run for a while, and that nobody has looked at since it began."""
    allocation_id = await rental.running()
    await passes_unseen(rental, allocation_id)
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


async def passes_unseen(rental: Rental, allocation_id: str) -> None:
    """A while passes in which nobody looks at the node."""
    await rental.ran_unseen_for(allocation_id, UNSEEN)


async def cannot_apply(rental: Rental, allocation_id: str, moment: str) -> None:
    """Something newer is wanted, and no attempt at it succeeds; the node has done it or not."""
    rental.backend.interrupt = failing("apply", moment, partial(refused, "sessions_remain", retryable=True), times=99)
    async with rental.database.transaction() as session:
        await rows.freshen(session, allocation_id, disconnect=True)


async def attempt(rental: Rental, allocation_id: str) -> None:
    """One more attempt, which fails."""
    await rental.run("UPDATE work SET due_at = clock_timestamp()")
    await rental.work(allocation_id)
    assert await rental.all("SELECT last_error FROM work") == ["sessions_remain"]
    async with rental.database.transaction() as session:
        await watermarks.tick(session)


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
        assert await billed_seconds(rental) == FIRST
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
        assert await proven_seconds(rental) == FIRST


class TestAnApplyThatFails:
    """A key was removed, and the node cannot do what follows from it: what runs is the same, and so is its price."""

    @pytest.mark.parametrize("moment", ["before", "after"])
    @pytest.mark.parametrize("looks", [True, False], ids=["seen by a look", "seen by the attempt"])
    async def test_for_an_hour_bills_the_hour(self, rental: Rental, moment: str, looks: bool) -> None:
        allocation_id = await rental.running()
        await cannot_apply(rental, allocation_id, moment)
        for _ in range(HOUR // UNSEEN):
            await passes_unseen(rental, allocation_id)
            await (rental.observe() if looks else attempt(rental, allocation_id))
        assert (await rental.row(allocation_id)).applied_generation == 1
        await rental.release(allocation_id)
        rental.backend.interrupt = nothing
        await rental.work_until(allocation_id, "released")
        assert await billed_seconds(rental) >= HOUR
        assert await rental.all("SELECT 1 FROM unmetered_interval") == []
        assert await rental.disagreements() == []

    @pytest.mark.parametrize("fault", FAULTS)
    @pytest.mark.parametrize("looks", [True, False], ids=["seen by a look", "seen by the attempt"])
    async def test_bills_nothing_of_what_ran_unseen_when(self, rental: Rental, fault: Fault, looks: bool) -> None:
        allocation_id = await rental.running()
        await cannot_apply(rental, allocation_id, "before")
        await passes_unseen(rental, allocation_id)
        await fault(rental, allocation_id)
        await (rental.observe() if looks else attempt(rental, allocation_id))
        assert (await rental.row(allocation_id)).unproven
        rental.backend.interrupt = nothing
        await rental.run("UPDATE work SET due_at = clock_timestamp()")
        await rental.work(allocation_id)
        assert not (await rental.row(allocation_id)).unproven
        await rental.observe()
        assert FIRST <= await proven_seconds(rental) < UNSEEN

    async def test_because_the_node_goes_by_a_newer_generation_proves_nothing(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        await cannot_apply(rental, allocation_id, "after")
        await passes_unseen(rental, allocation_id)
        rental.backend.node(rental.node_id).fences[allocation_id] = 41
        await sweep_once(rental.worker())
        assert (await rental.row(allocation_id)).generation == 42
        assert await proven_seconds(rental) == FIRST

    @pytest.mark.parametrize("looks", [True, False], ids=["seen by a look", "seen by the attempt"])
    async def test_proves_nothing_of_what_is_to_be_suspended(self, rental: Rental, looks: bool) -> None:
        allocation_id = await rental.running()
        await cannot_apply(rental, allocation_id, "before")
        await rental.suspend(allocation_id)
        await passes_unseen(rental, allocation_id)
        await (rental.observe() if looks else attempt(rental, allocation_id))
        assert await proven_seconds(rental) == FIRST
        assert not (await rental.row(allocation_id)).unproven  # it is all there, and the suspension will prove it


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
        await observations.on_observed(
            rental.database, rental.node_id, listing, policy=DEFAULT_POLICY, release_lost_seconds=None
        )
        assert await proven_seconds(rental) == FIRST
        assert (await rental.row(allocation_id)).unproven
        await rental.work_until(allocation_id, "active")
        for _ in range(2):
            await rental.observe()
        assert FIRST <= await proven_seconds(rental) < UNSEEN  # what is seen from now on, and not what was not
        assert not (await rental.row(allocation_id)).unproven


class TestTheFirstObservation:
    async def test_is_of_the_boot_in_which_it_was_set_up(self, rental: Rental) -> None:
        rental.backend.node(rental.node_id).boot_id = "boot-7"
        allocation_id = await rental.running()
        kept = await rental.one("SELECT boot_id, seen_count FROM meter WHERE subject_id = :id", id=allocation_id)
        assert (kept.boot_id, kept.seen_count) == ("boot-7", 1)
