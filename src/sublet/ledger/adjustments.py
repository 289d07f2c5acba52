"""Adjustments: an operator's correction within the books. No money moves at the processor: that is a refund."""

from sublet.core.db import Session
from sublet.core.money import Money
from sublet.ledger import entries, wallets
from sublet.ledger.entries import LedgerEntry
from sublet.ledger.functions import call_for_id


async def adjust(
    session: Session, organization_id: str, amount: Money, *, given: bool, adjustment_id: str, reason: str
) -> LedgerEntry:
    """Give or take so much, once for each adjustment; the customer reads the reason.

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
        key=f"adjustment:{adjustment_id}",
        description=reason,
        source_id=adjustment_id,
    )
    await wallets.announce(session, organization_id, currency=amount.currency)
    return await entries.get(session, entry_id)
