"""What counts as proof: an observation proves an allocation only if nothing at all about it is amiss."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from sublet.allocations.rows import Allocation, Wanted
from sublet.allocations.states import AllocationState
from sublet.allocations.work.evidence import as_applied, still_there
from sublet.fleet.backend import FreeSpace, Observation, ObservedAllocation

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SEEN = ObservedAllocation("al_1", "al-1", 200_001, 4, "active", 3, login_open=True)
OBSERVED = Observation("nd_1", "boot-1", NOW, NOW, FreeSpace(100, 1_000_000), (SEEN,))
SUSPENDED = replace(SEEN, state="suspended", login_open=False)


def allocation(state: AllocationState = AllocationState.ACTIVE, wanted: Wanted = "active") -> Allocation:
    """An allocation of generation 4 that was set up on the node's first boot."""
    return Allocation(
        id="al_1",
        organization_id="org_1",
        name="first",
        state=state,
        wanted=wanted,
        suspended_for="customer" if wanted == "suspended" else None,
        generation=4,
        applied_generation=4,
        disconnect_generation=0,
        on_node=True,
        unproven=False,
        sku_id="sku_1",
        sku={},
        price_id="prc_1",
        nano_per_hour=1,
        suspended_nano_per_hour=0,
        disk_nano_per_hour=None,
        claim_kept_until=None,
        claim_ended_at=None,
        claim_end_told=False,
        waits_since=None,
        currency="USD",
        hold_id=1,
        node_id="nd_1",
        gpus=[],
        login="al-1",
        uid=200_001,
        boot_id="boot-1",
        created_at=NOW,
        started_at=NOW,
        release_requested_at=None,
    )


def seen(one: ObservedAllocation = SEEN, **changed: Any) -> Observation:
    """An observation of the one allocation, with something about it changed."""
    return replace(OBSERVED, allocations=(replace(one, **changed),))


OTHER = replace(SEEN, allocation_id="al_2")
ACTIVE, SUSPENDED_STATE, LOST = AllocationState.ACTIVE, AllocationState.SUSPENDED, AllocationState.LOST
RELEASING = AllocationState.RELEASING


class TestAsApplied:
    def test_an_active_one_that_is_open_is_proven(self) -> None:
        assert as_applied(allocation(), OBSERVED)

    def test_a_suspended_one_that_is_closed_is_proven(self) -> None:
        assert as_applied(allocation(SUSPENDED_STATE, "suspended"), seen(SUSPENDED))

    @pytest.mark.parametrize(
        "observation",
        [
            pytest.param(replace(OBSERVED, allocations=()), id="it is not there"),
            pytest.param(replace(OBSERVED, allocations=(OTHER,)), id="another one is there"),
            pytest.param(seen(uid=200_002), id="its uid is another"),
            pytest.param(seen(login="al-2"), id="its login is another"),
            pytest.param(seen(generation=3), id="an older generation"),
            pytest.param(seen(generation=5), id="a newer generation"),
            pytest.param(replace(OBSERVED, boot_id="boot-2"), id="the node has booted since"),
            pytest.param(seen(state="suspended"), id="it is suspended"),
            pytest.param(seen(login_open=False), id="its login is closed"),
        ],
    )
    def test_an_active_one_is_not_proven_if(self, observation: Observation) -> None:
        assert not as_applied(allocation(), observation)

    @pytest.mark.parametrize(
        "observation",
        [
            pytest.param(seen(SUSPENDED, state="active"), id="it is active"),
            pytest.param(seen(SUSPENDED, login_open=True), id="its login is open"),
            pytest.param(replace(seen(SUSPENDED), boot_id="boot-2"), id="the node has booted since"),
        ],
    )
    def test_a_suspended_one_is_not_proven_if(self, observation: Observation) -> None:
        assert not as_applied(allocation(SUSPENDED_STATE, "suspended"), observation)

    @pytest.mark.parametrize(
        ("state", "observation"),
        [
            pytest.param(ACTIVE, OBSERVED, id="the node has not heard of it"),
            pytest.param(ACTIVE, seen(generation=6), id="the node has begun it and failed"),
            pytest.param(SUSPENDED_STATE, seen(SUSPENDED), id="suspended, to be resumed"),
            pytest.param(SUSPENDED_STATE, seen(SUSPENDED, login_open=True), id="suspended, and open so far"),
        ],
    )
    def test_what_was_applied_stays_proven_while_something_newer_cannot_be_applied(
        self, state: AllocationState, observation: Observation
    ) -> None:
        assert as_applied(replace(allocation(state), generation=6), observation)

    @pytest.mark.parametrize(
        ("state", "wanted", "observation"),
        [
            pytest.param(ACTIVE, "active", seen(generation=3), id="an older generation than was applied"),
            pytest.param(ACTIVE, "active", seen(generation=7), id="a newer generation than is wanted"),
            pytest.param(ACTIVE, "active", seen(uid=200_002), id="its uid is another"),
            pytest.param(ACTIVE, "active", replace(OBSERVED, boot_id="boot-2"), id="the node has booted since"),
            pytest.param(ACTIVE, "active", seen(state="releasing"), id="it is being released"),
            pytest.param(ACTIVE, "active", seen(login_open=False), id="its login is closed"),
            pytest.param(ACTIVE, "active", seen(SUSPENDED), id="it is suspended"),
            pytest.param(ACTIVE, "suspended", OBSERVED, id="it is to be suspended, and is not"),
            pytest.param(ACTIVE, "suspended", seen(SUSPENDED), id="it is to be suspended, and nobody knows since when"),
            pytest.param(SUSPENDED_STATE, "active", OBSERVED, id="it is resumed, and nobody knows since when"),
            pytest.param(RELEASING, "gone", OBSERVED, id="it is to be gone"),
            pytest.param(LOST, "active", OBSERVED, id="it was lost"),
        ],
    )
    def test_what_was_applied_is_not_proven_while_something_newer_cannot_be_applied_if(
        self, state: AllocationState, wanted: Wanted, observation: Observation
    ) -> None:
        assert not as_applied(replace(allocation(state, wanted), generation=6), observation)

    def test_one_that_was_never_set_up_is_not_proven(self) -> None:
        assert not as_applied(replace(allocation(), boot_id=None), OBSERVED)


