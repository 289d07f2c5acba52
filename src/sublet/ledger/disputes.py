"""Disputes in the books: ours to bear while they are open, the customer's when they are lost."""

from sqlalchemy import text

from sublet.core.db import Session
from sublet.core.money import Money
from sublet.ledger import holds, wallets
from sublet.ledger.functions import call, call_for_id

_WITHHELD = text(
    """
    SELECT h.id, h.amount - h.captured - h.released AS rest
      FROM ledger.hold h WHERE h.subject_id = :subject_id AND h.kind = 'withheld' AND NOT h.closed ORDER BY h.id
    """
)
_BEGINNING = text(
    """
    SELECT id FROM ledger.hold
     WHERE kind = 'withheld' AND NOT closed AND starts_with(subject_id, :beginning) ORDER BY id
    """
)
_ALL_OF = text("SELECT id FROM ledger.hold WHERE subject_id = :subject_id")


async def move(
    session: Session, amount: Money, fee: Money, *, given_back: bool, transaction_id: str, dispute_id: str
) -> None:
    """Post a balance transaction of a dispute, once for each: taken from us with a fee, or given back."""
    await call_for_id(
        session,
        "dispute_moved",
        currency=amount.currency,
        amount=amount.micro,
        fee=fee.micro,
        given_back=given_back,
        transaction=transaction_id,
        description="Dispute: given back" if given_back else "Dispute: taken by the card processor",
        source_id=dispute_id,
    )


async def withheld(session: Session, subject_id: str, *, currency: str) -> Money:
    """What is kept aside for a subject that nothing may run on."""
    rows = (await session.execute(_WITHHELD, {"subject_id": subject_id})).all()
    return Money(sum(row.rest for row in rows), currency)


async def withhold(session: Session, organization_id: str, amount: Money, *, subject_id: str) -> Money:
    """Keep what is free in the wallet aside, until it is `amount` in all; returns what it is then."""
    aside = await withheld(session, subject_id, currency=amount.currency)
    wallet = await wallets.wallet(session, organization_id, currency=amount.currency)
    more = min(amount - aside, wallet.available)
    if more.micro <= 0:
        return aside
    number = len((await session.execute(_ALL_OF, {"subject_id": subject_id})).all())
    await holds.withhold(
        session, organization_id, more, subject_id=subject_id, idempotency_key=f"withhold:{subject_id}:{number}"
    )
    return aside + more


async def release(session: Session, subject_id: str) -> None:
    """Give back what is kept aside for a subject."""
    for row in (await session.execute(_WITHHELD, {"subject_id": subject_id})).all():
        await holds.release(session, row.id, idempotency_key=f"released:{row.id}")


async def release_beginning(session: Session, beginning: str) -> None:
    """Give back what is kept aside for every subject whose id begins so."""
    for hold_id in (await session.execute(_BEGINNING, {"beginning": beginning})).scalars().all():
        await holds.release(session, hold_id, idempotency_key=f"released:{hold_id}")


async def lose(session: Session, organization_id: str, amount: Money, *, charge_id: str, dispute_id: str) -> int:
    """Charge a lost dispute, once; the entry. What is free in the wallet goes, and the rest is owed.

    The caller has released what was kept aside for it.
    """
    entry_id = await call_for_id(
        session,
        "dispute_lost",
        charge=charge_id,
        amount=amount.micro,
        key=f"dispute:{dispute_id}:lost",
        description="Dispute lost",
        source_id=dispute_id,
    )
    await wallets.announce(session, organization_id, currency=amount.currency)
    return entry_id


async def pay_owed(session: Session, organization_id: str, *, currency: str) -> bool:
    """Pay what is owed out of what has become free in the wallet; whether there was something to pay with."""
    paid = await call(
        session,
        "pay_owed",
        owner=organization_id,
        currency=currency,
        description="What was owed, paid from the wallet",
    )
    if paid is not None:
        await wallets.announce(session, organization_id, currency=currency)
    return paid is not None
