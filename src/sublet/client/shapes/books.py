"""Months of the books, and what an accountant asks of them."""

from typing import TypedDict

from sublet.client.shapes.amounts import Action, Money


class Month(TypedDict):
    """A month from `starts_at` until before `ends_at`; `state` is open or closed."""

    month: str
    starts_at: str
    ends_at: str
    state: str
    closed_at: str | None
    closed_by: str | None
    actions: list[Action]


class MonthLine(TypedDict):
    """What the accounts of one kind came to in a month."""

    account: str
    opening: Money
    debits: Money
    credits: Money
    closing: Money


class MonthReport(TypedDict):
    """What a month came to, by account."""

    month: Month
    lines: list[MonthLine]


class TrialLine(TypedDict):
    """What the accounts of one kind have, on the one side or the other."""

    account: str
    debit: Money
    credit: Money


class TrialBalance(TypedDict):
    """Every account just before `at`."""

    at: str
    lines: list[TrialLine]


class Unspent(TypedDict):
    """What customers had unspent in one currency: `paid` is deferred revenue."""

    organizations: int
    paid: Money
    promo: Money
    owed: Money


class DeferredRevenue(TypedDict):
    """What all customers had unspent just before `at`."""

    at: str
    lines: list[Unspent]


class RevenueLine(TypedDict):
    """What one SKU brought in on one node in one month."""

    month: str
    sku_id: str
    node_id: str | None
    meter_kind: str
    amount: Money


class RevenueReport(TypedDict):
    """Revenue of usage from the first of the months to the last."""

    first: str
    last: str
    lines: list[RevenueLine]


class Balances(TypedDict):
    """A customer's accounts at one time."""

    wallet: Money
    promo: Money
    owed: Money


class StatementLine(TypedDict):
    """One line on a customer's accounts; `corrects` names the closed month that it is about."""

    entry_id: str
    effective_at: str
    recorded_at: str
    kind: str
    account: str
    description: str
    amount: Money
    corrects: str | None


class Statement(TypedDict):
    """A customer's accounts from `since` until before `until`, oldest line first."""

    organization_id: str
    currency: str
    since: str
    until: str
    opening: Balances
    closing: Balances
    lines: list[StatementLine]


class UnmeteredLine(TypedDict):
    """Unproven time of one customer on one node, and what it would have cost."""

    node_id: str | None
    organization_id: str
    intervals: int
    subjects: int
    seconds: int
    forgone: Money
    last_at: str


class UnmeteredReport(TypedDict):
    """Who had time that nobody could prove, the longest first."""

    since: str
    until: str
    lines: list[UnmeteredLine]
