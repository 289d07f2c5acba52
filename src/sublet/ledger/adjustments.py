"""Adjustments: an operator's correction within the books. No money moves at the processor: that is a refund."""

from datetime import datetime

from sqlalchemy import text

from sublet.core.db import Session
from sublet.core.money import Money
from sublet.ledger import entries, wallets
from sublet.ledger.entries import LedgerEntry
from sublet.ledger.functions import call_for_id

# What an approval was used for has its key, so that it is posted once; what has none of these nobody approved. Days
# narrow it down by the index of `effective_at`; which month it counts in is said by when it was recorded, for a
# transaction may begin in one and look in the next.
_ALONE = text(
    """
    SELECT coalesce(sum(abs(p.amount)), 0)::bigint
      FROM ledger.ledger_entry e
      JOIN ledger.posting p ON p.entry_id = e.id
      JOIN ledger.account a ON a.id = p.account_id AND a.kind = 'adjustments' AND a.currency = :currency
     WHERE e.kind = 'adjustment' AND e.idempotency_key LIKE 'adjustment:%' AND (p.amount < 0) = :given
       AND e.effective_at >= CAST(:since AS timestamptz) - interval '1 day' AND e.recorded_at >= :since
       AND (CAST(:organization_id AS text) IS NULL
            OR EXISTS (SELECT FROM ledger.posting o JOIN ledger.account w ON w.id = o.account_id
                        WHERE o.entry_id = e.id AND w.owner_id = :organization_id))
    """
)


async def alone(
    session: Session, *, currency: str, given: bool, since: datetime, organization_id: str | None = None
) -> Money:
    """What was given, or taken, since a time without anybody's approval: one organization's, or (None) all of them.

    What was taken back since counts like anything else.
    """
    asked = {"currency": currency, "given": given, "since": since, "organization_id": organization_id}
    return Money((await session.execute(_ALONE, asked)).scalar_one(), currency)


async def adjust(
    session: Session,
    organization_id: str,
    amount: Money,
    *,
    given: bool,
    adjustment_id: str,
    approval_id: str | None,
    reason: str,
) -> LedgerEntry:
    """Give or take so much, once for each adjustment and each approval; the customer reads the reason.

    What is given pays what is owed and is credit beyond that, never refunded. What is taken comes from credit, then
    from the wallet, and is owed beyond that.
    """
    entry_id = await call_for_id(
        session,
        "adjust",
        owner=organization_id,
        currency=amount.currency,
        amount=amount.micro,
        given=given,
        key=f"adjustment:{adjustment_id}" if approval_id is None else f"approval:{approval_id}",
        description=reason,
        source_id=adjustment_id,
    )
    await wallets.announce(session, organization_id, currency=amount.currency)
    return await entries.get(session, entry_id)
