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
# From the front of the stream: of so many, those that are old and that every subscriber has had. Those that are handled
# again or were set aside are passed over, and do not count. The last is noted, so that who reads on from before it is
# told.
_FORGET_EVENTS = text(
    """
    WITH gone AS (
      DELETE FROM outbox_event
       WHERE (xid, id) IN (
               SELECT xid, id FROM (SELECT e.xid, e.id, e.occurred_at FROM outbox_event e
                                     WHERE NOT EXISTS (SELECT FROM work w WHERE w.kind = 'event'
                                                          AND w.id = e.xid::text || '-' || e.id)
                                     ORDER BY e.xid, e.id LIMIT :limit) first
                WHERE occurred_at < clock_timestamp() - make_interval(days => :days)
                  AND (xid, id) <= (SELECT xid, id FROM outbox_cursor ORDER BY xid, id LIMIT 1))
      RETURNING xid, id),
    noted AS (
      UPDATE outbox_forgotten f SET xid = last.xid, id = last.id
        FROM (SELECT xid, id FROM gone ORDER BY xid DESC, id DESC LIMIT 1) last
       WHERE (f.xid, f.id) < (last.xid, last.id))
    SELECT count(*) FROM gone
    """
)


async def forget_old_keys(session: Session, *, limit: int) -> int:
    """Delete idempotency keys that are two days old, so many at most; returns how many."""
    return (await session.execute(_FORGET_KEYS, {"limit": limit})).rowcount


async def forget_events(session: Session, *, days: int, limit: int) -> int:
    """Delete events so old that every subscriber has had, so many at most; returns how many. One that is handled again,
    or was set aside, stays."""
    gone: int = (await session.execute(_FORGET_EVENTS, {"days": days, "limit": limit})).scalar_one()
    return gone
