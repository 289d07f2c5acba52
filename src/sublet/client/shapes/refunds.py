"""What goes back to cards: payments, refunds, requests for them, disputes; and adjustments, which do not."""

from typing import TypedDict

from sublet.client.shapes.amounts import Action, Money
from sublet.client.shapes.approvals import Approval


class Payment(TypedDict):
    """A payment by card, and what of it can go back to its card; `reason` says why nothing can."""

    top_up_id: str
    paid_at: str
    paid: Money
    spent: Money
    refunded: Money
    disputed: Money
    available: Money
    refundable: Money
    reason: str | None
    actions: list[Action]


class Refund(TypedDict):
    """Money that goes back to the card it came from; `owed` is what of it the wallet did not hold."""

    id: str
    organization_id: str
    top_up_id: str
    request_id: str | None
    origin: str
    requested_by: str
    amount: Money
    owed: Money
    reason: str
    state: str
    failure: str | None
    created_at: str
    completed_at: str | None


class BegunRefund(TypedDict):
    """The refund that has begun; or, while it is null, the approval that somebody else has to give first."""

    refund: Refund | None
    approval: Approval | None


class RefundRequest(TypedDict):
    """What a customer asks to have back, and what was decided."""

    id: str
    organization_id: str
    top_up_id: str
    amount: Money
    reason: str
    state: str
    decision: str | None
    decided_at: str | None
    created_at: str
    actions: list[Action]


class GrantedRequest(TypedDict):
    """The request, and the refund that has begun; or the approval that somebody else has to give first."""

    request: RefundRequest
    refund: Refund | None
    approval: Approval | None


class Adjustment(TypedDict):
    """A correction that is in the books."""

    id: str
    organization_id: str
    direction: str
    amount: Money
    reason: str
    entry_id: int


class MadeAdjustment(TypedDict):
    """The adjustment; or, while it is null, the approval that somebody else has to give first."""

    adjustment: Adjustment | None
    approval: Approval | None


class DisputeAnswer(TypedDict):
    """The newest answer to the bank, and whether the processor took it."""

    id: str
    answered_by_name: str
    created_at: str
    sent_at: str | None
    refusal: str | None


class Dispute(TypedDict):
    """What a card holder asked the bank to have back; an inquiry has moved no money."""

    id: str
    processor_id: str
    organization_id: str
    top_up_id: str
    amount: Money
    reason: str
    state: str
    taken: Money
    charged: Money
    owed: Money
    due_by: str | None
    disputed_at: str
    decided_at: str | None
    answer: DisputeAnswer | None
    actions: list[Action]
