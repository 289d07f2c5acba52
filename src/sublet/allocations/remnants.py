"""What launches may have left on nodes when they went to others, until it is proven to be gone."""

from datetime import datetime

from sqlalchemy import insert, or_, select

from sublet.allocations.models import remnant
from sublet.allocations.rows import Allocation
from sublet.core.db import Session
from sublet.core.ids import new_id
from sublet.core.work import leases

WORK = "remnant"


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
    await leases.make_due(session, WORK, remnant_id, place=allocation.node_id)


async def nodes_left(session: Session, allocation_id: str) -> set[str]:
    """The nodes that a launch has gone away from."""
    found = await session.execute(select(remnant.c.node_id).where(remnant.c.allocation_id == allocation_id))
    return set(found.scalars())


async def seen_on(session: Session, node_id: str, seen_at: datetime) -> set[str]:
    """The allocations of which something may have been on the node at that time, though they are elsewhere now."""
    found = await session.execute(
        select(remnant.c.allocation_id).where(
            remnant.c.node_id == node_id, or_(remnant.c.cleaned_at.is_(None), remnant.c.cleaned_at > seen_at)
        )
    )
    return set(found.scalars())
