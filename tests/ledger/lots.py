"""Lots of promotional money: when they end, and what is left of each."""

from datetime import datetime, timedelta

from sqlalchemy import text

from sublet.core.clock import database_now
from sublet.core.db import Session

AN_HOUR = 3600


async def in_an_hour(session: Session) -> datetime:
    return await database_now(session) + timedelta(seconds=AN_HOUR)


async def left(session: Session, organization: str) -> list[str]:
    """What is left of each lot of the organization, the oldest first."""
    rows = await session.execute(
        text(
            "SELECT coalesce(c.remains, 0) FROM ledger.wallet w JOIN ledger.balance p ON p.account_id = w.promo_id "
            "JOIN ledger.promo_lot l ON l.wallet_id = w.id "
            "LEFT JOIN ledger.left_of_lots(w.id, p.balance) c ON c.lot_id = l.id "
            "WHERE w.owner_id = :organization ORDER BY l.id"
        ),
        {"organization": organization},
    )
    return [f"{micro / 1_000_000:g}" for micro in rows.scalars()]


async def in_days(session: Session, days: int) -> datetime:
    """A time so many days from now."""
    return await database_now(session) + timedelta(days=days)
