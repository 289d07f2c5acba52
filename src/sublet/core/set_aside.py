"""Events that a handler kept refusing and that were set aside: seen by operators, and handed out again when asked."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from sublet.core.db import Session
from sublet.core.errors import NotFound
from sublet.core.outbox import parse_cursor


@dataclass(frozen=True, slots=True)
class SetAside:
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
    SELECT event_id, event_type, subject, attempts, last_error, failed_at
      FROM outbox_failure
     WHERE parked AND (xid, id) > (CAST(:xid AS xid8), :id)
     ORDER BY xid, id LIMIT :limit
    """
)
_FIND = text(
    """
    SELECT e.type, e.subject,
           EXISTS (SELECT FROM outbox_failure f WHERE f.event_id = :event_id AND NOT f.parked) AS waiting
      FROM outbox_event e WHERE e.xid = CAST(:xid AS xid8) AND e.id = :id
    """
)
_REPLAY = text(
    """
    UPDATE outbox_failure
       SET parked = false, attempts = 0, last_error = NULL, next_attempt_at = clock_timestamp()
     WHERE event_id = :event_id AND parked
    """
)


async def page(session: Session, *, after: tuple[int, int] | None = None, limit: int = 100) -> list[SetAside]:
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
    changed = await session.execute(_REPLAY, {"event_id": event_id})
    found = await session.execute(_FIND, {"event_id": event_id, "xid": str(place[0]), "id": place[1]})
    event = found.one_or_none()
    if event is None:
        raise NotFound("event", event_id)
    return Replay(event.type, event.subject, changed=changed.rowcount > 0, waiting=event.waiting)


def _set_aside(row: Row[*tuple[Any, ...]]) -> SetAside:
    return SetAside(row.event_id, row.event_type, row.subject, row.attempts, row.last_error, row.failed_at)
