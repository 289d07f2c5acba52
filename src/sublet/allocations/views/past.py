"""What was done to an allocation: its operations, and every change of its state."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, select

from sublet.allocations.models import history, operation
from sublet.core.db import Session


async def operations_of(session: Session, allocation_id: str, *, before: int | None, limit: int) -> Sequence[Any]:
    """Up to `limit` of its operations below a sequence number, newest first."""
    statement = select(operation).where(operation.c.allocation_id == allocation_id)
    if before is not None:
        statement = statement.where(operation.c.seq < before)
    return (await session.execute(statement.order_by(operation.c.seq.desc()).limit(limit))).all()


async def changes_of(session: Session, allocation_id: str, *, after: int | None, limit: int) -> Sequence[Any]:
    """Up to `limit` of its changes of state behind a number, oldest first."""
    named: list[ColumnElement[Any]] = [history.c.from_state.label("from"), history.c.to_state.label("to")]
    statement = select(*named, history.c.id, history.c.reason, history.c.incident, history.c.actor, history.c.at).where(
        history.c.allocation_id == allocation_id, history.c.id > (after or 0)
    )
    return (await session.execute(statement.order_by(history.c.id).limit(limit))).all()
