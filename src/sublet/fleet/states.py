"""States of nodes and GPUs: the tables of transitions, and the only functions that change a state."""

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
    DRAINING = "draining"
    MAINTENANCE = "maintenance"
    QUARANTINED = "quarantined"
    OFFLINE = "offline"
    RETIRED = "retired"


class GpuState(StrEnum):
    """Whether a GPU can be given to somebody."""

    AVAILABLE = "available"
    QUARANTINED = "quarantined"
    MISSING = "missing"


_S = NodeState
_BACK = frozenset({_S.READY, _S.CORDONED, _S.DRAINING, _S.MAINTENANCE, _S.QUARANTINED})
_AWAY = frozenset({_S.OFFLINE, _S.ENROLLING})
TRANSITIONS: dict[NodeState, frozenset[NodeState]] = {
    _S.ENROLLING: _BACK | {_S.OFFLINE, _S.RETIRED},
    _S.READY: _AWAY | {_S.CORDONED, _S.DRAINING, _S.MAINTENANCE, _S.QUARANTINED},
    _S.CORDONED: _AWAY | {_S.READY, _S.DRAINING, _S.MAINTENANCE, _S.QUARANTINED, _S.RETIRED},
    _S.DRAINING: _AWAY | {_S.CORDONED, _S.MAINTENANCE, _S.QUARANTINED, _S.RETIRED},
    _S.MAINTENANCE: _AWAY | {_S.READY, _S.QUARANTINED, _S.RETIRED},
    _S.QUARANTINED: _AWAY | {_S.READY, _S.MAINTENANCE, _S.RETIRED},
    _S.OFFLINE: _BACK | {_S.ENROLLING, _S.RETIRED},
    _S.RETIRED: frozenset(),
}
"""Every change that a node's state may make."""

GPU_TRANSITIONS: dict[GpuState, frozenset[GpuState]] = {
    GpuState.AVAILABLE: frozenset({GpuState.QUARANTINED, GpuState.MISSING}),
    GpuState.QUARANTINED: frozenset({GpuState.AVAILABLE}),
    GpuState.MISSING: frozenset({GpuState.AVAILABLE, GpuState.QUARANTINED}),
}
"""A quarantined GPU that goes missing stays quarantined: only an operator or a clean check ends a quarantine."""

AWAY = _AWAY
"""States of a node that cannot be reached; what it was before is kept in `resumes_as`."""

NOT_THERE = AWAY | {NodeState.RETIRED}
"""In these nothing can be asked of a machine: it does not answer, or is none of ours any more."""

IN_FLEET = and_(node.c.removed_at.is_(None), node.c.state != NodeState.RETIRED.value)
"""Which rows are nodes: one that was retired or removed only stays on record."""

HAS_MACHINE = and_(IN_FLEET, node.c.host_public_key.is_not(None))
"""Which nodes a machine is: what was found on one that has left is nobody's matter any more."""

TAKES_PART = frozenset({NodeState.READY, NodeState.CORDONED})
"""Where a node stands on which customers' work runs and is resumed, whether it takes anything new or not."""

OUT_OF_USE = frozenset({NodeState.MAINTENANCE, NodeState.QUARANTINED})
"""States that a node leaves for customers only once it has passed a test of itself since it came into them."""


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
    values: dict[str, str | None] = {"state": to.value}
    if to in OUT_OF_USE and previous not in AWAY:
        values["self_tested_at"] = None
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


async def standing(session: Session, node_id: str) -> NodeState:
    """Where a node stands for its operators, also while it is away. NotFound."""
    found = select(node.c.state, node.c.resumes_as).where(node.c.id == node_id)
    row = (await session.execute(found)).one_or_none()
    if row is None:
        raise NotFound("node", node_id)
    return standing_of(NodeState(row.state), NodeState(row.resumes_as))


def why_not_join(state: NodeState) -> Refusal | None:
    """Only a node that is retired cannot be joined any more, be moved to another place, or give ports."""
    return Refusal(Conflict, "The node is retired.", "Add it anew.") if state is NodeState.RETIRED else None


def why_not_clear(state: GpuState) -> Refusal | None:
    """Only a GPU in quarantine can be vouched for."""
    if state is GpuState.MISSING:
        return Refusal(
            Conflict,
            "The GPU is missing: its node did not list it when last asked.",
            "Put it back or see to its driver, then let the node join again.",
        )
    return None if state is GpuState.QUARANTINED else Refusal(Conflict, "The GPU is not in quarantine.")


async def stand(session: Session, actor: Actor, node_id: str, to: NodeState, *, reason: str) -> None:
    """Change where a locked node stands for its operators; one that is away comes back so."""
    row = (await session.execute(select(node.c.state).where(node.c.id == node_id))).one()
    state = NodeState(row.state)
    if state not in AWAY:
        await move(session, actor, node_id, to, reason=reason)
        return
    values: dict[str, str | None] = {"resumes_as": to.value}
    if to in OUT_OF_USE:
        values["self_tested_at"] = None
    await session.execute(update(node).where(node.c.id == node_id).values(values))
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
