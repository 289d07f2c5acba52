"""What counts as proof that an allocation was delivered."""

from sublet.allocations.rows import Allocation
from sublet.billing.policy import Policy
from sublet.fleet.backend import Observation

UNPROVEN = Policy(data_kept_days=0, evidence_gap_seconds=0)
"""For an observation that says nothing about the time before it: that time is recorded as unmetered, never billed."""


def still_there(allocation: Allocation, observation: Observation) -> bool:
    """Whether the node has had the account all the time since it was set up, whatever is being changed about it.

    A restart ends every process, so nobody knows what was delivered around it.
    """
    seen = observation.allocation(allocation.id)
    if seen is None or (seen.uid, seen.login) != (allocation.uid, allocation.login):
        return False
    expected = {allocation.state.value, allocation.wanted} & {"active", "suspended"}
    may_be_closed = "suspended" in {*expected, seen.state}
    return (
        observation.boot_id == allocation.boot_id
        and (seen.state in expected or (allocation.wanted == "gone" and seen.state in {"active", "suspended"}))
        and (seen.login_open or may_be_closed)
    )


def as_applied(allocation: Allocation, observation: Observation) -> bool:
    """Whether the node has exactly what was applied to it last, also while something newer cannot be applied.

    A newer generation says nothing about what is there: the node notes it before it begins. But nobody who is to be
    suspended or gone is proven while they stay: they cost less already, or nothing, and it is not what they asked for.
    What is being resumed is proven as suspended until it is, though its login may be open by then.
    """
    seen = observation.allocation(allocation.id)
    return (
        seen is not None
        and (seen.uid, seen.login) == (allocation.uid, allocation.login)
        and allocation.applied_generation <= seen.generation <= allocation.generation
        and observation.boot_id == allocation.boot_id
        and seen.state == allocation.state.value
        and allocation.wanted in {seen.state, "active"}
        and (seen.login_open == (seen.state == "active") or seen.state != allocation.wanted)
    )
