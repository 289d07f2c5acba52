"""Ending what lived on a node that will not return: nobody can look at it, so it is billed to what was last seen."""

from datetime import datetime

from sublet.allocations import credit, endings, operations, residents, rows
from sublet.allocations.events import AllocationGivenUp
from sublet.allocations.rows import Allocation
from sublet.allocations.states import ENDED, KEPT, AllocationState, OperationState, move
from sublet.allocations.work.removal import settle
from sublet.billing import meters
from sublet.billing.policy import Policy
from sublet.core.actors import system_actor
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.outbox import StoredEvent, publish

OPERATOR = system_actor("retirement")
_REASON = "its node will not return"


async def on_node_given_up(session: Session, event: StoredEvent) -> None:
    """Have each allocation ended that lived on the node; handler of `node.given_up`."""
    for one in await residents.living_on(session, [event.subject]):
        if one.organization_id is not None:
            given_up = AllocationGivenUp(allocation_id=one.id, credit_seconds=event.data["credit_seconds"])
            await publish(session, given_up, subject=one.id, organization_id=one.organization_id)


async def on_given_up(session: Session, event: StoredEvent, *, policy: Policy) -> None:
    """End the allocation and credit its owner; handler of `allocation.given_up`, harmless when repeated."""
    allocation = await rows.lock_if_any(session, event.subject)
    if allocation is None or (allocation.state in ENDED and not allocation.on_node):
        return
    await _end(session, allocation, policy=policy)
    if allocation.state in KEPT:
        ended = await rows.lock(session, allocation.id)
        cause, seconds = f"given up:{allocation.node_id}", event.data["credit_seconds"]
        await credit.give(session, OPERATOR, ended, seconds=seconds, at_most=None, cause=cause, because=_REASON)


async def _end(session: Session, allocation: Allocation, *, policy: Policy) -> None:
    now = await database_now(session)
    await rows.rest(session, allocation.id, unproven=True, evidence=_evidence(now))
    if allocation.state is AllocationState.FAILED:
        await endings.forget(session, allocation)
        return
    if allocation.state in KEPT:
        wish = {"wanted": "gone", "suspended_for": None, "release_requested_at": now}
        await rows.rest(session, allocation.id, **wish)
        await meters.stop(session, allocation.id, now)
        await move(session, OPERATOR, allocation.id, AllocationState.RELEASING, reason=_REASON)
    charged = await settle(session, allocation, policy=policy)
    await endings.forget(session, allocation)
    await move(session, OPERATOR, allocation.id, AllocationState.RELEASED, reason=f"{_REASON}: {charged}")
    operation = await operations.running(session, allocation.id, allocation.organization_id)
    if operation is not None:
        await operations.end(session, operation, OperationState.CANCELLED)


def _evidence(now: datetime) -> dict[str, object]:
    """What there is instead of proof."""
    detail = "The node will not return: nobody could look. None of its capacity is given out again."
    return {
        "released_at": now.isoformat(),
        "clean": False,
        "checks": [{"name": "node", "clean": False, "detail": detail}],
    }
