"""What of the core may be forgotten: answers that nobody asks for again, and events that everybody has had."""

from sqlalchemy import text

from sublet.core.db import Session

_FORGET_KEYS = text(
    """
    DELETE FROM idempotency_key
     WHERE (actor, key) IN (SELECT actor, key FROM idempotency_key
                             WHERE created_at < clock_timestamp() - interval '48 hours'
                             ORDER BY created_at LIMIT :limit)
    """
)
# From the front of the stream: of so many, those that are old and that every subscriber has had.
_FORGET_EVENTS = text(
    """
    DELETE FROM outbox_event
     WHERE (xid, id) IN (
             SELECT xid, id FROM (SELECT xid, id, occurred_at FROM outbox_event ORDER BY xid, id LIMIT :limit) first
              WHERE occurred_at < clock_timestamp() - make_interval(days => :days)
                AND (xid, id) <= (SELECT xid, id FROM outbox_cursor ORDER BY xid, id LIMIT 1)
                AND NOT EXISTS (SELECT FROM work w
                                 WHERE w.kind = 'event' AND w.id = first.xid::text || '-' || first.id))
    """
)


async def forget_old_keys(session: Session, *, limit: int) -> int:
    """Delete idempotency keys that are two days old, so many at most; returns how many."""
    return (await session.execute(_FORGET_KEYS, {"limit": limit})).rowcount


async def forget_events(session: Session, *, days: int, limit: int) -> int:
    """Delete events so old that every subscriber has had, so many at most; returns how many. One that is handled again,
    or was set aside, stays."""
    return (await session.execute(_FORGET_EVENTS, {"days": days, "limit": limit})).rowcount
