"""What happens to disputes, told in the past tense."""

from typing import ClassVar

from sublet.core.money import MoneyField
from sublet.core.outbox import Event


class DisputeChanged(Event):
    """A card holder asked the bank for a payment, or the bank went on with it; `state` is where it stands."""

    type: ClassVar[str] = "dispute.changed"

    dispute_id: str
    top_up_id: str
    state: str
    amount: MoneyField
