"""States of nodes and GPUs: the tables of transitions, and the only functions that change a state."""

from enum import StrEnum

from sqlalchemy import and_, insert, select, update

from sublet.core.access import Actor
from sublet.core.db import Session
from sublet.core.errors import Conflict, NotFound
from sublet.core.outbox import publish
from sublet.fleet.events import NodeEnrolled, NodeStateChanged
from sublet.fleet.models import gpu, node, node_history


class NodeState(StrEnum):
    """Where a node stands."""

    ENROLLING = "enrolling"
    READY = "ready"
    CORDONED = "cordoned"
    # These three wait for the life of nodes: emptying one, working on it, keeping a faulty one apart.
    DRAINING = "draining"
    MAINTENANCE = "maintenance"
    QUARANTINED = "quarantined"
    OFFLINE = "offline"


class GpuState(StrEnum):
    """Whether a GPU can be given to somebody."""

    AVAILABLE = "available"
    QUARANTINED = "quarantined"
    MISSING = "missing"


_S = NodeState
TRANSITIONS: dict[NodeState, frozenset[NodeState]] = {
    _S.ENROLLING: frozenset({_S.READY, _S.CORDONED, _S.DRAINING, _S.MAINTENANCE, _S.QUARANTINED, _S.OFFLINE}),
    _S.READY: frozenset({_S.CORDONED, _S.DRAINING, _S.MAINTENANCE, _S.QUARANTINED, _S.OFFLINE, _S.ENROLLING}),
    _S.CORDONED: frozenset({_S.READY, _S.DRAINING, _S.MAINTENANCE, _S.QUARANTINED, _S.OFFLINE, _S.ENROLLING}),
    _S.DRAINING: frozenset({_S.READY, _S.CORDONED, _S.MAINTENANCE, _S.QUARANTINED, _S.OFFLINE, _S.ENROLLING}),
    _S.MAINTENANCE: frozenset({_S.READY, _S.CORDONED, _S.QUARANTINED, _S.OFFLINE, _S.ENROLLING}),
    _S.QUARANTINED: frozenset({_S.READY, _S.CORDONED, _S.MAINTENANCE, _S.OFFLINE, _S.ENROLLING}),
    _S.OFFLINE: frozenset({_S.READY, _S.CORDONED, _S.DRAINING, _S.MAINTENANCE, _S.QUARANTINED, _S.ENROLLING}),
}
"""Every change that a node's state may make."""

GPU_TRANSITIONS: dict[GpuState, frozenset[GpuState]] = {
    GpuState.AVAILABLE: frozenset({GpuState.QUARANTINED, GpuState.MISSING}),
    GpuState.QUARANTINED: frozenset({GpuState.AVAILABLE}),
    GpuState.MISSING: frozenset({GpuState.AVAILABLE, GpuState.QUARANTINED}),
}
"""A quarantined GPU that goes missing stays quarantined: only an operator or a clean check ends a quarantine."""

AWAY = frozenset({NodeState.ENROLLING, NodeState.OFFLINE})
"""States of a node that cannot be reached; what it was before is kept in `resumes_as`."""


async def move(session: Session, actor: Actor, node_id: str, to: NodeState, *, reason: str) -> NodeState:
    """Change a node's state, write its history and publish the event; returns the previous state.

    Conflict if the table does not allow the change. Going away remembers what the node was.
    """
    row = (
        await session.execute(
            select(node.c.name, node.c.state).where(node.c.id == node_id).with_for_update(key_share=True)
        )
    ).one_or_none()
    if row is None:
        raise NotFound("node", node_id)
    previous = NodeState(row.state)
    if to not in TRANSITIONS[previous]:
        raise Conflict(f"The node {row.name} is {previous.value} and cannot become {to.value}. Nothing was changed.")
    values = {"state": to.value}
    if to in AWAY and previous not in AWAY:
        values["resumes_as"] = previous.value
    await session.execute(update(node).where(and_(node.c.id == node_id, node.c.state == previous.value)).values(values))
    await _record(session, actor, node_id, previous=previous, to=to, reason=reason)
    await publish(
        session,
        NodeStateChanged(node_id=node_id, name=row.name, state=to.value, previous_state=previous.value, reason=reason),
        subject=node_id,
        organization_id=None,
    )
    if previous is NodeState.ENROLLING and to is not NodeState.OFFLINE:
        event = NodeEnrolled(node_id=node_id, name=row.name, state=to.value)
        await publish(session, event, subject=node_id, organization_id=None)
    return previous


async def come_back(session: Session, actor: Actor, node_id: str, *, reason: str) -> None:
    """Give a node that was away the state it had before; nothing happens to one that is not away."""
    row = (
        await session.execute(
            select(node.c.state, node.c.resumes_as).where(node.c.id == node_id).with_for_update(key_share=True)
        )
    ).one()
    if NodeState(row.state) in AWAY:
        await move(session, actor, node_id, NodeState(row.resumes_as), reason=reason)


async def cordon(session: Session, actor: Actor, node_id: str, *, reason: str) -> None:
    """Let nothing new onto a node; one that is away comes back cordoned. Repeating it is harmless."""
    await _set_intent(session, actor, node_id, before=NodeState.READY, after=NodeState.CORDONED, reason=reason)


async def uncordon(session: Session, actor: Actor, node_id: str, *, reason: str) -> None:
    """Undo `cordon`. Repeating it is harmless."""
    await _set_intent(session, actor, node_id, before=NodeState.CORDONED, after=NodeState.READY, reason=reason)


async def _set_intent(
    session: Session, actor: Actor, node_id: str, *, before: NodeState, after: NodeState, reason: str
) -> None:
    row = (
        await session.execute(
            select(node.c.name, node.c.state, node.c.resumes_as)
            .where(node.c.id == node_id)
            .with_for_update(key_share=True)
        )
    ).one_or_none()
    if row is None:
        raise NotFound("node", node_id)
    away = NodeState(row.state) in AWAY
    standing = NodeState(row.resumes_as if away else row.state)
    if standing is after:
        return
    if standing is not before:
        raise Conflict(
            f"The node {row.name} is {standing.value}; only a node that is {before.value} can become {after.value}. "
            "Nothing was changed."
        )
    if not away:
        await move(session, actor, node_id, after, reason=reason)
        return
    await session.execute(update(node).where(node.c.id == node_id).values(resumes_as=after.value))
    state = NodeState(row.state)
    await _record(session, actor, node_id, previous=state, to=state, reason=f"{reason} (once it is back)")


async def move_gpu(session: Session, uuid: str, to: GpuState) -> bool:
    """Change a GPU's state if the table allows it; False if it does not or nothing changes."""
    sources = [state.value for state, targets in GPU_TRANSITIONS.items() if to in targets]
    changed = await session.execute(
        update(gpu).where(and_(gpu.c.uuid == uuid, gpu.c.state.in_(sources))).values(state=to.value)
    )
    return changed.rowcount == 1


async def _record(
    session: Session, actor: Actor, node_id: str, *, previous: NodeState, to: NodeState, reason: str
) -> None:
    await session.execute(
        insert(node_history).values(
            node_id=node_id, from_state=previous.value, to_state=to.value, reason=reason, actor=actor.shown_as
        )
    )
