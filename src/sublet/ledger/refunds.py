"""Money that goes back to the card it came from, and what comes of it at the processor."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import text

from sublet.core.db import Session
from sublet.core.money import Money
from sublet.ledger import wallets
from sublet.ledger.functions import call, call_for_id

_REFUNDABLE = text(
    """
    SELECT l.charge_id, l.paid, c.consumed, l.refunded, l.disputed, b.balance - b.held AS free, w.currency,
           ledger.refundable(l.charge_id) AS refundable
      FROM ledger.topup_lot l
      JOIN ledger.wallet w ON w.id = l.wallet_id
      JOIN ledger.balance b ON b.account_id = w.id
     CROSS JOIN LATERAL ledger.spent_of_lots(w.id, b.balance) c
     WHERE l.charge_id = ANY(:charge_ids) AND c.charge_id = l.charge_id
    """
)


@dataclass(frozen=True, slots=True)
class Lot:
    """What became of a payment: `refundable` is what of it can still go back, `free` what is free in its wallet."""

    paid: Money
    spent: Money
    refunded: Money
    disputed: Money
    free: Money
    refundable: Money


async def lots(session: Session, charge_ids: Collection[str]) -> dict[str, Lot]:
    """What became of payments, by their charges; those that the books do not know are left out."""
    rows = await session.execute(_REFUNDABLE, {"charge_ids": list(charge_ids)})
    return {
        row.charge_id: Lot(
            paid=Money(row.paid, row.currency),
            spent=Money(row.consumed, row.currency),
            refunded=Money(row.refunded, row.currency),
            disputed=Money(row.disputed, row.currency),
            free=Money(row.free, row.currency),
            refundable=Money(row.refundable, row.currency),
        )
        for row in rows
    }


async def begin(
    session: Session, organization_id: str, amount: Money, *, charge_id: str, refund_id: str, made: bool
) -> int | None:
    """Take a refund's money out of the wallet, before the processor is asked; the entry, once for each refund.

    None if the payment has less left. A refund that was `made` at the processor takes what is free, and the rest is
    owed.
    """
    entry_id = await call(
        session,
        "refund",
        charge=charge_id,
        amount=amount.micro,
        made=made,
        key=f"refund:{refund_id}",
        description="Refund to the card",
        source_id=refund_id,
    )
    if entry_id is not None:
        await wallets.announce(session, organization_id, currency=amount.currency)
    return entry_id


async def succeed(session: Session, entry_id: int, *, refund_id: str) -> None:
    """The processor has sent the money on its way; no wallet changes."""
    await call_for_id(
        session,
        "refund_succeeded",
        refund=entry_id,
        key=f"refund:{refund_id}:succeeded",
        description="Refund sent",
        source_id=refund_id,
    )


async def fail(
    session: Session,
    organization_id: str,
    entry_id: int,
    *,
    currency: str,
    charge_id: str,
    refund_id: str,
    after_success: bool,
) -> None:
    """Give the money back: what is owed first, then the wallet."""
    await call_for_id(
        session,
        "refund_failed",
        refund=entry_id,
        charge=charge_id,
        after_success=after_success,
        key=f"refund:{refund_id}:failed",
        description="The refund did not reach the card",
        source_id=refund_id,
    )
    await wallets.announce(session, organization_id, currency=currency)


_OWED = text(
    """
    SELECT coalesce(-sum(p.amount), 0)::bigint FROM ledger.posting p
      JOIN ledger.account a ON a.id = p.account_id AND a.kind = 'receivable' WHERE p.entry_id = :entry_id
    """
)


async def owed_for(session: Session, entry_id: int) -> int:
    """What of an entry its customer owes, because the wallet did not hold it; in micro-units."""
    owed: int = (await session.execute(_OWED, {"entry_id": entry_id})).scalar_one()
    return owed
