"""What happens to refunds, and to what customers ask to have back, told in the past tense."""

from typing import ClassVar

from sublet.core.money import MoneyField
from sublet.core.outbox import Event


class RefundBegun(Event):
    """Its money is out of the wallet, and on its way to the card."""

    type: ClassVar[str] = "refund.begun"

    refund_id: str
    top_up_id: str
    amount: MoneyField


class RefundSucceeded(Event):
    """The processor has sent it to the card."""

    type: ClassVar[str] = "refund.succeeded"

    refund_id: str
    top_up_id: str
    amount: MoneyField


class RefundFailed(Event):
    """It did not reach the card, or came back from there: its money is in the wallet again."""

    type: ClassVar[str] = "refund.failed"

    refund_id: str
    top_up_id: str
    amount: MoneyField


class RefundRequested(Event):
    """A customer asks to have a payment back."""

    type: ClassVar[str] = "refund_request.made"

    refund_request_id: str
    top_up_id: str
    amount: MoneyField


class RefundRequestDecided(Event):
    """Somebody decided on what a customer asked to have back; `granted` tells how."""

    type: ClassVar[str] = "refund_request.decided"

    refund_request_id: str
    top_up_id: str
    granted: bool
    decision: str
