"""How many of something one organization may have: counted while nobody else of it adds one."""

from sqlalchemy import text

from sublet.core.db import Session

_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended(:what || ' ' || :organization_id, 0))")


async def alone(session: Session, what: str, organization_id: str) -> None:
    """Until the session's transaction ends nobody else adds one of `what` to the organization: who counts after this
    counts right. It comes before every lock on rows but the caller's own."""
    await session.execute(_ALONE, {"what": what, "organization_id": organization_id})
