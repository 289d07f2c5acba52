"""What of an organization's payments can go back to their cards, and why no more."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select

from sublet.core.actions import Refusal
from sublet.core.currencies import micro_per_charge
from sublet.core.db import Session
from sublet.core.errors import Conflict
from sublet.core.money import Money
from sublet.ledger import refunds as ledger
from sublet.ledger.refunds import Lot
from sublet.payments.disputes.states import DisputeState
from sublet.payments.models import dispute, top_up
from sublet.payments.top_ups.states import TopUpState

TopUpRow = Row[tuple[Any, ...]]


class RefundNotPossible(Conflict):
    """Of the payment, this cannot go back to its card now."""

    code = "refund_not_possible"
    title = "This cannot be refunded"


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment and what of it can go back: in steps that its card can be paid in, and the rest stays in the wallet."""

    top_up: TopUpRow
    lot: Lot
    refundable: Money
    refusal: Refusal | None


async def payments(session: Session, organization_id: str, *, after: int | None, limit: int) -> list[Payment]:
    """An organization's payments, the oldest first: the next of them that is spent comes first too."""
    query = select(top_up).where(top_up.c.organization_id == organization_id, top_up.c.state == TopUpState.SUCCEEDED)
    if after is not None:
        query = query.where(top_up.c.seq > after)
    return await of_top_ups(session, (await session.execute(query.order_by(top_up.c.seq).limit(limit))).all())


async def of_top_ups(session: Session, rows: Sequence[TopUpRow]) -> list[Payment]:
    """What of each payment can go back; those that the books do not know are left out."""
    lots = await ledger.lots(session, [row.charge_id for row in rows])
    disputed = select(dispute.c.top_up_id).where(
        dispute.c.top_up_id.in_([row.id for row in rows]), dispute.c.state == DisputeState.OPEN
    )
    in_dispute = set((await session.execute(disputed)).scalars())
    return [
        _payment(row, lots[row.charge_id], in_dispute=row.id in in_dispute) for row in rows if row.charge_id in lots
    ]


def _payment(row: TopUpRow, lot: Lot, *, in_dispute: bool) -> Payment:
    step = micro_per_charge(row.currency)
    refundable = Money(0 if in_dispute else lot.refundable.micro // step * step, row.currency)
    return Payment(row, lot, refundable, _why_not(lot, refundable, in_dispute=in_dispute))


def _why_not(lot: Lot, refundable: Money, *, in_dispute: bool) -> Refusal | None:
    if in_dispute:
        return Refusal(
            RefundNotPossible,
            "The payment is disputed: the bank decides who has its money.",
            "Answer the dispute, and look again when it is won.",
        )
    if refundable.micro > 0:
        return None
    parts = [(lot.refunded, "has gone back already"), (lot.disputed, "was lost in a dispute"), (lot.spent, "is spent")]
    told = [f"{amount} {what}" for amount, what in parts if amount.micro > 0]
    left = lot.paid - lot.refunded - lot.disputed - lot.spent
    if left.micro > 0:
        told.append(f"{left} is set aside for what runs, or too little to go to a card")
    return Refusal(
        RefundNotPossible,
        f"Nothing is left of the {lot.paid} of this payment: {', '.join(told)}.",
        "Give credit by an adjustment, if the customer is to have something back.",
    )


def why_not_refund(payment: Payment, amount: Money) -> Refusal | None:
    """Why so much of a payment cannot go back to its card now."""
    if payment.refusal is not None:
        return payment.refusal
    if amount > payment.refundable:
        return Refusal(
            RefundNotPossible,
            f"{payment.refundable} of this payment can go back to its card, and {amount} is more: what is spent or set "
            "aside cannot.",
            "Refund less, or another payment.",
        )
    return None
