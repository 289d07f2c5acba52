"""Tamper evidence: ranges of entries that have become final are sealed into a chain of hashes."""

from sqlalchemy import text

from sublet.core.db import Session
from sublet.ledger.functions import call_for_id

ENTRIES_EACH = 1000

_BROKEN = text("SELECT from_id, to_id FROM ledger.broken_seal ORDER BY from_id")


async def seal_ranges(session: Session) -> int:
    """Seal what was final at the last call; returns how many ranges. Needs a transaction of its own.

    A call also marks what is there now, so entries are sealed by the call after the one that saw them.
    """
    return await call_for_id(session, "seal_ranges", entries_each=ENTRIES_EACH)


async def broken_seals(session: Session) -> list[tuple[int, int]]:
    """Ranges (first and last entry id) whose entries, or whose place in the chain, are not what was sealed."""
    return [(row.from_id, row.to_id) for row in await session.execute(_BROKEN)]
