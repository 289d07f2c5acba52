"""States of nodes and GPUs: the tables of transitions, and the only functions that change a state."""

from collections.abc import Callable
from enum import StrEnum

from sqlalchemy import and_, insert, select, update

from sublet.core.actions import Refusal
from sublet.core.actors import Actor
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
    """Give a node that was away and answers the state it had before; nothing happens to one that is not away.

    One that nobody has come in to since it joined goes on enrolling.
    """
    columns = (node.c.state, node.c.resumes_as, node.c.entered_at)
    row = (await session.execute(select(*columns).where(node.c.id == node_id).with_for_update(key_share=True))).one()
    state = NodeState(row.state)
    to = NodeState.ENROLLING if row.entered_at is None else NodeState(row.resumes_as)
    if state in AWAY and to is not state:
        await move(session, actor, node_id, to, reason=reason)


def standing_of(state: NodeState, resumes_as: NodeState) -> NodeState:
    """Where a node stands for its operators: one that is away stands where it will when it is back."""
    return resumes_as if state in AWAY else state


def why_not_cordon(standing: NodeState) -> Refusal | None:
    """Only a node that takes new work can be kept from it."""
    return _why_not(standing, before=NodeState.READY, after=NodeState.CORDONED)


def why_not_uncordon(standing: NodeState) -> Refusal | None:
    """Only a node that was cordoned can be opened."""
    return _why_not(standing, before=NodeState.CORDONED, after=NodeState.READY)


def why_not_clear(state: GpuState) -> Refusal | None:
    """Only a GPU in quarantine can be vouched for."""
    if state is GpuState.MISSING:
        return Refusal(
            Conflict,
            "The GPU is missing: its node did not list it when last asked.",
            "Put it back or see to its driver, then let the node join again.",
        )
    return None if state is GpuState.QUARANTINED else Refusal(Conflict, "The GPU is not in quarantine.")


async def cordon(session: Session, actor: Actor, node_id: str, *, reason: str) -> None:
    """Let nothing new onto a node; one that is away comes back cordoned. Conflict: see `why_not_cordon`."""
    await _set_intent(session, actor, node_id, why_not_cordon, to=NodeState.CORDONED, reason=reason)


async def uncordon(session: Session, actor: Actor, node_id: str, *, reason: str) -> None:
    """Undo `cordon`. Conflict: see `why_not_uncordon`."""
    await _set_intent(session, actor, node_id, why_not_uncordon, to=NodeState.READY, reason=reason)


def _why_not(standing: NodeState, *, before: NodeState, after: NodeState) -> Refusal | None:
    if standing is before:
        return None
    if standing is after:
        return Refusal(Conflict, f"The node is {after.value} already.")
    return Refusal(
        Conflict, f"The node is {standing.value}; only a node that is {before.value} can become {after.value}."
    )


async def _set_intent(
    session: Session,
    actor: Actor,
    node_id: str,
    why_not: Callable[[NodeState], Refusal | None],
    *,
    to: NodeState,
    reason: str,
) -> None:
    row = (
        await session.execute(
            select(node.c.state, node.c.resumes_as).where(node.c.id == node_id).with_for_update(key_share=True)
        )
    ).one_or_none()
    if row is None:
        raise NotFound("node", node_id)
    state = NodeState(row.state)
    if refusal := why_not(standing_of(state, NodeState(row.resumes_as))):
        raise refusal.problem
    if state not in AWAY:
        await move(session, actor, node_id, to, reason=reason)
        return
    await session.execute(update(node).where(node.c.id == node_id).values(resumes_as=to.value))
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
