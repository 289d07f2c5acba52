"""Cards that come to their end are announced in the month before their last one, and in that: each once."""

from sqlalchemy import text

from sublet.core.db import Session
from sublet.core.outbox import publish
from sublet.payments.cards.events import CardExpiring

MOST = 1000
"""How many cards one run tells of; the next tells of the others."""
# A card can be charged until its last month is over. Months are those of the books.
_TELL = text(
    """
    UPDATE saved_card c SET expiry_told = due.months
      FROM (
        SELECT s.id, s.expiry_year * 12 + s.expiry_month - now.months AS months
          FROM saved_card s
         CROSS JOIN (SELECT left(month, 4)::int * 12 + right(month, 2)::int AS months FROM ledger.present_month) now
         WHERE s.removed_at IS NULL AND s.expiry_year * 12 + s.expiry_month - now.months IN (0, 1)
           AND (s.expiry_told IS NULL OR s.expiry_told > s.expiry_year * 12 + s.expiry_month - now.months)
         ORDER BY s.id LIMIT :most FOR NO KEY UPDATE OF s SKIP LOCKED
      ) due
     WHERE c.id = due.id
    RETURNING c.id, c.organization_id, c.brand, c.last4, c.expiry_month, c.expiry_year, due.months,
              c.is_default AND EXISTS (
                SELECT FROM auto_top_up a WHERE a.organization_id = c.organization_id AND a.enabled) AS tops_up
    """
)


async def tell(session: Session) -> int:
    """Announce the cards that expire in this month or the next one and were not announced for that; how many."""
    rows = sorted((await session.execute(_TELL, {"most": MOST})).all(), key=lambda row: str(row.id))
    for row in rows:
        event = CardExpiring(
            card_id=row.id,
            brand=row.brand,
            last4=row.last4,
            expiry_month=row.expiry_month,
            expiry_year=row.expiry_year,
            months=row.months,
            tops_up=row.tops_up,
        )
        await publish(session, event, subject=row.id, organization_id=row.organization_id)
    return len(rows)
