"""What happens to payouts, told in the past tense."""

from typing import ClassVar

from sublet.core.money import MoneyField
from sublet.core.outbox import Event


class PayoutChanged(Event):
    """The processor sent money to the bank, or the bank went on with it; `state` is where it stands."""

    type: ClassVar[str] = "payout.changed"

    payout_id: str
    state: str
    amount: MoneyField