class TestStillThere:
    """While something is being changed, the old and the new are both right; all else has to be as before."""

    @pytest.mark.parametrize(
        ("state", "wanted", "observation"),
        [
            pytest.param(ACTIVE, "active", OBSERVED, id="active"),
            pytest.param(ACTIVE, "suspended", OBSERVED, id="being suspended, and not yet"),
            pytest.param(ACTIVE, "suspended", seen(SUSPENDED), id="being suspended, and already"),
            pytest.param(SUSPENDED_STATE, "active", seen(SUSPENDED), id="being resumed, and not yet"),
            pytest.param(SUSPENDED_STATE, "active", OBSERVED, id="being resumed, and already"),
            pytest.param(ACTIVE, "suspended", seen(login_open=False), id="being suspended, and closed so far"),
            pytest.param(SUSPENDED_STATE, "active", seen(login_open=False), id="being resumed, and not open so far"),
            pytest.param(RELEASING, "gone", OBSERVED, id="being released while active"),
            pytest.param(RELEASING, "gone", seen(SUSPENDED), id="being released while suspended"),
            pytest.param(ACTIVE, "active", seen(generation=9), id="whatever its generation"),
        ],
    )
    def test_is_proven(self, state: AllocationState, wanted: Wanted, observation: Observation) -> None:
        assert still_there(allocation(state, wanted), observation)

    @pytest.mark.parametrize(
        ("state", "wanted", "observation"),
        [
            pytest.param(ACTIVE, "active", replace(OBSERVED, allocations=()), id="it is not there"),
            pytest.param(ACTIVE, "active", seen(uid=200_002), id="its uid is another"),
            pytest.param(ACTIVE, "active", seen(login="al-2"), id="its login is another"),
            pytest.param(ACTIVE, "active", replace(OBSERVED, boot_id="boot-2"), id="the node has booted since"),
            pytest.param(ACTIVE, "active", seen(state="suspended"), id="it is suspended and should not be"),
            pytest.param(SUSPENDED_STATE, "suspended", OBSERVED, id="it is active and should not be"),
            pytest.param(ACTIVE, "active", seen(login_open=False), id="its login is closed and should not be"),
            pytest.param(RELEASING, "gone", seen(login_open=False), id="active, closed, being released"),
            pytest.param(RELEASING, "gone", seen(state="gone"), id="in no state at all"),
        ],
    )
    def test_is_not_proven_if(self, state: AllocationState, wanted: Wanted, observation: Observation) -> None:
        assert not still_there(allocation(state, wanted), observation)
