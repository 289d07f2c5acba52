"""What happens to what customers ask to have back, told in the past tense."""

from typing import ClassVar

from sublet.core.money import MoneyField
from sublet.core.outbox import Event


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
