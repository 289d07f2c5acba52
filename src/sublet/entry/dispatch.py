"""Delivers outbox events to our own handlers, at least once, by one worker at a time, in order for each subject.

An event whose handler fails is tried again after a while (`outbox_failure`). Later events of its subject wait behind
it; those of other subjects do not. What still fails after many attempts is set aside, and is a finding of
`sublet admin reconcile`; `sublet admin event replay` hands it out again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from opentelemetry.trace import SpanKind
from sqlalchemy import text

from sublet.core import telemetry, tracing
from sublet.core.db import Database, Session
from sublet.core.outbox import StoredEvent, latest_cursor, read_after, read_at

log = telemetry.get_logger(__name__)

Handler = Callable[[Session, StoredEvent], Awaitable[None]]
Handlers = Mapping[str, Sequence[Handler]]

IDLE_SECONDS = 0.25
RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a failing event is tried, and the wait between: doubled each time, capped, and spread by half."""

    attempts: int = 16
    first_seconds: float = 1.0
    longest_seconds: float = 300.0


RETRIES = Retries()
"""About forty minutes, which outlasts a fault that somebody mends."""

_REGISTER = text(
    "INSERT INTO outbox_cursor (subscriber, xid, id) VALUES (:name, CAST(:xid AS xid8), :id) ON CONFLICT DO NOTHING"
)
_LOCK = text("SELECT xid::text AS xid, id FROM outbox_cursor WHERE subscriber = :name FOR UPDATE SKIP LOCKED")
_MOVE = text("UPDATE outbox_cursor SET xid = CAST(:xid AS xid8), id = :id WHERE subscriber = :name")

_WAIT_BEHIND = text(
    """
    INSERT INTO outbox_failure (subscriber, event_id, event_type, subject, xid, id, attempts)
    SELECT :name, :event_id, :event_type, :subject, CAST(:xid AS xid8), :id, 0
     WHERE EXISTS (SELECT FROM outbox_failure WHERE subscriber = :name AND subject = :subject AND NOT parked)
    RETURNING 1
    """
)
_DUE = text(
    """
    SELECT f.xid::text AS xid, f.id FROM outbox_failure f
     WHERE f.subscriber = :name AND NOT f.parked AND f.next_attempt_at <= clock_timestamp()
       AND NOT EXISTS (
         SELECT FROM outbox_failure e
          WHERE e.subscriber = f.subscriber AND e.subject = f.subject AND NOT e.parked AND (e.xid, e.id) < (f.xid, f.id)
       )
     ORDER BY f.xid, f.id
     LIMIT :limit
    """
)
_FAILED = text(
    """
    INSERT INTO outbox_failure AS f
           (subscriber, event_id, event_type, subject, xid, id, attempts, last_error, parked, next_attempt_at)
    VALUES (:name, :event_id, :event_type, :subject, CAST(:xid AS xid8), :id, 1, :error, 1 >= :attempts,
            clock_timestamp() + make_interval(secs => :first_seconds * (0.5 + random())))
    ON CONFLICT (subscriber, event_id) DO UPDATE
       SET attempts = f.attempts + 1, last_error = excluded.last_error, failed_at = clock_timestamp(),
           parked = f.attempts + 1 >= :attempts,
           next_attempt_at = clock_timestamp() + make_interval(
             secs => least(:longest_seconds, :first_seconds * 2.0 ^ f.attempts) * (0.5 + random()))
    RETURNING attempts, parked
    """
)
_DONE = text("DELETE FROM outbox_failure WHERE subscriber = :name AND event_id = :event_id")


async def deliver(
    session: Session, name: str, handlers: Handlers, *, limit: int = 100, retries: Retries = RETRIES
) -> int:
    """Hand what is due again and the next events to their handlers in this transaction.

    Returns how many events were looked at, 0 if there were none or another worker has the turn. Effects and cursor
    commit together, so a crash repeats nothing that was done and loses nothing that was not.
    """
    place = (await session.execute(_LOCK, {"name": name})).one_or_none()
    if place is None:
        return 0
    due = (await session.execute(_DUE, {"name": name, "limit": limit})).all()
    for row in due:
        cursor = (int(row.xid), row.id)
        event = await read_at(session, cursor)
        if await _handle(session, name, cursor, event, handlers, retries=retries):
            await session.execute(_DONE, {"name": name, "event_id": event.id})
    events = await read_after(session, (int(place.xid), place.id), everything=True, limit=limit)
    for cursor, event in events:
        if event.type in handlers and not await _waits_behind(session, name, cursor, event):
            await _handle(session, name, cursor, event, handlers, retries=retries)
    if events:
        last = events[-1][0]
        await session.execute(_MOVE, {"name": name, "xid": str(last[0]), "id": last[1]})
    return len(due) + len(events)


def _row(name: str, cursor: tuple[int, int], event: StoredEvent) -> dict[str, object]:
    facts = {"name": name, "event_id": event.id, "event_type": event.type, "subject": event.subject}
    return {**facts, "xid": str(cursor[0]), "id": cursor[1]}


async def _waits_behind(session: Session, name: str, cursor: tuple[int, int], event: StoredEvent) -> bool:
    """Whether an earlier event of the subject is still to be done; then this one is noted, to be done after it."""
    return (await session.execute(_WAIT_BEHIND, _row(name, cursor, event))).first() is not None


async def _handle(
    session: Session, name: str, cursor: tuple[int, int], event: StoredEvent, handlers: Handlers, *, retries: Retries
) -> bool:
    """Run an event's handlers, all or none; False when one failed and the event was noted for later or set aside."""
    try:
        async with session.begin_nested():
            for handler in handlers.get(event.type, ()):
                attributes = {"sublet.event": event.id}
                with tracing.span(f"handle {event.type}", kind=SpanKind.CONSUMER, attributes=attributes):
                    await handler(session, event)
    except Exception as error:
        failure = _row(name, cursor, event)
        pace = {
            "attempts": retries.attempts,
            "first_seconds": retries.first_seconds,
            "longest_seconds": retries.longest_seconds,
        }
        outcome = (await session.execute(_FAILED, {**failure, **pace, "error": type(error).__name__})).one()
        telemetry.worker_failures_total.labels(f"dispatch:{name}").inc()
        log.exception(
            "event.failed",
            subscriber=name,
            event_id=event.id,
            event_type=event.type,
            subject=event.subject,
            attempts=outcome.attempts,
            parked=outcome.parked,
        )
        return False
    return True


async def run_dispatch(database: Database, name: str, handlers: Handlers) -> None:
    """Deliver for ever; an event that fails is tried again later, and set aside after many attempts."""
    async with database.transaction() as session:
        xid, number = await latest_cursor(session)
        await session.execute(_REGISTER, {"name": name, "xid": str(xid), "id": number})
    while True:
        looked_at = 0
        try:
            async with database.transaction() as session:
                looked_at = await deliver(session, name, handlers)
        except Exception as error:  # the loop must outlive whatever one event meets
            telemetry.worker_failures_total.labels(f"dispatch:{name}").inc()
            log.exception("dispatch.failed", subscriber=name, error=type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS)
        if looked_at == 0:
            await asyncio.sleep(IDLE_SECONDS)
