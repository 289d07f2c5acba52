"""What usage brought in: by month of the books, SKU, node and kind of meter."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from sublet.billing.month_edges import month_sql
from sublet.core.db import Session
from sublet.core.money import Money


@dataclass(frozen=True, slots=True)
class Revenue:
    """What one SKU brought in on one node in one month, less what was taken back in it."""

    month: str
    sku_id: str
    node_id: str | None
    meter_kind: str
    amount: Money


_REVENUE = text(
    f"""
    SELECT {month_sql("e.effective_at")} AS month, u.sku_id, u.node_id, u.meter_kind, c.currency,
           sum(c.amount * e.times)::numeric AS amount
      FROM ledger.usage_entry e
      JOIN usage_charge c ON c.ledger_entry_id = e.entry_id
      JOIN usage_record u ON u.subject_id = c.subject_id AND u.period_start = c.period_start
     WHERE e.effective_at >= :since AND e.effective_at < :until
     GROUP BY 1, u.sku_id, u.node_id, u.meter_kind, c.currency
     ORDER BY 1, c.currency, 6 DESC, u.sku_id, u.node_id, u.meter_kind
    """  # noqa: S608 - only constant expressions
)


async def revenue(session: Session, *, since: datetime, until: datetime) -> list[Revenue]:
    """Revenue of what was posted from one time until another, by the entries' own times."""
    return [
        Revenue(row.month, row.sku_id, row.node_id, row.meter_kind, Money(int(row.amount), row.currency))
        for row in await session.execute(_REVENUE, {"since": since, "until": until})
    ]
