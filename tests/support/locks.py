"""Locks that somebody waits for: how a test knows that two have met."""

from sqlalchemy import text

from sublet.core.db import Database
from tests.support.waiting import until_async

_WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


async def until_somebody_waits(database: Database) -> None:
    """Until a session of this database waits for a lock."""
    async with database.reading() as session:

        async def waiters() -> int:
            return int((await session.execute(_WAITING)).scalar_one())

        await until_async("somebody who waits for a lock", waiters, seconds=10)
