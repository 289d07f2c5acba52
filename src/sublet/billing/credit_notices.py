"""Promotional money that comes to its end is announced a week and a day before, each once."""

from sqlalchemy import text

from sublet.billing.events import CreditExpiring
from sublet.core.db import Session
from sublet.core.money import Money
from sublet.core.outbox import publish

MOST = 1000
"""How many lots one run tells of; the next tells of the others."""
# Who was given something for less than a week is told at once; for less than a day, only that.
_TELL = text(
    """
    WITH due AS (
      SELECT e.lot_id, e.owner_id, e.currency, e.remains, e.expires_at, d.days
        FROM ledger.expiring_credit e
       CROSS JOIN LATERAL (
         SELECT CASE WHEN e.expires_at <= clock_timestamp() + interval '1 day' THEN 1 ELSE 7 END AS days) d
        LEFT JOIN credit_notice t ON t.lot_id = e.lot_id
       WHERE e.expires_at <= clock_timestamp() + interval '7 days' AND (t.lot_id IS NULL OR t.days > d.days)
       ORDER BY e.expires_at, e.lot_id LIMIT :most
    ), told AS (
      INSERT INTO credit_notice AS t (lot_id, days) SELECT lot_id, days FROM due
      ON CONFLICT (lot_id) DO UPDATE SET days = excluded.days, told_at = clock_timestamp() WHERE t.days > excluded.days
      RETURNING t.lot_id
    )
    SELECT due.* FROM told JOIN due USING (lot_id) ORDER BY due.expires_at, due.lot_id
    """
)


async def tell(session: Session) -> int:
    """Announce what expires within a week or a day and was not announced for that; returns how many lots."""
    rows = (await session.execute(_TELL, {"most": MOST})).all()
    for row in rows:
        event = CreditExpiring(
            amount=Money(row.remains, row.currency).field(), expires_at=row.expires_at, days=row.days
        )
        await publish(session, event, subject=row.owner_id, organization_id=row.owner_id)
    return len(rows)
