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


async def serve(
    session: Session, organization_id: str, amount: Money, *, idempotency_key: str, reason: str, source_id: str
) -> LedgerEntry:
    """Credit a customer for what was promised and not delivered, out of revenue; the customer reads the reason.

    The same key once more posts nothing, and another amount for it is an error. `source_id` is the allocation's.
    """
    entry_id = await call_for_id(
        session,
        "service_credit",
        owner=organization_id,
        currency=amount.currency,
        amount=amount.micro,
        key=idempotency_key,
        description=reason,
        source_id=source_id,
    )
    await wallets.announce(session, organization_id, currency=amount.currency)
    return await entries.get(session, entry_id)
