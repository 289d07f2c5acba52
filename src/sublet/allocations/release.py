"""Asking for an allocation's release, in whatever state it is. Billing ends here, at the request."""

from sublet.allocations import actions, endings, operations, rows
from sublet.allocations.actions import Situation
from sublet.allocations.audit import WantedRecord
from sublet.allocations.rows import Allocation
from sublet.allocations.states import AllocationState, OperationState, move
from sublet.allocations.work.removal import give_back
from sublet.audit.record import record
from sublet.billing import meters
from sublet.core.actors import Actor
from sublet.core.clock import database_now
from sublet.core.db import Session

_S = AllocationState


async def request_release(session: Session, actor: Actor, id_or_name: str) -> str:
    """Release an allocation of the actor's organization, or cancel its set-up; returns its id.

    StateForbids for one that has ended, and if it is being released already.
    """
    allocation = await rows.lock_of(session, actor, id_or_name)
    refusal = actions.why_not_release(Situation.of(allocation))
    if refusal is not None and actions.why_not_cancel(Situation.of(allocation)) is not None:
        raise refusal.problem
    await _release(session, actor, allocation)
    return allocation.id


async def release_lost(session: Session, actor: Actor, allocation: Allocation) -> None:
    """Release what was lost for longer than its operator lets anything come back; the row is locked by the caller."""
    reason = "its node answers again, and it was lost for longer than the operator lets anything come back"
    await _release(session, actor, allocation, reason=reason)


async def release_unpaid(session: Session, actor: Actor, allocation: Allocation) -> None:
    """Release what was suspended for as long as data are kept without money; the row is locked by the caller."""
    await _release(session, actor, allocation, reason="nobody paid for it for as long as data are kept")


async def give_up_lost(session: Session, actor: Actor, allocation: Allocation) -> None:
    """Release what is lost because another takes its place; the row is locked by the caller."""
    await _release(session, actor, allocation, act="allocation.restarted_elsewhere", reason="restarted elsewhere")


async def _release(
    session: Session,
    actor: Actor,
    allocation: Allocation,
    *,
    act: str = "allocation.release_requested",
    reason: str = "asked for",
) -> None:
    now = await database_now(session)
    await record(
        session,
        actor,
        act,
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
    await rows.want(session, allocation.id, **wish)
    because = "cancelled" if allocation.state is _S.PROVISIONING else reason
    await move(session, actor, allocation.id, _S.RELEASING, reason=because)
    await operations.start(session, allocation.id, allocation.organization_id, "release")
    if allocation.started_at is not None:
        await meters.stop(session, allocation.id, now)


async def _cancel_untouched(session: Session, actor: Actor, allocation: Allocation) -> None:
    """No worker has begun, so the node knows nothing of it: money and capacity go back at once."""
    await rows.rest(session, allocation.id, wanted="gone", release_requested_at=await database_now(session))
    await give_back(session, allocation)
    await endings.forget(session, allocation)
    await move(session, actor, allocation.id, _S.RELEASED, reason="cancelled before it was begun")
    operation = await operations.running(session, allocation.id, allocation.organization_id)
    if operation is not None:
        await operations.end(session, operation, OperationState.CANCELLED)
