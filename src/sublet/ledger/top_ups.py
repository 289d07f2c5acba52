"""Money that came by card, and what the card processor kept of it."""

from sublet.core.db import Session
from sublet.core.money import Money
from sublet.ledger import entries, wallets
from sublet.ledger.entries import LedgerEntry
from sublet.ledger.functions import call_for_id


async def credit(
    session: Session,
    organization_id: str,
    amount: Money,
    *,
    payment_intent_id: str,
    charge_id: str,
    source_id: str,
) -> LedgerEntry:
    """Credit a card payment, once for each payment intent: what is owed is cleared first, then the wallet filled."""
    entry_id = await call_for_id(
        session,
        "top_up",
        owner=organization_id,
        currency=amount.currency,
        amount=amount.micro,
        payment_intent=payment_intent_id,
        charge=charge_id,
        description="Top-up by card",
        source_type="top_up",
        source_id=source_id,
    )
    await wallets.announce(session, organization_id, currency=amount.currency)
    return await entries.get(session, entry_id)


async def post_fee(
    session: Session, amount: Money, *, transaction_id: str, source_id: str, source_type: str = "top_up"
) -> LedgerEntry:
    """Post the fee of a balance transaction, once for each; it is ours to bear, no wallet changes."""
    entry_id = await call_for_id(
        session,
        "stripe_fee",
        currency=amount.currency,
        amount=amount.micro,
        transaction=transaction_id,
        description="Card processing fee",
        source_type=source_type,
        source_id=source_id,
    )
    return await entries.get(session, entry_id)
