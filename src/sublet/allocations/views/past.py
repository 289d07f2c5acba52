"""What was done to an allocation: its operations, and every change of its state."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, select

from sublet.allocations import startup as scripts
from sublet.allocations.models import allocation, history, operation, startup
from sublet.allocations.schemas import StartupOut, StartupOutputOut
from sublet.core.db import Session
from sublet.core.errors import NotFound


async def operations_of(session: Session, allocation_id: str, *, before: int | None, limit: int) -> Sequence[Any]:
    """Up to `limit` of its operations below a sequence number, newest first."""
    statement = select(operation).where(operation.c.allocation_id == allocation_id)
    if before is not None:
        statement = statement.where(operation.c.seq < before)
    return (await session.execute(statement.order_by(operation.c.seq.desc()).limit(limit))).all()


async def changes_of(session: Session, allocation_id: str, *, after: int | None, limit: int) -> Sequence[Any]:
    """Up to `limit` of its changes of state behind a number, oldest first."""
    named: list[ColumnElement[Any]] = [history.c.from_state.label("from"), history.c.to_state.label("to")]
    statement = select(
        *named, history.c.id, history.c.reason, history.c.incident, history.c.code, history.c.actor, history.c.at
    )
    statement = statement.where(history.c.allocation_id == allocation_id, history.c.id > (after or 0))
    return (await session.execute(statement.order_by(history.c.id).limit(limit))).all()


async def startup_of(session: Session, allocation_id: str) -> StartupOutputOut:
    """How its startup script fared, with its output; NotFound if it has none."""
    row = (await session.execute(select(startup).where(startup.c.allocation_id == allocation_id))).one_or_none()
    if row is None:
        raise NotFound("startup script of", allocation_id)
    short = startup_out(row)
    return StartupOutputOut(**short.model_dump(), output=row.output, seen_at=row.seen_at)


async def startup_in_short(session: Session, allocation_id: str) -> StartupOut | None:
    """How its startup script fared; None if it has none."""
    columns = [column for column in startup.c if column.name not in ("output", "encrypted")]
    row = (await session.execute(select(*columns).where(startup.c.allocation_id == allocation_id))).one_or_none()
    return None if row is None else startup_out(row)


def startup_out(row: Any) -> StartupOut:
    """As it is shown."""
    return StartupOut(
        state=scripts.state_of(row),
        ended_by=row.ended_by,
        exit_code=row.exit_code,
        signal=row.signal,
        detail=row.detail,
        script_bytes=row.script_bytes,
        output_bytes=row.output_bytes,
        began_at=row.began_at,
        ended_at=row.ended_at,
    )


async def launched(session: Session, allocation_ids: Collection[str]) -> Sequence[Row[Any]]:
    """These of the allocations, in the order in which they were launched."""
    wanted = select(allocation).where(allocation.c.id.in_(allocation_ids)).order_by(allocation.c.seq)
    return (await session.execute(wanted)).all()


async def steps(session: Session, allocation_id: str, *, limit: int) -> Sequence[Row[Any]]:
    """The newest lines of an allocation's history, in the order in which they happened."""
    newest = select(history).where(history.c.allocation_id == allocation_id).order_by(history.c.id.desc()).limit(limit)
    return (await session.execute(newest)).all()[::-1]
