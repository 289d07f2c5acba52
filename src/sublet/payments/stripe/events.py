"""What is told of the card processor."""

from typing import ClassVar

from sublet.core.money import MoneyField
from sublet.core.outbox import Event


class FraudWarned(Event):
    """A card's issuer says that a payment may be fraud: refunded now, it is not disputed later."""

    type: ClassVar[str] = "payments.fraud_warned"

    top_up_id: str
    customer_id: str
    amount: MoneyField


class CardsMisconfigured(Event):
    """The card processor does not accept our key: nobody can pay until an operator has seen to it."""

    type: ClassVar[str] = "payments.misconfigured"

    said: str
