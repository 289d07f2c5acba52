"""Asking for an allocation's release, in whatever state it is. Billing ends here, at the request."""

from sublet.allocations import operations, records
from sublet.allocations.audited import WantedRecord
from sublet.allocations.records import Allocation
from sublet.allocations.removal import settle
from sublet.allocations.states import AllocationState, OperationState, StateForbids, move
from sublet.audit.record import record
from sublet.billing import meters
from sublet.core.access import Actor
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.scheduling import claims

_S = AllocationState
GOING = frozenset({_S.RELEASING, _S.RELEASE_FAILED, _S.RELEASED})


async def request_release(session: Session, actor: Actor, id_or_name: str) -> str:
    """Release an allocation of the actor's organization, or cancel its set-up; returns its id.

    Asking again is harmless. StateForbids for one that failed: nothing of it is the customer's any more.
    """
    allocation = await records.lock_of(session, actor, id_or_name)
    if allocation.state is _S.FAILED:
        raise StateForbids(f"{allocation.name} has failed: there is nothing to release, and nothing was charged.")
    if allocation.state is _S.RELEASE_FAILED:
        await records.wake(session, allocation.id)
    if allocation.state not in GOING:
        await _release(session, actor, allocation)
    return allocation.id


async def _release(session: Session, actor: Actor, allocation: Allocation) -> None:
    now = await database_now(session)
    await record(
        session,
        actor,
        "allocation.release_requested",
        "allocation",
        allocation.id,
        before=WantedRecord(state=allocation.state.value, wanted=allocation.wanted),
        after=WantedRecord(state=allocation.state.value, wanted="gone"),
        organization_id=allocation.organization_id,
    )
    if allocation.state is _S.QUEUED:
        await _cancel_untouched(session, actor, allocation)
        return
    wish = {"wanted": "gone", "suspended_for": None, "release_requested_at": now}
    await records.want(session, allocation.id, **wish)
    reason = "cancelled" if allocation.state is _S.PROVISIONING else "asked for"
    await move(session, actor, allocation.id, _S.RELEASING, reason=reason)
    await operations.start(session, allocation.id, allocation.organization_id, "release")
    if allocation.started_at is not None:
        await meters.stop(session, allocation.id, now)


async def _cancel_untouched(session: Session, actor: Actor, allocation: Allocation) -> None:
    """No worker has begun, so the node knows nothing of it: money and capacity go back at once."""
    await records.rest(session, allocation.id, wanted="gone", release_requested_at=await database_now(session))
    await settle(session, allocation)
    await move(session, actor, allocation.id, _S.RELEASED, reason="cancelled before it was begun")
    operation = await operations.running(session, allocation.id, allocation.organization_id)
    if operation is not None:
        await operations.end(session, operation, OperationState.CANCELLED)
    await claims.free(session, allocation.id)
