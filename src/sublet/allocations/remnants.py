"""What launches may have left on nodes when they went to others, until it is proven to be gone."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, or_, select, text

from sublet.allocations.models import remnant
from sublet.allocations.rows import Allocation
from sublet.core.db import Session
from sublet.core.ids import new_id
from sublet.core.locks import Space, alone
from sublet.core.work import leases

WORK = "remnant"

_COUNT_OPEN = text(
    """
    SELECT count(*) FROM allocation_remnant r JOIN allocation a ON a.id = r.allocation_id
     WHERE r.cleaned_at IS NULL AND a.organization_id = :organization_id
    """
)


def new_remnant_id() -> str:
    """The id of what an allocation leaves on its node."""
    return new_id("rem")


async def leave(session: Session, remnant_id: str, allocation: Allocation, *, generation: int) -> None:
    """Note what may be left of the allocation on its node, and have it cleaned; the capacity is claimed for it."""
    await session.execute(
        insert(remnant).values(
            id=remnant_id,
            allocation_id=allocation.id,
            node_id=allocation.node_id,
            login=allocation.login,
            uid=allocation.uid,
            generation=generation,
        )
    )
    await leases.make_due(session, WORK, remnant_id, place=allocation.node_id, tenant=allocation.organization_id)


async def nodes_left(session: Session, allocation_id: str) -> set[str]:
    """The nodes that a launch has gone away from."""
    found = await session.execute(select(remnant.c.node_id).where(remnant.c.allocation_id == allocation_id))
    return set(found.scalars())


async def count_open(session: Session, organization_id: str) -> int:
    """How many remnants of an organization's launches are not proven to be gone; nobody else leaves one of them until
    the session's transaction ends. Whoever is going to lock a node or the wallet too counts before."""
    await alone(session, Space.REMNANTS, organization_id)
    count: int = (await session.execute(_COUNT_OPEN, {"organization_id": organization_id})).scalar_one()
    return count


async def not_proven_gone(session: Session, *, since_seconds: int) -> Sequence[Any]:
    """Every remnant (id, allocation_id, node_id, left_at) that was left at least so long ago, oldest first."""
    named = (remnant.c.id, remnant.c.allocation_id, remnant.c.node_id, remnant.c.left_at)
    old = remnant.c.left_at <= func.clock_timestamp() - timedelta(seconds=since_seconds)
    statement = select(*named).where(remnant.c.cleaned_at.is_(None), old)
    return (await session.execute(statement.order_by(remnant.c.left_at))).all()


async def open_on(session: Session, node_id: str) -> Sequence[Any]:
    """Every remnant (id, allocation_id, left_at) on a node that is not proven gone."""
    named = select(remnant.c.id, remnant.c.allocation_id, remnant.c.left_at)
    return (await session.execute(named.where(remnant.c.node_id == node_id, remnant.c.cleaned_at.is_(None)))).all()


async def seen_on(session: Session, node_id: str, seen_at: datetime) -> set[str]:
    """The allocations of which something may have been on the node at that time, though they are elsewhere now."""
    found = await session.execute(
        select(remnant.c.allocation_id).where(
            remnant.c.node_id == node_id, or_(remnant.c.cleaned_at.is_(None), remnant.c.cleaned_at > seen_at)
        )
    )
    return set(found.scalars())
