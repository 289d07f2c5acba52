"""Credits: promotional money, spent before paid-in money, by soonest expiry and then by age; never refunded."""

from datetime import datetime

from sublet.core.db import Session
from sublet.core.money import Money
from sublet.ledger import entries, wallets
from sublet.ledger.entries import LedgerEntry
from sublet.ledger.functions import call, call_for_id


async def grant(
    session: Session,
    organization_id: str,
    amount: Money,
    *,
    idempotency_key: str,
    reason: str,
    expires_at: datetime | None = None,
    source: tuple[str, str] | None = None,
) -> LedgerEntry:
    """Give promotional money, a lot of its own; the customer reads the reason. Waits for grants and promo codes.

    `source` is what it comes from, by type and id. Without `expires_at` it never expires.
    """
    entry_id = await call_for_id(
        session,
        "grant_credit",
        owner=organization_id,
        currency=amount.currency,
        amount=amount.micro,
        key=idempotency_key,
        description=reason,
        expires_at=expires_at,
        source_type=source[0] if source is not None else None,
        source_id=source[1] if source is not None else None,
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


async def expire(session: Session, lot_id: int, *, organization_id: str, currency: str) -> bool:
    """Post that a lot has expired, once; returns whether something was left of it.

    The caller has charged what was delivered before: nothing of the lot can pay for it any more.
    """
    posted = await call(session, "expire_credit", lot=lot_id, description="Credit expired")
    if posted is not None:
        await wallets.announce(session, organization_id, currency=currency)
    return posted is not None
