"""Events that a handler kept refusing and that were set aside: seen by operators, and handed out again when asked."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from sublet.core.db import Session
from sublet.core.errors import NotFound
from sublet.core.outbox import parse_cursor
from sublet.core.work import leases
from sublet.core.work.delivery import EVENT


@dataclass(frozen=True, slots=True)
class SetAsideEvent:
    """An event that nobody tries any more, by its id in the stream; `last_error` is the kind of the last failure."""

    event_id: str
    event_type: str
    subject: str
    attempts: int
    last_error: str
    failed_at: datetime

    def __str__(self) -> str:
        return f"{self.event_type} {self.event_id} failed {self.attempts} times, last with {self.last_error}"


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of asking for an event again: whether it had been set aside, and whether it waits to be handled now."""

    event_type: str
    subject: str
    changed: bool
    waiting: bool


_PAGE = text(
    """
    SELECT w.id AS event_id, e.type AS event_type, e.subject, w.attempts, w.last_error, w.failed_at
      FROM work w JOIN outbox_event e ON e.id = CAST(split_part(w.id, '-', 2) AS bigint)
     WHERE w.kind = 'event' AND w.set_aside_at IS NOT NULL AND (e.xid, e.id) > (CAST(:xid AS xid8), :id)
     ORDER BY e.xid, e.id LIMIT :limit
    """
)
_FIND = text(
    """
    SELECT e.type, e.subject, w.id IS NOT NULL AS known, w.set_aside_at IS NOT NULL AS set_aside
      FROM outbox_event e LEFT JOIN work w ON w.kind = 'event' AND w.id = :event_id
     WHERE e.xid = CAST(:xid AS xid8) AND e.id = :id
    """
)


async def page(session: Session, *, after: tuple[int, int] | None = None, limit: int = 100) -> list[SetAsideEvent]:
    """Events that were set aside, in the order in which they happened."""
    xid, number = after or (0, 0)
    rows = await session.execute(_PAGE, {"xid": str(xid), "id": number, "limit": limit})
    return [_set_aside(row) for row in rows]


async def replay(session: Session, event_id: str) -> Replay:
    """Let an event that was set aside be handled again, with as many attempts as a new one. NotFound.

    One that waits its turn or was handled stays as it is, so that repeating this is harmless. Later events of its
    subject may have been handled before it.
    """
    place = parse_cursor(event_id)
    if place is None:
        raise NotFound("event", event_id)
    event_id = f"{place[0]}-{place[1]}"  # as it is stored: zeros in front say nothing
    found = await session.execute(_FIND, {"event_id": event_id, "xid": str(place[0]), "id": place[1]})
    event = found.one_or_none()
    if event is None:
        raise NotFound("event", event_id)
    if event.set_aside:
        await leases.overtake(session, EVENT, event_id, place=event.subject)
    return Replay(event.type, event.subject, changed=event.set_aside, waiting=event.known)


def _set_aside(row: Row[*tuple[Any, ...]]) -> SetAsideEvent:
    return SetAsideEvent(row.event_id, row.event_type, row.subject, row.attempts, row.last_error, row.failed_at)
