"""What happens to top-ups, told in the past tense."""

from typing import ClassVar

from sublet.core.money import MoneyField
from sublet.core.outbox import Event


class TopUpSucceeded(Event):
    """The money has arrived and is in the wallet; `amount` is what was credited."""

    type: ClassVar[str] = "top_up.succeeded"

    top_up_id: str
    amount: MoneyField


class TopUpFailed(Event):
    """The top-up ended without a payment: refused, failed or left until its page expired."""

    type: ClassVar[str] = "top_up.failed"

    top_up_id: str
    amount: MoneyField


class TopUpNeedsAction(Event):
    """The bank wants the card's holder to confirm a charge that was made while they were not there."""

    type: ClassVar[str] = "top_up.needs_action"

    top_up_id: str
    amount: MoneyField
