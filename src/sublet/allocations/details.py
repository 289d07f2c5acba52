"""The lists that belong to one allocation: its operations and its history."""

from typing import Any

from sqlalchemy import select, text

from sublet.allocations.listed import OPERATION
from sublet.allocations.models import allocation, history
from sublet.allocations.records import scoped
from sublet.allocations.shown import NEWEST
from sublet.core.access import Actor
from sublet.core.db import Session
from sublet.core.errors import NotFound

_OPERATIONS = text(
    f"""
    SELECT o.seq, {OPERATION} AS shown FROM allocation_operation o
     WHERE o.allocation_id = :allocation_id AND o.seq < :before
     ORDER BY o.seq DESC LIMIT :limit
    """  # noqa: S608 - only constant expressions
)


async def id_of(session: Session, actor: Actor, id_or_name: str) -> str:
    """The id of an allocation of the actor's organization; NotFound."""
    statement = scoped(select(allocation.c.id), actor.organization, id_or_name)
    found: str | None = (await session.execute(statement)).scalar_one_or_none()
    if found is None:
        raise NotFound("allocation", id_or_name)
    return found


async def operations_of(
    session: Session, allocation_id: str, *, before: int | None, limit: int
) -> list[tuple[int, dict[str, Any]]]:
    """Up to `limit` of its operations below a sequence number, newest first, each with its own."""
    parameters = {"allocation_id": allocation_id, "before": NEWEST if before is None else before, "limit": limit}
    return [(row.seq, row.shown) for row in await session.execute(_OPERATIONS, parameters)]


async def history_of(
    session: Session, allocation_id: str, *, after: int | None, limit: int
) -> list[tuple[int, dict[str, Any]]]:
    """Up to `limit` of its changes of state behind a number, oldest first, each with its own."""
    rows = await session.execute(
        select(history)
        .where(history.c.allocation_id == allocation_id, history.c.id > (after or 0))
        .order_by(history.c.id)
        .limit(limit)
    )
    return [
        (row.id, {"from": row.from_state, "to": row.to_state, "reason": row.reason, "actor": row.actor, "at": row.at})
        for row in rows
    ]
