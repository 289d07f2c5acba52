"""What billing tells the rest of the house."""

from datetime import datetime
from typing import ClassVar

from sublet.core.money import MoneyField
from sublet.core.outbox import Event


class WalletLow(Event):
    """An organization's money comes to its end; told once for each threshold. `suspend_at` is
    when the grace ends."""

    type: ClassVar[str] = "wallet.low"

    threshold: str
    runway_seconds: int
    suspend_at: datetime | None = None


class DataClockAnnounced(Event):
    """Nobody pays for what is suspended: without a top-up it is released at `deletes_at`, in `days` days or less, and
    its data are deleted. Told when the clock begins and 7, 3 and 1 day before its end."""

    type: ClassVar[str] = "data_clock.announced"

    currency: str
    deletes_at: datetime
    days: int


class DataClockStopped(Event):
    """Money came in, or nothing is kept any more: nothing is deleted."""

    type: ClassVar[str] = "data_clock.stopped"

    currency: str


class CreditExpiring(Event):
    """So much promotional money is lost at `expires_at`, in `days` days or less, unless it is spent before. Told a week
    and a day before."""

    type: ClassVar[str] = "credit.expiring"

    amount: MoneyField
    expires_at: datetime
    days: int


class SpendingLimitSet(Event):
    """Somebody has set or cleared a spending limit; `amount` is null where there is none any more."""

    type: ClassVar[str] = "spending_limit.set"

    scope: str
    subject_id: str | None
    amount: MoneyField | None


class SpendingLimitEvent(Event):
    """Base of what becomes of a limit: `spent` of `amount` in the period that is over at `ends_at`.

    `scope` is `day`, `month` or `allocation`, of which `subject_id` is the one; that has no period.
    """

    scope: str
    subject_id: str | None
    subject_name: str | None
    amount: MoneyField
    spent: MoneyField
    ends_at: datetime | None


class SpendingAlerted(SpendingLimitEvent):
    """So many percent of a spending limit are spent; told once for each threshold in each period."""

    type: ClassVar[str] = "spending.alerted"

    percent: int


class SpendingLimitReached(SpendingLimitEvent):
    """A spending limit is reached: what runs under it is suspended, nothing is launched, and data are kept."""

    type: ClassVar[str] = "spending_limit.reached"
