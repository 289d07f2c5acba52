"""Allocations as lists show them: rows that are made by the hundred, out of columns that need no checking.

They are dataclasses and no models: a model checks each value that it is made of, which took a third of a list's time.
"""

from dataclasses import dataclass
from datetime import datetime

from sublet.allocations.schemas import FailureOut, OperatorErrorOut, PlaceOut
from sublet.allocations.states import AllocationState
from sublet.core.money import MoneyField, RateField


@dataclass(slots=True)
class SkuSummaryOut:
    """Which shape it is."""

    id: str
    code: str
    name: str


@dataclass(slots=True)
class HourlyPriceOut:
    """The price that it was launched at."""

    per_hour: RateField


@dataclass(slots=True)
class SshCommandOut:
    """How to log in: the command for plain OpenSSH with a registered key."""

    command: str


@dataclass(slots=True)
class CostSummaryOut:
    """What it has cost in all, and what it costs now."""

    total: MoneyField
    rate: RateField


@dataclass(slots=True)
class FundsSummaryOut:
    """How long the wallet carries what runs; all null for what has ended.

    `data_kept_until` is when this allocation is released, and its data are deleted, unless enough comes in for it to
    run again; a smaller top-up moves it once.
    """

    runway_seconds: int | None
    warning: str | None
    data_kept_until: datetime | None


@dataclass(slots=True)
class AllocationSummaryOut:
    """An allocation in a list: all that a row shows. Ask for the one to learn what may be done with it."""

    id: str
    name: str
    state: AllocationState
    sku: SkuSummaryOut
    price: HourlyPriceOut
    node: PlaceOut | None
    ssh: SshCommandOut | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    delivered_seconds: int
    cost: CostSummaryOut
    funds: FundsSummaryOut
    labels: dict[str, str]


@dataclass(slots=True)
class OwnerOut:
    """The organization that an allocation belongs to."""

    id: str
    name: str


@dataclass(slots=True)
class AdminAllocationOut:
    """Anybody's allocation in a list: whose it is, and how long it has been in its state.

    `operator_error` is of the last attempt of what is done to it, until that succeeds.
    """

    id: str
    name: str
    state: AllocationState
    state_seconds: int
    organization: OwnerOut
    sku: SkuSummaryOut
    node: PlaceOut | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    failure: FailureOut | None
    operator_error: OperatorErrorOut | None
    delivered_seconds: int
    cost: CostSummaryOut
