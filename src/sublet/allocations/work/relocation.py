"""Taking a launch to another node when its own cannot be used: one allocation, one hold, nothing left unproven."""

from sublet.allocations import operations, remnants, rows
from sublet.allocations.rows import Allocation
from sublet.allocations.states import remark
from sublet.allocations.work.failures import Report
from sublet.allocations.work.pace import AllocationPace, Failure, classify
from sublet.catalog import skus
from sublet.core import telemetry
from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.errors import SubletError
from sublet.core.work import leases
from sublet.fleet import nodes
from sublet.fleet.errors import NodeUnreachable, StaleGeneration
from sublet.scheduling import claims

log = telemetry.get_logger(__name__)

MOST_NODES = 3
"""A launch is tried on so many nodes before it fails."""
MOST_REMNANTS = 8
"""What an organization may have left on nodes at a time: its launches stay where they are from then on, so that nobody
blocks a whole fleet by launching on nodes that are going down."""

_DETAIL = "Moved to another node, because the one before could not be used."


class _NoOtherNode(Exception):
    """The launch fits on no node that it was not tried on."""


async def is_due(
    session: Session, allocation: Allocation, error: SubletError, attempt: int, pace: AllocationPace
) -> bool:
    """Whether a launch that failed so goes elsewhere: at once where the node cannot do it, or was not reached and has
    not been seen for a while either; after a few attempts where that may change. Nothing that a customer asks for
    makes a node refuse, so any refusal is the node's; only that it goes by a newer generation says nothing against it:
    the next attempt has one that is newer still."""
    if isinstance(error, StaleGeneration):
        return False
    enough = min(pace.attempts_before_another_node, pace.provision_attempts)
    if classify(error) is not Failure.RETRYABLE or attempt >= enough:
        return True
    return isinstance(error, NodeUnreachable) and not await nodes.is_fresh(session, allocation.node_id)


async def relocate(
    session: Session,
    actor: Actor,
    allocation: Allocation,
    because: Report | None = None,
    *,
    step: str | None = None,
) -> bool:
    """Place a launch on another node, due at once; False where it fits on none or was tried on enough of them.

    The caller has the allocation locked. What may exist on the node that it leaves stays claimed there, and is cleaned
    by work of its own: with a newer generation, so that a late answer to what was asked before changes nothing.
    """
    tried = {allocation.node_id, *await remnants.nodes_left(session, allocation.id)}
    if len(tried) >= MOST_NODES:
        return False
    if await remnants.count_open(session, allocation.organization_id) >= MOST_REMNANTS:
        return False
    left, generation = remnants.new_remnant_id(), allocation.generation + 1
    moved = await _claim_elsewhere(session, allocation, left, tried)
    if moved is None:
        return False
    await remnants.leave(session, left, allocation, generation=generation)
    await rows.note(
        session, allocation.id, node_id=moved.node_id, gpus=list(moved.gpus), generation=generation, on_node=False
    )
    code, told = ("another_node", _DETAIL) if because is None else (because.code, because.elsewhere)
    await remark(session, actor, allocation.id, allocation.state, reason=told, code=code)
    operation = await operations.running(session, allocation.id, allocation.organization_id)
    if operation is not None:
        inside = None if because is None else because.inside
        await operations.start_over(session, operation, code, told, step=step, inside=inside)
    log.warning("allocation.moved", allocation=allocation.id, left=allocation.node_id, node=moved.node_id)
    await leases.make_due(session, rows.WORK, allocation.id, place=moved.node_id, tenant=allocation.organization_id)
    return True


async def _claim_elsewhere(session: Session, allocation: Allocation, left: str, tried: set[str]) -> claims.Claim | None:
    """Move the claim. Where that is in vain, the locks on the nodes that were looked at are given back: whoever gives
    up then goes on to the wallet, which everybody locks before any node."""
    sku = await skus.get(session, allocation.sku_id)
    try:
        async with session.begin_nested():
            moved = await claims.move_claim(session, sku, allocation.id, left_to=left, avoid=tried)
            if moved is None:
                raise _NoOtherNode
            return moved
    except _NoOtherNode:
        return None
