"""What time it is: PostgreSQL says, so that a wrong clock of a host changes no lease and no bill."""

from datetime import UTC, datetime

from sqlalchemy import text

from sublet.core.db import Session

_NOW = text("SELECT clock_timestamp()")


async def database_now(session: Session) -> datetime:
    """PostgreSQL's current time (`clock_timestamp()`, so it advances within a transaction)."""
    now: datetime = (await session.execute(_NOW)).scalar_one()
    return now.astimezone(UTC)
