"""Refunds, requests for them and adjustments, as the API shows and takes them."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from sublet.approvals.schemas import ApprovalOut
from sublet.core.actions import ActionOut
from sublet.core.display_names import ONE_LINE
from sublet.core.money import CurrencyCode, Money, MoneyField
from sublet.payments.adjustments import Adjustment
from sublet.payments.refund_requests.requests import RequestRow
from sublet.payments.refund_requests.states import RefundRequestState
from sublet.payments.refunds.refundable import Payment
from sublet.payments.refunds.requests import RefundRow
from sublet.payments.refunds.states import RefundState

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=ONE_LINE)]
Amount = Annotated[str, StringConstraints(max_length=24)]


class PaymentOut(BaseModel):
    """A payment by card, what became of it, and what of it can go back to its card; `reason` says why nothing can.

    `available` is what is free in the wallet: no more than that can go back.
    """

    top_up_id: str
    paid_at: datetime
    paid: MoneyField
    spent: MoneyField
    refunded: MoneyField
    disputed: MoneyField
    available: MoneyField
    refundable: MoneyField
    reason: str | None
    actions: list[ActionOut]

    @classmethod
    def of(cls, one: Payment, actions: list[ActionOut]) -> Self:
        """The payment as shown."""
        return cls(
            top_up_id=one.top_up.id,
            paid_at=one.top_up.completed_at,
            paid=one.lot.paid.field(),
            spent=one.lot.spent.field(),
            refunded=one.lot.refunded.field(),
            disputed=one.lot.disputed.field(),
            available=one.lot.free.field(),
            refundable=one.refundable.field(),
            reason=None if one.refusal is None else one.refusal.reason,
            actions=actions,
        )


class RefundOut(BaseModel):
    """Money that goes back to the card it came from; `origin` says whether it was asked for here.

    `owed` is what of it the wallet did not hold, because it was spent.
    """

    id: str
    organization_id: str
    top_up_id: str
    request_id: str | None
    origin: Literal["operator", "processor"]
    requested_by: str
    amount: MoneyField
    owed: MoneyField
    reason: str
    state: RefundState
    failure: str | None
    created_at: datetime
    completed_at: datetime | None

    @classmethod
    def of(cls, row: RefundRow) -> Self:
        """The refund as shown."""
        return cls(
            id=row.id,
            organization_id=row.organization_id,
            top_up_id=row.top_up_id,
            request_id=row.request_id,
            origin=row.origin,
            requested_by=row.requested_by_name,
            amount=Money(row.amount, row.currency).field(),
            owed=Money(row.owed, row.currency).field(),
            reason=row.reason,
            state=row.state,
            failure=row.failure_code,
            created_at=row.created_at,
            completed_at=row.completed_at,
        )


class NewRefund(BaseModel):
    """Which payment to send back, how much of it, and why."""

    model_config = ConfigDict(extra="forbid")

    top_up_id: Annotated[str, StringConstraints(max_length=64)]
    amount: Amount = Field(examples=["10.00"], description="In the payment's currency, in whole cents.")
    reason: Words


class BegunRefundOut(BaseModel):
    """The refund that has begun; or, while it is null, the approval that somebody else has to give first."""

    refund: RefundOut | None
    approval: ApprovalOut | None


class NewRefundRequest(BaseModel):
    """Which payment to have back, how much of it, and why."""

    model_config = ConfigDict(extra="forbid")

    top_up_id: Annotated[str, StringConstraints(max_length=64)]
    amount: Amount = Field(examples=["10.00"], description="In the payment's currency, in whole cents.")
    reason: Words


class RefundRequestOut(BaseModel):
    """What a customer asks to have back, and what was decided."""

    id: str
    organization_id: str
    top_up_id: str
    amount: MoneyField
    reason: str
    state: RefundRequestState
    decision: str | None
    decided_at: datetime | None
    created_at: datetime
    actions: list[ActionOut]

    @classmethod
    def of(cls, row: RequestRow, actions: list[ActionOut]) -> Self:
        """The request as shown."""
        return cls(
            id=row.id,
            organization_id=row.organization_id,
            top_up_id=row.top_up_id,
            amount=Money(row.amount, row.currency).field(),
            reason=row.reason,
            state=row.state,
            decision=row.decision,
            decided_at=row.decided_at,
            created_at=row.created_at,
            actions=actions,
        )


class RequestDecision(BaseModel):
    """What the customer reads."""

    model_config = ConfigDict(extra="forbid")

    decision: Words


class GrantedOut(BaseModel):
    """The request, and the refund that has begun; or the approval that somebody else has to give first."""

    request: RefundRequestOut
    refund: RefundOut | None
    approval: ApprovalOut | None


class NewAdjustment(BaseModel):
    """A correction within the books: no money moves at the card processor, which a refund is for."""

    model_config = ConfigDict(extra="forbid")

    organization_id: Annotated[str, StringConstraints(max_length=64)]
    direction: Literal["give", "take"] = Field(
        description="What is given pays what is owed and is credit beyond that; what is taken comes from credit first."
    )
    amount: Amount = Field(examples=["10.00"])
    currency: CurrencyCode
    reason: Words


class AdjustmentOut(BaseModel):
    """A correction that is in the books."""

    id: str
    organization_id: str
    direction: Literal["give", "take"]
    amount: MoneyField
    reason: str
    entry_id: int

    @classmethod
    def of(cls, one: Adjustment) -> Self:
        """The adjustment as shown."""
        return cls(
            id=one.id,
            organization_id=one.organization_id,
            direction=one.direction,
            amount=one.amount.field(),
            reason=one.reason,
            entry_id=one.entry_id,
        )


class MadeAdjustmentOut(BaseModel):
    """The adjustment; or, while it is null, the approval that somebody else has to give first."""

    adjustment: AdjustmentOut | None
    approval: ApprovalOut | None
