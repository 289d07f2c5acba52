"""The wallet and its books. Amounts are decimal strings: never turn one into a float."""

from typing import Generic, TypedDict, TypeVar

from sublet.client.shapes.allocations import Charge
from sublet.client.shapes.amounts import Action, Money, Rate

T = TypeVar("T")


class Page(TypedDict, Generic[T]):
    """One page of a list; `next_cursor` is null on the last."""

    items: list[T]
    next_cursor: str | None


class Expiring(TypedDict):
    """Credit that can be spent until a time."""

    amount: Money
    at: str


class Wallet(TypedDict):
    """What an organization has, what is set aside, and how long it lasts at the present rate."""

    organization_id: str
    currency: str
    balance: Money
    held: Money
    available: Money
    promo: Money
    receivable: Money
    burn_per_hour: Rate
    runway_seconds: int | None
    warning: str | None
    suspend_at: str | None
    data_kept_until: str | None
    credit_expires: Expiring | None
    actions: list[Action]


class Source(TypedDict):
    """What an entry in the books comes from."""

    type: str
    id: str


class Purpose(TypedDict):
    """One subject (an allocation) that an entry charges for; `amount` is over all lines of the entry."""

    subject_id: str
    subject_name: str | None
    amount: Money


class Entry(TypedDict):
    """One line of the books: an entry on `account` (`wallet`, `promo` or `receivable`), of which it gives the balance.

    `amount` is signed, positive in the customer's favour. `purposes` are the subjects that the whole entry charges for,
    dearest first, and `purpose_count` says how many there are; an entry that is no usage has none.
    """

    id: str
    entry_id: str
    account: str
    kind: str
    description: str
    effective_at: str
    recorded_at: str
    amount: Money
    balance_after: Money
    source: Source | None
    purposes: list[Purpose]
    purpose_count: int


class Usage(Charge):
    """A charge with what it was for."""

    subject_id: str
    subject_name: str | None


class KindOfUsage(TypedDict):
    """What one kind of meter cost."""

    meter_kind: str
    amount: Money


class UsageOfDay(TypedDict):
    """What was delivered until the end of one day, less what was taken back of it."""

    day: str
    amount: Money
    kinds: list[KindOfUsage]


class Forecast(TypedDict):
    """What a month will have cost when it is over, if what is seen to run goes on."""

    amount: Money
    accrued: Money
    per_hour: Rate
    within_funds: bool


class MonthUsage(TypedDict):
    """What a month cost, day by day; only the present one has a forecast."""

    month: str
    starts_at: str
    ends_at: str
    charged: Money
    days: list[UsageOfDay]
    forecast: Forecast | None


class Observations(TypedDict):
    """The run of observations that proves an interval, in one boot of a node."""

    node_id: str | None
    boot_id: str | None
    first_at: str
    last_at: str
    count: int


class ChargedSku(TypedDict):
    """What was used."""

    id: str
    code: str
    name: str


class ChargedPrice(TypedDict):
    """The version of the SKU's price that a charge is by."""

    id: str
    per_hour: Rate
    suspended_per_hour: Rate
    effective_at: str


class ChargedEntry(TypedDict):
    """The entry of the books that has a charge."""

    id: str
    kind: str
    description: str
    effective_at: str
    recorded_at: str


class ExplainedCharge(Usage):
    """Why a charge is what it is; `entry` is None for what rounds down to nothing."""

    meter_kind: str
    sku: ChargedSku
    price: ChargedPrice
    entry: ChargedEntry | None
    observations: Observations | None


class TopUpFailure(TypedDict):
    """Why a card payment failed."""

    code: str
    message: str


class TopUp(TypedDict):
    """A card payment into the wallet; pay at `checkout_url` while it is pending.

    One with a `saved_card_id` is charged to that card; its holder confirms one that `needs_action`.
    """

    id: str
    purpose: str
    saved_card_id: str | None
    amount: Money
    state: str
    checkout_url: str | None
    failure: TopUpFailure | None
    fee: Money | None
    created_at: str
    completed_at: str | None
    actions: list[Action]


class SuspendedForLimit(TypedDict):
    """An allocation that is suspended for a spending limit, and resumes by itself."""

    id: str
    name: str


class SpendingLimit(TypedDict):
    """What is spent at most in a `day`, a `month`, or on one allocation, whose id is the limit's then; times are null
    there. While `reached`, nothing runs under it."""

    id: str
    scope: str
    subject_id: str | None
    subject_name: str | None
    amount: Money
    spent: Money
    left: Money
    reached: bool
    suspended: list[SuspendedForLimit]
    period_started_at: str | None
    period_ends_at: str | None
    actions: list[Action]


class CardSetup(TypedDict):
    """The saving of a card, at `checkout_url` while it is pending."""

    id: str
    state: str
    checkout_url: str | None
    failure: TopUpFailure | None
    created_at: str
    completed_at: str | None


class SavedCard(TypedDict):
    """A card that can be charged, as its holder knows it."""

    id: str
    brand: str
    last4: str
    expiry_month: int
    expiry_year: int
    is_default: bool
    saved_at: str
    actions: list[Action]


class AutoTopUp(TypedDict):
    """When and how much is charged by itself, and how that stands; amounts are null until somebody has set them."""

    currency: str
    enabled: bool
    threshold: Money | None
    amount: Money | None
    monthly_cap: Money | None
    charged_this_month: Money | None
    standing: str
    declines: int
    tries_again_at: str | None
    top_up_id: str | None
    actions: list[Action]
