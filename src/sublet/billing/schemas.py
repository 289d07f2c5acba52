"""What billing shows over HTTP."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from sublet.billing.by_day import Day, Forecast, MonthUsage
from sublet.billing.policy import Policy
from sublet.billing.purposes import Purposes
from sublet.billing.spend import Scope, SpendingLimit, Suspended
from sublet.billing.usage import Charge
from sublet.catalog.prices import Price
from sublet.catalog.skus import Sku
from sublet.core.actions import ActionOut
from sublet.core.money import CurrencyCode, MoneyField, RateField
from sublet.ledger.entries import LedgerEntry, WalletLine


class ExpiringOut(BaseModel):
    """Credit that can be spent until a time."""

    amount: MoneyField
    at: datetime


class WalletOut(BaseModel):
    """What the organization has and how long it lasts; `runway_seconds` ends where the grace begins.

    At `data_kept_until` what is suspended and unpaid is released, and its data are deleted. Funds that let it run again
    cancel that; a top-up that pays what is owed and no more moves it, and a smaller one does so once.
    `credit_expires` is what of `promo` expires next; null where none of it does.
    """

    organization_id: str
    currency: str
    balance: MoneyField
    held: MoneyField
    available: MoneyField
    promo: MoneyField
    receivable: MoneyField
    burn_per_hour: RateField
    runway_seconds: int | None
    warning: str | None
    suspend_at: datetime | None
    data_kept_until: datetime | None
    credit_expires: ExpiringOut | None
    actions: list[ActionOut]


class SpendingLimitRequest(BaseModel):
    """What is to be spent at most, as a decimal amount above zero."""

    amount: Annotated[str, Field(max_length=40)]
    currency: CurrencyCode


class SuspendedOut(BaseModel):
    """An allocation that is suspended for a spending limit."""

    id: str
    name: str


class SpendingLimitOut(BaseModel):
    """A spending limit and how it stands; `id` is what names it: `day`, `month` or an allocation's.

    `spent` is what was delivered since `period_started_at`, charged or not yet; both times are null for an allocation,
    whose limit is for as long as it lives. While `reached`, nothing runs under it: `suspended` is what of it was
    suspended, and resumes by itself.
    """

    id: str
    scope: Scope
    subject_id: str | None
    subject_name: str | None
    amount: MoneyField
    spent: MoneyField
    left: MoneyField
    reached: bool
    suspended: list[SuspendedOut]
    period_started_at: datetime | None
    period_ends_at: datetime | None
    actions: list[ActionOut]

    @classmethod
    def of(
        cls, limit: SpendingLimit, actions: list[ActionOut], *, policy: Policy, waiting: Sequence[Suspended]
    ) -> "SpendingLimitOut":
        """The limit as the API shows it; `waiting` is all that is suspended for a limit of the organization."""
        reached = limit.is_reached(policy)
        return cls(
            id=limit.subject_id or limit.scope,
            scope=limit.scope,
            subject_id=limit.subject_id,
            subject_name=limit.subject_name,
            amount=limit.amount.field(),
            spent=limit.spent.field(),
            left=limit.left.field(),
            reached=reached,
            suspended=[SuspendedOut(id=one.id, name=one.name) for one in waiting if reached and limit.holds_back(one)],
            period_started_at=limit.started,
            period_ends_at=limit.ends,
            actions=actions,
        )


class SourceOut(BaseModel):
    """What an entry comes from. A settlement charges many organizations at once, and its id says nothing of any."""

    type: str
    id: str


class PurposeOut(BaseModel):
    """One subject of the organization that an entry charges for; `amount` is over all lines of the entry."""

    subject_id: str
    subject_name: str | None
    amount: MoneyField


class EntryOut(BaseModel):
    """One line on the organization's accounts; `amount` is signed, positive in the customer's favour.

    `purposes` are the subjects that the whole entry charges the organization for, dearest first, and `purpose_count`
    says how many there are; lines that are no usage have none.
    """

    id: str
    entry_id: str
    kind: str
    account: Literal["wallet", "promo", "receivable"]
    description: str
    effective_at: datetime
    recorded_at: datetime
    amount: MoneyField
    balance_after: MoneyField
    source: SourceOut | None
    purposes: list[PurposeOut]
    purpose_count: int

    @classmethod
    def of(cls, line: WalletLine, purposes: Purposes | None) -> "EntryOut":
        """The line as the API shows it."""
        entry = line.entry
        source = None
        if entry.source_type is not None and entry.source_id is not None:
            source = SourceOut(type=entry.source_type, id=entry.source_id)
        return cls(
            id=f"{entry.id}-{line.account}",
            entry_id=str(entry.id),
            kind=entry.kind,
            account=line.account,
            description=purposes.sentence() if purposes is not None else entry.description,
            effective_at=entry.effective_at,
            recorded_at=entry.recorded_at,
            amount=line.amount.field(),
            balance_after=line.balance_after.field(),
            source=source,
            purposes=[
                PurposeOut(subject_id=each.subject_id, subject_name=each.subject_name, amount=each.amount.field())
                for each in (purposes.dearest if purposes is not None else [])
            ],
            purpose_count=purposes.subjects if purposes is not None else 0,
        )


class EntryLineOut(BaseModel):
    """One line on the organization's accounts as a row of a file."""

    entry_id: str
    effective_at: datetime
    recorded_at: datetime
    kind: str
    account: str
    description: str
    amount: MoneyField
    balance_after: MoneyField

    @classmethod
    def of(cls, line: EntryOut) -> "EntryLineOut":
        """The same line, without what it is made of."""
        return cls(**line.model_dump(include=set(cls.model_fields)))


