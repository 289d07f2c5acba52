"""Payouts as operators see them."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel
from sqlalchemy import Row

from sublet.core.money import Money, MoneyField
from sublet.payments.payouts.payouts import Payout
from sublet.payments.payouts.states import PayoutState


class PayoutOut(BaseModel):
    """Money that the processor sent to the bank, or fetched from it where it is below zero.

    `left` is what left the processor's balance for it (nothing, if that was not seen within an hour), `made_of` what
    its transactions add up to: null while that is not known yet, or never is, as for one that was asked for by hand.
    `off_by` is how far they are from its amount, null where they are not.
    """

    id: str
    processor_id: str
    amount: MoneyField
    automatic: bool
    state: PayoutState
    arrives_on: datetime
    failure: str | None
    created_at: datetime
    ended_at: datetime | None
    left: MoneyField | None
    made_of: MoneyField | None
    off_by: MoneyField | None

    @classmethod
    def of(cls, one: Payout, **more: Any) -> Self:
        """The payout as shown."""
        return cls(
            id=one.id,
            processor_id=one.processor_id,
            amount=one.amount.field(),
            automatic=one.automatic,
            state=one.state,
            arrives_on=one.arrives_on,
            failure=one.failure,
            created_at=one.created_at,
            ended_at=one.ended_at,
            left=None if one.left is None else one.left.field(),
            made_of=None if one.made_of is None else one.made_of.field(),
            off_by=None if one.off_by is None else one.off_by.field(),
            **more,
        )


class PayoutChangeOut(BaseModel):
    """One change of a payout's state."""

    previous: PayoutState
    next: PayoutState
    reason: str
    at: datetime

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """The change as shown."""
        return cls(previous=row.previous, next=row.next, reason=row.reason, at=row.at)


class PayoutDetailOut(PayoutOut):
    """A payout with all that became of it, oldest first."""

    history: list[PayoutChangeOut]


class PayoutTransactionOut(BaseModel):
    """A balance transaction that a payout is made of; `net` is its amount less its fee, and what it adds.

    `whose`: ours, or one that nothing in the books explains (`suspense`), or of another installation (`elsewhere`).
    """

    id: str
    type: str
    amount: MoneyField
    fee: MoneyField
    net: MoneyField
    source: str | None
    whose: Literal["ours", "suspense", "elsewhere"]
    created_at: datetime

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """The transaction as shown."""
        amount, fee = Money(row.amount, row.currency), Money(row.fee, row.currency)
        return cls(
            id=row.id,
            type=row.type,
            amount=amount.field(),
            fee=fee.field(),
            net=(amount - fee).field(),
            source=row.source,
            whose=row.whose,
            created_at=row.created_at,
        )
