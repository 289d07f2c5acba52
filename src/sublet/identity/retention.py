"""Forget what nobody needs any more; called by the schedule once in a while."""

from datetime import timedelta

from sqlalchemy import text

from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.identity import sessions

KEEP_ENDED_SESSIONS = timedelta(days=30)

_FORGET_THROTTLES = text("DELETE FROM throttle WHERE window_ends_at < clock_timestamp()")


async def sweep(session: Session) -> None:
    """Delete throttles whose window is over, and sessions whose absolute end is a month ago."""
    await session.execute(_FORGET_THROTTLES)
    await sessions.forget_ended(session, before=await database_now(session) - KEEP_ENDED_SESSIONS)
