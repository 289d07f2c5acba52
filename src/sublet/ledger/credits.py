"""Credits: promotional money, spent before paid-in money and never refunded."""

from sublet.core.db import Session
from sublet.core.money import Money
from sublet.ledger import entries, wallets
from sublet.ledger.entries import LedgerEntry
from sublet.ledger.functions import call_for_id


async def grant(
    session: Session, organization_id: str, amount: Money, *, idempotency_key: str, reason: str
) -> LedgerEntry:
    """Give promotional money; the customer reads the reason. Waits for credits that operators give."""
    entry_id = await call_for_id(
        session,
        "grant_credit",
        owner=organization_id,
        currency=amount.currency,
        amount=amount.micro,
        key=idempotency_key,
        description=reason,
    )
    await wallets.announce(session, organization_id, currency=amount.currency)
    return await entries.get(session, entry_id)
