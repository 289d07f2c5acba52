"""Delivers outbox events to our own handlers, in order, at least once, by one worker at a time.

An event whose handler fails is tried again a few times and then set aside (`outbox_failure`), so that one bad event
never holds up the suspensions and revocations behind it. What is set aside is a finding of `sublet admin reconcile`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from opentelemetry.trace import SpanKind
from sqlalchemy import text

from sublet.core import telemetry, tracing
from sublet.core.db import Database, Session
from sublet.core.outbox import StoredEvent, latest_cursor, read_after

log = telemetry.get_logger(__name__)

Handler = Callable[[Session, StoredEvent], Awaitable[None]]

IDLE_SECONDS = 0.25
RETRY_SECONDS = 1.0
ATTEMPTS = 5
_REGISTER = text(
    "INSERT INTO outbox_cursor (subscriber, xid, id) VALUES (:name, CAST(:xid AS xid8), :id) ON CONFLICT DO NOTHING"
)
_LOCK = text("SELECT xid::text AS xid, id FROM outbox_cursor WHERE subscriber = :name FOR UPDATE SKIP LOCKED")
_MOVE = text("UPDATE outbox_cursor SET xid = CAST(:xid AS xid8), id = :id WHERE subscriber = :name")

_FAILED = text(
    """
    INSERT INTO outbox_failure AS f (subscriber, event_id, event_type, subject, attempts, last_error)
    VALUES (:name, :event_id, :event_type, :subject, 1, :error)
    ON CONFLICT (subscriber, event_id) DO UPDATE
       SET attempts = f.attempts + 1, last_error = excluded.last_error, failed_at = clock_timestamp(),
           parked = f.attempts + 1 >= :attempts
    RETURNING attempts, parked
    """
)


class _TryAgain(Exception):
    """An event's handler failed and its attempts are not used up."""


async def deliver(session: Session, name: str, handlers: Mapping[str, Sequence[Handler]], *, limit: int = 100) -> int:
    """Hand the next events to their handlers in this transaction; the number of events passed, 0 if none or taken.

    Effects and cursor commit together, so a crash repeats nothing that was done and loses nothing that was not.
    """
    place = (await session.execute(_LOCK, {"name": name})).one_or_none()
    if place is None:
        return 0
    events = await read_after(session, (int(place.xid), place.id), everything=True, limit=limit)
    passed = 0
    for (xid, number), event in events:
        try:
            await _handle(session, name, event, handlers.get(event.type, ()))
        except _TryAgain:
            break
        passed += 1
        await session.execute(_MOVE, {"name": name, "xid": str(xid), "id": number})
    return passed


async def _handle(session: Session, name: str, event: StoredEvent, handlers: Sequence[Handler]) -> None:
    """Run an event's handlers, all or none; _TryAgain when one failed and the event is not given up yet."""
    if not handlers:
        return
    try:
        async with session.begin_nested():
            for handler in handlers:
                attributes = {"sublet.event": event.id}
                with tracing.span(f"handle {event.type}", kind=SpanKind.CONSUMER, attributes=attributes):
                    await handler(session, event)
    except Exception as error:
        failure = {"name": name, "event_id": event.id, "event_type": event.type, "subject": event.subject}
        parameters = {**failure, "error": type(error).__name__, "attempts": ATTEMPTS}
        outcome = (await session.execute(_FAILED, parameters)).one()
        telemetry.worker_failures_total.labels(f"dispatch:{name}").inc()
        log.exception("event.failed", **failure, attempts=outcome.attempts, parked=outcome.parked)
        if not outcome.parked:
            raise _TryAgain from error


async def run_dispatch(database: Database, name: str, handlers: Mapping[str, Sequence[Handler]]) -> None:
    """Deliver for ever, in order; an event that keeps failing is set aside after a few attempts."""
    async with database.transaction() as session:
        xid, number = await latest_cursor(session)
        await session.execute(_REGISTER, {"name": name, "xid": str(xid), "id": number})
    while True:
        passed = 0
        try:
            async with database.transaction() as session:
                passed = await deliver(session, name, handlers)
        except Exception as error:  # the loop must outlive whatever one event meets
            telemetry.worker_failures_total.labels(f"dispatch:{name}").inc()
            log.exception("dispatch.failed", subscriber=name, error=type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS)
        if passed == 0:
            await asyncio.sleep(IDLE_SECONDS)
