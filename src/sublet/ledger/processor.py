"""What the processor's balance transactions say beyond payments, refunds and disputes.

Amounts are as the processor has them: above zero is more there. Each entry is made once for its transaction or payout.
"""

from sqlalchemy import text

from sublet.core.db import Session
from sublet.core.money import Money
from sublet.ledger.functions import call_for_id


async def exchange(
    session: Session, given: Money, got: Money, *, transaction_id: str, source_type: str, source_id: str
) -> int:
    """Book that `given`, as the books have it, is `got` at the processor; what that costs or brings stays on fx."""
    return await call_for_id(
        session,
        "exchange",
        given_currency=given.currency,
        given=abs(given.micro),
        got_currency=got.currency,
        got=abs(got.micro),
        arrived=given.micro > 0,
        transaction=transaction_id,
        description=f"Settled in {got.currency}",
        source_type=source_type,
        source_id=source_id,
    )


async def suspend(session: Session, amount: Money, *, transaction_id: str, source_type: str, source_id: str) -> int:
    """Book what a transaction moved and nobody here can explain."""
    return await call_for_id(
        session,
        "suspend",
        currency=amount.currency,
        amount=abs(amount.micro),
        arrived=amount.micro > 0,
        transaction=transaction_id,
        description="Not explained yet",
        source_type=source_type,
        source_id=source_id,
    )


_IN_SUSPENSE = text(
    """
    SELECT coalesce(sum(amount), 0)::bigint FROM ledger.suspense_item
     WHERE source_id = :source_id AND currency = :currency
    """
)


async def in_suspense(session: Session, source_id: str, *, currency: str) -> Money:
    """What is in suspense of one thing at the processor."""
    about = {"source_id": source_id, "currency": currency}
    return Money((await session.execute(_IN_SUSPENSE, about)).scalar_one(), currency)


async def payout(session: Session, amount: Money, *, transaction_id: str, source_id: str) -> int:
    """Book a payout that left for the bank (below zero), or that is back because it did not arrive."""
    return await call_for_id(
        session,
        "payout",
        currency=amount.currency,
        amount=abs(amount.micro),
        arrived=amount.micro > 0,
        transaction=transaction_id,
        description="Payout" if amount.micro < 0 else "Payout that came back",
        source_id=source_id,
    )


async def payout_arrived(session: Session, amount: Money, *, source_id: str) -> int:
    """Book that a payout has arrived at the bank (above zero), or that the bank sent back what had arrived."""
    arrived = amount.micro > 0
    return await call_for_id(
        session,
        "payout_arrived",
        currency=amount.currency,
        amount=abs(amount.micro),
        arrived=arrived,
        key=f"payout:{source_id}:{'arrived' if arrived else 'sent back'}",
        description="Payout arrived" if arrived else "Payout sent back by the bank",
        source_id=source_id,
    )
