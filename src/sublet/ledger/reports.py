"""What the books say at any past time, by the entries' own times: the trial balance, and one customer's statement."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from sublet.core.db import Session
from sublet.core.money import Money

MOST_LINES = 10_000
"""How many lines a statement has; one of a longer time is asked for in parts."""


@dataclass(frozen=True, slots=True)
class Account:
    """What the accounts of one kind have in a currency: debit or credit, whichever is more."""

    kind: str
    currency: str
    balance: int

    @property
    def debit(self) -> Money:
        """What is on the debit side: what we have, and what it cost."""
        return Money(max(-self.balance, 0), self.currency)

    @property
    def credit(self) -> Money:
        """What is on the credit side: what we owe, and what we earned."""
        return Money(max(self.balance, 0), self.currency)


@dataclass(frozen=True, slots=True)
class Unspent:
    """What customers have paid or been given and not used: paid-in money is revenue that is still to be earned."""

    currency: str
    organizations: int
    paid: Money
    promo: Money
    owed: Money


@dataclass(frozen=True, slots=True)
class Balances:
    """A customer's accounts at one time; what it owes is positive."""

    wallet: Money
    promo: Money
    owed: Money


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One line of an entry on one of a customer's accounts; `corrects` names the closed month that it is about."""

    entry_id: int
    effective_at: datetime
    recorded_at: datetime
    kind: str
    account: str
    description: str
    amount: Money
    corrects: str | None


@dataclass(frozen=True, slots=True)
class Statement:
    """A customer's accounts before and after some time, and every line between."""

    opening: Balances
    closing: Balances
    lines: list[StatementLine]


# What closed months came to is kept, so that only what came after the last of them is added up.
_TRIAL_BALANCE = text(
    """
    WITH closed AS (
      SELECT month, ends_at FROM ledger.month_close WHERE ends_at <= :at ORDER BY ends_at DESC LIMIT 1
    )
    SELECT kind::text AS kind, currency, sum(balance)::numeric AS balance
      FROM (SELECT t.kind, t.currency, t.opening + t.credits - t.debits AS balance
              FROM ledger.month_total t JOIN closed ON closed.month = t.month
            UNION ALL
            SELECT m.kind, m.currency, m.credits - m.debits
              FROM ledger.moved_between(coalesce((SELECT ends_at FROM closed), '-infinity'), :at) m) parts
     GROUP BY kind, currency HAVING sum(balance) <> 0
     ORDER BY currency, kind
    """
)
_UNSPENT = text(
    """
    SELECT currency, count(*) FILTER (WHERE wallet <> 0 OR promo <> 0 OR owed <> 0) AS organizations,
           sum(wallet) AS paid, sum(promo) AS promo, sum(owed) AS owed
      FROM (SELECT a.owner_id, a.currency,
                   coalesce(sum(p.amount) FILTER (WHERE a.kind = 'wallet'), 0) AS wallet,
                   coalesce(sum(p.amount) FILTER (WHERE a.kind = 'promo'), 0) AS promo,
                   coalesce(-sum(p.amount) FILTER (WHERE a.kind = 'receivable'), 0) AS owed
              FROM ledger.account a
              JOIN ledger.posting p ON p.account_id = a.id
              JOIN ledger.ledger_entry e ON e.id = p.entry_id AND e.effective_at < :at
             WHERE a.owner_id IS NOT NULL GROUP BY a.owner_id, a.currency) each
     GROUP BY currency ORDER BY currency
    """
)
_BALANCES = text(
    """
    SELECT coalesce(sum(p.amount) FILTER (WHERE a.kind = 'wallet'), 0)::bigint AS wallet,
           coalesce(sum(p.amount) FILTER (WHERE a.kind = 'promo'), 0)::bigint AS promo,
           coalesce(-sum(p.amount) FILTER (WHERE a.kind = 'receivable'), 0)::bigint AS owed
      FROM ledger.account a
      JOIN ledger.posting p ON p.account_id = a.id
      JOIN ledger.ledger_entry e ON e.id = p.entry_id AND e.effective_at < :at
     WHERE a.owner_id = :organization_id AND a.currency = :currency
    """
)
_LINES = text(
    """
    SELECT e.id, e.effective_at, e.recorded_at, e.kind::text AS kind, a.kind::text AS account, e.description, p.amount,
           coalesce(c.month, reversed.month) AS corrects
      FROM ledger.account a
      JOIN ledger.posting p ON p.account_id = a.id
      JOIN ledger.ledger_entry e ON e.id = p.entry_id
      LEFT JOIN ledger.correction c ON c.entry_id = e.id
      LEFT JOIN ledger.ledger_entry r ON r.id = e.reverses_entry_id
      LEFT JOIN ledger.month_close reversed
        ON r.effective_at >= reversed.starts_at AND r.effective_at < reversed.ends_at
     WHERE a.owner_id = :organization_id AND a.currency = :currency
       AND e.effective_at >= :since AND e.effective_at < :until
     ORDER BY e.effective_at, e.id, p.line LIMIT :limit
    """
)


async def trial_balance(session: Session, at: datetime) -> list[Account]:
    """What every kind of account has just before a time, by currency; each currency adds up to zero."""
    found = await session.execute(_TRIAL_BALANCE, {"at": at})
    return [Account(row.kind, row.currency, int(row.balance)) for row in found]


async def unspent(session: Session, at: datetime) -> list[Unspent]:
    """What all customers had unspent just before a time: deferred revenue, by currency."""
    return [
        Unspent(
            row.currency,
            row.organizations,
            Money(int(row.paid), row.currency),
            Money(int(row.promo), row.currency),
            Money(int(row.owed), row.currency),
        )
        for row in await session.execute(_UNSPENT, {"at": at})
    ]


async def balances(session: Session, organization_id: str, *, currency: str, at: datetime) -> Balances:
    """A customer's accounts just before a time; zero of what it never had."""
    asked = {"organization_id": organization_id, "currency": currency, "at": at}
    row = (await session.execute(_BALANCES, asked)).one()
    return Balances(Money(row.wallet, currency), Money(row.promo, currency), Money(row.owed, currency))


async def statement(
    session: Session, organization_id: str, *, currency: str, since: datetime, until: datetime
) -> Statement:
    """A customer's accounts from one time until another, oldest first; at most one line more than `MOST_LINES`.

    The session is a snapshot (`Database.snapshot`): what is settled late is posted at its own time, so that a batch
    which commits between two statements would be in the closing balance and in no line.
    """
    asked = {"organization_id": organization_id, "currency": currency, "since": since, "until": until}
    found = await session.execute(_LINES, {**asked, "limit": MOST_LINES + 1})
    lines = [
        StatementLine(
            row.id,
            row.effective_at,
            row.recorded_at,
            row.kind,
            row.account,
            row.description,
            Money(row.amount, currency),
            row.corrects,
        )
        for row in found
    ]
    return Statement(
        await balances(session, organization_id, currency=currency, at=since),
        await balances(session, organization_id, currency=currency, at=until),
        lines,
    )
