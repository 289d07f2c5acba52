"""Rows of work that are gone and cannot be removed, because a transaction is open that might still want to see them."""

from dataclasses import dataclass

from sqlalchemy import text

from sublet.core.db import Session

MOST = 20_000
"""So many may wait for the next vacuum; more, beside ten times the rows that live, wait for somebody."""

_DEAD = text(
    """
    SELECT n_dead_tup AS dead, n_live_tup AS live FROM pg_stat_user_tables
     WHERE relid = 'work'::regclass AND n_dead_tup > :most + 10 * n_live_tup
    """
)


@dataclass(frozen=True, slots=True)
class DeadRows:
    """How many there are, beside how many that live."""

    dead: int
    live: int


async def piled_up(session: Session) -> DeadRows | None:
    """The dead rows of work, if there are more than a vacuum would have left: each sweep reads past them."""
    row = (await session.execute(_DEAD, {"most": MOST})).one_or_none()
    return None if row is None else DeadRows(row.dead, row.live)
