"""Drains: a node is emptied until a deadline; the layers above tell its customers, and suspend what is left then."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select, update

from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.ids import new_id
from sublet.core.outbox import publish
from sublet.fleet.events import NodeDrainBegun, NodeDrainDue
from sublet.fleet.models import node_drain

AT_ONCE = 50
_OPEN = node_drain.c.ended_at.is_(None)


@dataclass(frozen=True, slots=True)
class Drain:
    """One time that a node is emptied: why, until when, and what each allocation is credited that it suspends."""

    id: str
    node_id: str
    reason: str
    begun_by: str
    begun_at: datetime
    deadline_at: datetime
    credit_seconds: int


_COLUMNS = [node_drain.c[name] for name in Drain.__dataclass_fields__]


async def begin(
    session: Session, actor: Actor, node_id: str, *, reason: str, deadline_seconds: int, credit_seconds: int
) -> Drain:
    """Begin to empty a node whose row is locked, and tell it."""
    drain_id = new_id("drn")
    await session.execute(
        insert(node_drain).values(
            id=drain_id,
            node_id=node_id,
            reason=reason,
            begun_by=actor.shown_as,
            deadline_at=func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, deadline_seconds),
            credit_seconds=credit_seconds,
        )
    )
    begun = await of(session, drain_id)
    assert begun is not None  # it was just written
    event = NodeDrainBegun(node_id=node_id, drain_id=drain_id, reason=reason, deadline_at=begun.deadline_at)
    await publish(session, event, subject=node_id, organization_id=None)
    return begun


async def of(session: Session, drain_id: str) -> Drain | None:
    """One drain that has not ended; None for one that has."""
    row = (await session.execute(select(*_COLUMNS).where(node_drain.c.id == drain_id, _OPEN))).one_or_none()
    return None if row is None else Drain(*row)


async def open_on(session: Session, node_ids: list[str]) -> dict[str, Drain]:
    """The drains that go on, by node."""
    rows = await session.execute(select(*_COLUMNS).where(node_drain.c.node_id.in_(node_ids), _OPEN))
    return {row.node_id: Drain(*row) for row in rows}


async def end(session: Session, node_id: str) -> None:
    """End the drain of a node, if one goes on."""
    ended = update(node_drain).where(node_drain.c.node_id == node_id, _OPEN)
    await session.execute(ended.values(ended_at=func.clock_timestamp()))


async def tell_due(session: Session) -> int:
    """Tell of each drain whose deadline has passed, once; returns of how many."""
    due = (
        select(node_drain.c.id, node_drain.c.node_id)
        .where(_OPEN, node_drain.c.due_told_at.is_(None), node_drain.c.deadline_at <= func.clock_timestamp())
        .order_by(node_drain.c.deadline_at)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    found = (await session.execute(due)).all()
    for row in found:
        told = update(node_drain).where(node_drain.c.id == row.id).values(due_told_at=func.clock_timestamp())
        await session.execute(told)
        event = NodeDrainDue(node_id=row.node_id, drain_id=row.id)
        await publish(session, event, subject=row.node_id, organization_id=None)
    return len(found)
