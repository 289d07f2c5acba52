"""Forget what nobody needs any more; called by the schedule once in a while."""

from sqlalchemy import text

from sublet.core.db import Session

KEEP_ENDED_SESSIONS_DAYS = 30

_FORGET_THROTTLES = text(
    """
    DELETE FROM throttle
     WHERE bucket IN (SELECT bucket FROM throttle WHERE window_ends_at < clock_timestamp()
                       ORDER BY window_ends_at LIMIT :limit)
    """
)
_FORGET_SESSIONS = text(
    """
    DELETE FROM user_session
     WHERE id IN (SELECT id FROM user_session WHERE expires_at < clock_timestamp() - make_interval(days => :days)
                   ORDER BY expires_at LIMIT :limit)
    """
)


async def forget_throttles(session: Session, *, limit: int) -> int:
    """Delete throttles whose window is over, so many at most; returns how many."""
    return (await session.execute(_FORGET_THROTTLES, {"limit": limit})).rowcount


async def forget_sessions(session: Session, *, limit: int) -> int:
    """Delete sessions whose absolute end is a month ago, so many at most; the audit trail keeps what they were."""
    return (await session.execute(_FORGET_SESSIONS, {"days": KEEP_ENDED_SESSIONS_DAYS, "limit": limit})).rowcount
