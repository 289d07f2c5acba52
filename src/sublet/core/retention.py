"""What may be forgotten: answers kept for Idempotency-Key, once nobody repeats the request any more."""

from sqlalchemy import text

from sublet.core.db import Session

_FORGET = text("DELETE FROM idempotency_key WHERE created_at < clock_timestamp() - interval '48 hours'")


async def forget_old_keys(session: Session) -> int:
    """Delete idempotency keys that are two days old; returns how many."""
    return (await session.execute(_FORGET)).rowcount