class ObservationsOut(BaseModel):
    """The run of observations that proves an interval: one after the other from `first_at` to `last_at`, in one boot
    (None where nobody noted it) of a node (None for what is on none)."""

    node_id: str | None
    boot_id: str | None
    first_at: datetime
    last_at: datetime
    count: int


class ChargeOut(BaseModel):
    """One delivered interval and what it cost; `observations` is missing for usage from before they were counted."""

    id: str
    period_start: datetime
    period_end: datetime
    seconds: int
    rate: RateField
    amount: MoneyField
    kind: str
    price_id: str
    evidence_at: datetime
    ledger_entry_id: str | None
    sku_id: str | None = None
    observations: ObservationsOut | None = None

    @classmethod
    def of(cls, charge: Charge) -> "ChargeOut":
        """The charge as the API shows it."""
        return cls(**_fields(charge))


class UsageOut(ChargeOut):
    """A charge with what it was for."""

    subject_id: str
    subject_name: str | None

    @classmethod
    def of(cls, charge: Charge) -> "UsageOut":
        """The charge as the API shows it."""
        return cls(**_fields(charge), subject_id=charge.subject_id, subject_name=charge.subject_name)


class KindOut(BaseModel):
    """What one kind of meter cost."""

    meter_kind: str
    amount: MoneyField


class DayOut(BaseModel):
    """What one day cost: what was delivered until its end, less what was taken back of it."""

    day: date
    amount: MoneyField
    kinds: list[KindOut]

    @classmethod
    def of(cls, day: Day) -> "DayOut":
        """The day as the API shows it."""
        kinds = [KindOut(meter_kind=kind, amount=amount.field()) for kind, amount in day.kinds.items()]
        return cls(day=day.day, amount=day.amount.field(), kinds=kinds)


