"""Locks that somebody waits for: how a test knows that two have met."""

import asyncio

from sqlalchemy import text

from sublet.core.db import Database


async def until_somebody_waits(database: Database) -> None:
    """Until a session of this database waits for a lock."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    deadline = asyncio.get_running_loop().time() + 10
    async with database.reading() as session:
        while not (await session.execute(waiting)).scalar_one():
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.02)
