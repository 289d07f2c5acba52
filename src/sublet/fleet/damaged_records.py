"""Records on nodes that cannot be read: each one finding, whatever else is on the node."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update

from sublet.core.db import Session
from sublet.fleet.backend import UnreadableRecord
from sublet.fleet.models import node
from sublet.fleet.states import HAS_MACHINE


@dataclass(frozen=True, slots=True)
class DamagedRecord:
    """What a node knows of an allocation and cannot read."""

    node_name: str
    allocation_id: str
    detail: str
    since: datetime

    def __str__(self) -> str:
        return (
            f"node {self.node_name} cannot read what it knows of it, since {self.since.isoformat(timespec='seconds')}: "
            f"{self.detail} Nothing is changed there, and its time is not billed, until that is mended"
        )


async def note_unreadable(session: Session, node_id: str, found: Sequence[UnreadableRecord], seen_at: datetime) -> None:
    """Keep which records on a node cannot be read; each since that was first seen without a break."""
    kept = (await session.execute(select(node.c.unreadable).where(node.c.id == node_id))).scalar_one()
    since = {item["allocation"]: item["since"] for item in kept}
    at = seen_at.isoformat()
    wanted = [
        {"allocation": one.allocation_id, "detail": one.detail, "since": since.get(one.allocation_id, at)}
        for one in found
    ]
    if wanted != kept:
        await session.execute(update(node).where(node.c.id == node_id).values(unreadable=wanted))


async def damaged_records(session: Session) -> list[DamagedRecord]:
    """Every record on a node that cannot be read."""
    rows = await session.execute(
        select(node.c.name, node.c.unreadable)
        .where(HAS_MACHINE, func.jsonb_array_length(node.c.unreadable) > 0)
        .order_by(node.c.name)
    )
    return [
        DamagedRecord(row.name, item["allocation"], item["detail"], datetime.fromisoformat(item["since"]))
        for row in rows
        for item in row.unreadable
    ]