class ForecastOut(BaseModel):
    """What a month will have cost when it is over, if what is seen to run goes on.

    `accrued` is delivered and not charged yet, `per_hour` what runs costs; what nobody can prove is in neither.
    `within_funds` says whether the money lasts until then.
    """

    amount: MoneyField
    accrued: MoneyField
    per_hour: RateField
    within_funds: bool

    @classmethod
    def of(cls, forecast: Forecast) -> "ForecastOut":
        """The forecast as the API shows it."""
        return cls(
            amount=forecast.amount.field(),
            accrued=forecast.accrued.field(),
            per_hour=forecast.burn.field(),
            within_funds=forecast.within_funds,
        )


class MonthUsageOut(BaseModel):
    """What a month of the books cost, day by day until its end or until today; only the present one has a forecast."""

    month: str
    starts_at: datetime
    ends_at: datetime
    charged: MoneyField
    days: list[DayOut]
    forecast: ForecastOut | None

    @classmethod
    def of(cls, found: MonthUsage) -> "MonthUsageOut":
        """The month as the API shows it."""
        return cls(
            month=found.month,
            starts_at=found.starts_at,
            ends_at=found.ends_at,
            charged=found.charged.field(),
            days=[DayOut.of(day) for day in found.days],
            forecast=None if found.forecast is None else ForecastOut.of(found.forecast),
        )


class ChargedSkuOut(BaseModel):
    """What was used: the SKU, which never changes."""

    id: str
    code: str
    name: str


class ChargedPriceOut(BaseModel):
    """The version of the SKU's price that the charge is by, and since when that is in force."""

    id: str
    per_hour: RateField
    suspended_per_hour: RateField
    disk_per_hour: RateField | None
    effective_at: datetime


class ChargedEntryOut(BaseModel):
    """The entry of the books that has the charge, with others where it was settled together with them."""

    id: str
    kind: str
    description: str
    effective_at: datetime
    recorded_at: datetime


class ExplainedChargeOut(UsageOut):
    """Why a charge is what it is: seconds that the observations prove, of a meter of that kind, at a version of the
    SKU's price, in an entry of the books (None for what rounds down to nothing)."""

    meter_kind: str
    sku: ChargedSkuOut
    price: ChargedPriceOut
    entry: ChargedEntryOut | None

    @classmethod
    def explained(cls, charge: Charge, sku: Sku, price: Price, entry: LedgerEntry | None) -> "ExplainedChargeOut":
        """The charge with everything that it rests on."""
        return cls(
            **_fields(charge),
            subject_id=charge.subject_id,
            subject_name=charge.subject_name,
            meter_kind=charge.meter_kind,
            sku=ChargedSkuOut(id=sku.id, code=sku.code, name=sku.name),
            price=ChargedPriceOut(
                id=price.id,
                per_hour=price.per_hour.field(),
                suspended_per_hour=price.suspended_per_hour.field(),
                disk_per_hour=None if price.disk_per_hour is None else price.disk_per_hour.field(),
                effective_at=price.effective_at,
            ),
            entry=None
            if entry is None
            else ChargedEntryOut(
                id=str(entry.id),
                kind=entry.kind,
                description=entry.description,
                effective_at=entry.effective_at,
                recorded_at=entry.recorded_at,
            ),
        )


def _fields(charge: Charge) -> dict[str, object]:
    return {
        "id": str(charge.id),
        "period_start": charge.period_start,
        "period_end": charge.period_end,
        "seconds": charge.seconds,
        "rate": charge.rate.field(),
        "amount": charge.amount.field(),
        "kind": charge.kind,
        "price_id": charge.price_id,
        "evidence_at": charge.evidence_at,
        "ledger_entry_id": None if charge.ledger_entry_id is None else str(charge.ledger_entry_id),
        "sku_id": charge.sku_id,
        "observations": _observations(charge),
    }


def _observations(charge: Charge) -> ObservationsOut | None:
    if charge.seen_from is None or charge.seen_count is None:
        return None
    return ObservationsOut(
        node_id=charge.node_id,
        boot_id=charge.boot_id,
        first_at=charge.seen_from,
        last_at=charge.evidence_at,
        count=charge.seen_count,
    )
