"""What a payment was spent on, derived as its lot is: the oldest money is spent first."""

from dataclasses import dataclass

from sqlalchemy import text

from sublet.core.db import Session
from sublet.core.money import Money

_PAID_BY = text(
    """
    WITH lot AS (
      SELECT l.wallet_id, l.paid - l.refunded - l.disputed AS room, w.receivable_id, w.currency,
             coalesce((SELECT sum(o.paid - o.refunded - o.disputed) FROM ledger.topup_lot o
                        WHERE o.wallet_id = l.wallet_id AND o.entry_id < l.entry_id), 0)::bigint AS before
        FROM ledger.topup_lot l JOIN ledger.wallet w ON w.id = l.wallet_id
       WHERE l.charge_id = :charge_id
    ), spent AS (
      SELECT e.id, e.kind::text AS kind,
             sum(CASE WHEN p.account_id = lot.wallet_id THEN -p.amount ELSE p.amount END)::bigint AS amount
        FROM lot
        JOIN ledger.posting p ON p.account_id = lot.wallet_id OR p.account_id = lot.receivable_id
        JOIN ledger.ledger_entry e ON e.id = p.entry_id
       WHERE (p.account_id = lot.wallet_id AND e.kind IN ('usage', 'usage_batch')
              AND NOT EXISTS (SELECT FROM ledger.ledger_entry r WHERE r.reverses_entry_id = e.id))
          OR (p.account_id = lot.receivable_id AND e.kind IN ('top_up', 'owed_paid'))
       GROUP BY e.id, e.kind
    ), added_up AS (
      SELECT id, kind, amount, sum(amount) OVER (ORDER BY id) - amount AS up_to FROM spent WHERE amount > 0
    )
    SELECT a.id, a.kind, lot.currency,
           (least(a.up_to + a.amount, lot.before + lot.room) - greatest(a.up_to, lot.before))::bigint AS paid
      FROM lot CROSS JOIN added_up a
     WHERE a.up_to < lot.before + lot.room AND a.up_to + a.amount > lot.before
     ORDER BY a.id
    """
)


@dataclass(frozen=True, slots=True)
class PaidFor:
    """An entry that a payment paid, wholly or in part; `owed` is one that was owed when the payment arrived."""

    entry_id: int
    amount: Money
    owed: bool


async def paid_by(session: Session, charge_id: str) -> list[PaidFor]:
    """The entries that a payment's money was spent on, oldest first; none of a payment that the books do not have.

    Money that went back was spent on nothing, so that what came later reaches further, as it does in the lots: no
    entry is paid by two payments. What was reversed was not paid for.
    """
    rows = await session.execute(_PAID_BY, {"charge_id": charge_id})
    return [PaidFor(row.id, Money(row.paid, row.currency), row.kind in ("top_up", "owed_paid")) for row in rows]
