"""Months and reports as the API shows them."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from sublet.billing.revenue import Revenue
from sublet.billing.unmetered_time import Unmetered
from sublet.core.actions import ActionOut
from sublet.core.money import Money, MoneyField
from sublet.ledger.months import Month, Total
from sublet.ledger.reports import Account, Balances, StatementLine, Unspent


class MonthOut(BaseModel):
    """A month of the books, from `starts_at` until before `ends_at`; nothing is posted into a closed one any more."""

    month: str
    starts_at: datetime
    ends_at: datetime
    state: Literal["open", "closed"]
    closed_at: datetime | None
    closed_by: str | None
    actions: list[ActionOut]

    @classmethod
    def of(cls, month: Month, actions: list[ActionOut]) -> "MonthOut":
        """The month as the API shows it."""
        return cls(
            month=month.month,
            starts_at=month.starts_at,
            ends_at=month.ends_at,
            state="open" if month.closed_at is None else "closed",
            closed_at=month.closed_at,
            closed_by=month.closed_by,
            actions=actions,
        )


class MonthLineOut(BaseModel):
    """What the accounts of one kind came to in a month; `opening` and `closing` are positive on the credit side."""

    account: str
    opening: MoneyField
    debits: MoneyField
    credits: MoneyField
    closing: MoneyField

    @classmethod
    def of(cls, total: Total) -> "MonthLineOut":
        """The line as the API shows it."""

        def money(micro: int) -> MoneyField:
            return Money(micro, total.currency).field()

        return cls(
            account=total.kind,
            opening=money(total.opening),
            debits=money(total.debits),
            credits=money(total.credits),
            closing=money(total.closing),
        )


class MonthReportOut(BaseModel):
    """What a month came to, by account: as it was closed, or as it stands so far."""

    month: MonthOut
    lines: list[MonthLineOut]


class TrialLineOut(BaseModel):
    """What the accounts of one kind have, on the one side or the other."""

    account: str
    debit: MoneyField
    credit: MoneyField

    @classmethod
    def of(cls, account: Account) -> "TrialLineOut":
        """The line as the API shows it."""
        return cls(account=account.kind, debit=account.debit.field(), credit=account.credit.field())


class TrialBalanceOut(BaseModel):
    """Every account just before `at`; in each currency debits and credits are the same sum."""

    at: datetime
    lines: list[TrialLineOut]


class UnspentOut(BaseModel):
    """What customers had unspent in one currency: `paid` is deferred revenue."""

    organizations: int
    paid: MoneyField
    promo: MoneyField
    owed: MoneyField

    @classmethod
    def of(cls, unspent: Unspent) -> "UnspentOut":
        """The line as the API shows it."""
        return cls(
            organizations=unspent.organizations,
            paid=unspent.paid.field(),
            promo=unspent.promo.field(),
            owed=unspent.owed.field(),
        )


class DeferredRevenueOut(BaseModel):
    """What all customers had unspent just before `at`."""

    at: datetime
    lines: list[UnspentOut]


class RevenueLineOut(BaseModel):
    """What one SKU brought in on one node in one month, less what was taken back in it."""

    month: str
    sku_id: str
    node_id: str | None
    meter_kind: str
    amount: MoneyField

    @classmethod
    def of(cls, revenue: Revenue) -> "RevenueLineOut":
        """The line as the API shows it."""
        return cls(
            month=revenue.month,
            sku_id=revenue.sku_id,
            node_id=revenue.node_id,
            meter_kind=revenue.meter_kind,
            amount=revenue.amount.field(),
        )


class RevenueOut(BaseModel):
    """Revenue of usage from the first of the months to the last."""

    first: str
    last: str
    lines: list[RevenueLineOut]


class BalancesOut(BaseModel):
    """A customer's accounts at one time."""

    wallet: MoneyField
    promo: MoneyField
    owed: MoneyField

    @classmethod
    def of(cls, balances: Balances) -> "BalancesOut":
        """The balances as the API shows them."""
        return cls(wallet=balances.wallet.field(), promo=balances.promo.field(), owed=balances.owed.field())


class StatementLineOut(BaseModel):
    """One line on a customer's accounts; `corrects` names the closed month that it is about."""

    entry_id: str
    effective_at: datetime
    recorded_at: datetime
    kind: str
    account: str
    description: str
    amount: MoneyField
    corrects: str | None

    @classmethod
    def of(cls, line: StatementLine) -> "StatementLineOut":
        """The line as the API shows it."""
        return cls(
            entry_id=str(line.entry_id),
            effective_at=line.effective_at,
            recorded_at=line.recorded_at,
            kind=line.kind,
            account=line.account,
            description=line.description,
            amount=line.amount.field(),
            corrects=line.corrects,
        )


class StatementOut(BaseModel):
    """A customer's accounts from `since` until before `until`, oldest line first."""

    organization_id: str
    currency: str
    since: datetime
    until: datetime
    opening: BalancesOut
    closing: BalancesOut
    lines: list[StatementLineOut]


class UnmeteredLineOut(BaseModel):
    """Unproven time of one customer on one node, and what it would have cost at the rate for running time."""

    node_id: str | None
    organization_id: str
    intervals: int
    subjects: int
    seconds: int
    forgone: MoneyField
    last_at: datetime

    @classmethod
    def of(cls, unmetered: Unmetered) -> "UnmeteredLineOut":
        """The line as the API shows it."""
        return cls(
            node_id=unmetered.node_id,
            organization_id=unmetered.organization_id,
            intervals=unmetered.intervals,
            subjects=unmetered.subjects,
            seconds=unmetered.seconds,
            forgone=unmetered.forgone.field(),
            last_at=unmetered.last_at,
        )


class UnmeteredOut(BaseModel):
    """Who had time that nobody could prove from `since` until `until`, the longest first."""

    since: datetime
    until: datetime
    lines: list[UnmeteredLineOut]
