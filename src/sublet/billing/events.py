"""What billing tells the rest of the house."""

from datetime import datetime
from typing import ClassVar

from sublet.core.outbox import Event


class WalletLow(Event):
    """An organization's money comes to its end; told once for each threshold. `suspend_at` is
    when the grace ends."""

    type: ClassVar[str] = "wallet.low"

    threshold: str
    runway_seconds: int
    suspend_at: datetime | None = None
