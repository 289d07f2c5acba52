"""Time is passed in. Leases and bills use the database's clock, so that a wrong host clock changes neither."""

from datetime import UTC, datetime
from typing import Protocol

from sqlalchemy import text

from sublet.core.db import Session


class Clock(Protocol):
    """Anything that knows what time it is, in UTC."""

    def now(self) -> datetime:
        """The current time, timezone-aware."""
        ...


class SystemClock:
    """The host's clock: for display and short-lived certificates, never for leases or bills."""

    def now(self) -> datetime:
        """The current time, timezone-aware."""
        return datetime.now(UTC)


system_clock = SystemClock()

_NOW = text("SELECT clock_timestamp()")


async def database_now(session: Session) -> datetime:
    """PostgreSQL's current time (`clock_timestamp()`, so it advances within a transaction)."""
    now: datetime = (await session.execute(_NOW)).scalar_one()
    return now.astimezone(UTC)
