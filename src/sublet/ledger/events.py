"""What the ledger tells the rest of the house."""

from typing import ClassVar

from sublet.core.money import MoneyField
from sublet.core.outbox import Event


class WalletChanged(Event):
    """Money came, went, or was set aside."""

    type: ClassVar[str] = "wallet.changed"

    organization_id: str
    balance: MoneyField
    held: MoneyField
    available: MoneyField
