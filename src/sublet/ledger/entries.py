"""Entries of the books, and the customer's view of them: each line that touched the organization's accounts."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select, text

from sublet.core.db import Session
from sublet.core.errors import NotFound
from sublet.core.money import Money
from sublet.ledger import wallets
from sublet.ledger.functions import call_for_id
from sublet.ledger.models import ledger_entry

Position = tuple[int, int, int]
"""Where a list goes on: below these places in the chains of wallet, promo and receivable."""

START: Position = (2**62, 2**62, 2**62)


@dataclass(frozen=True, slots=True)
class LineFilter:
    """Which lines are wanted: of a kind, from one time until another, and with a text in their description, or of one
    of the `entry_ids`, of which somebody else knows that they have it. None means any."""

    kind: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None
    entry_ids: Collection[int] = ()


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One balanced entry, without its lines."""

    id: int
    kind: str
    description: str
    source_type: str | None
    source_id: str | None
    effective_at: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class WalletLine:
    """One line of an entry on the organization's wallet, promo account or receivable; positive is in its favour."""

    entry: LedgerEntry
    account: str
    amount: Money
    balance_after: Money
    next_position: Position


_ENTRY = select(
    ledger_entry.c.id,
    ledger_entry.c.kind,
    ledger_entry.c.description,
    ledger_entry.c.source_type,
    ledger_entry.c.source_id,
    ledger_entry.c.effective_at,
    ledger_entry.c.recorded_at,
).where(ledger_entry.c.id == bindparam("id"))

# Entry ids grow along the chain of each account, because they are drawn while its wallet is locked.
_LINES = text(
    """
    SELECT e.id, e.kind::text AS kind, e.description, e.source_type, e.source_id, e.effective_at, e.recorded_at,
           a.account, l.amount, l.balance_after, l.account_seq, w.currency
      FROM ledger.wallet w
     CROSS JOIN LATERAL (VALUES (w.id, 'wallet', CAST(:wallet_seq AS bigint)),
                                (w.promo_id, 'promo', CAST(:promo_seq AS bigint)),
                                (w.receivable_id, 'receivable', CAST(:receivable_seq AS bigint))
                        ) AS a(account_id, account, before_seq)
     CROSS JOIN LATERAL (SELECT p.entry_id, p.line, p.amount, p.balance_after, p.account_seq
                           FROM ledger.posting p JOIN ledger.ledger_entry found ON found.id = p.entry_id
                          WHERE p.account_id = a.account_id AND p.account_seq < a.before_seq
                            AND (CAST(:kind AS text) IS NULL OR found.kind::text = :kind)
                            AND (CAST(:since AS timestamptz) IS NULL OR found.effective_at >= :since)
                            AND (CAST(:until AS timestamptz) IS NULL OR found.effective_at < :until)
                            AND (CAST(:text AS text) IS NULL OR strpos(lower(found.description), lower(:text)) > 0
                                 OR found.id = ANY(CAST(:entry_ids AS bigint[])))
                          ORDER BY p.account_seq DESC LIMIT :limit) l
      JOIN ledger.ledger_entry e ON e.id = l.entry_id
     WHERE w.owner_id = :organization_id AND w.currency = :currency
     ORDER BY l.entry_id DESC, l.line DESC
     LIMIT :limit
    """
)
_PLACES = ("wallet", "promo", "receivable")


async def get(session: Session, entry_id: int) -> LedgerEntry:
    """One entry; NotFound if there is none of that id."""
    row = (await session.execute(_ENTRY, {"id": entry_id})).one_or_none()
    if row is None:
        raise NotFound("ledger entry", str(entry_id))
    return LedgerEntry(*row)


async def list_for(
    session: Session,
    organization_id: str,
    *,
    currency: str,
    limit: int,
    before: Position | None = None,
    wanted: LineFilter = LineFilter(),
) -> list[WalletLine]:
    """The organization's newest lines first, below `before` (the `next_position` of the last line seen)."""
    position = list(before or START)
    found = await session.execute(
        _LINES,
        {
            "organization_id": organization_id,
            "currency": currency,
            "limit": limit,
            "kind": wanted.kind,
            "since": wanted.since,
            "until": wanted.until,
            "text": wanted.text,
            "entry_ids": list(wanted.entry_ids),
            **{f"{place}_seq": seq for place, seq in zip(_PLACES, position, strict=True)},
        },
    )
    lines = []
    for row in found:
        position[_PLACES.index(row.account)] = row.account_seq
        lines.append(
            WalletLine(
                LedgerEntry(
                    row.id,
                    row.kind,
                    row.description,
                    row.source_type,
                    row.source_id,
                    row.effective_at,
                    row.recorded_at,
                ),
                row.account,
                Money(row.amount, row.currency),
                Money(row.balance_after, row.currency),
                (position[0], position[1], position[2]),
            )
        )
    return lines


_OWNERS = text(
    """
    SELECT DISTINCT a.owner_id, a.currency
      FROM ledger.posting p JOIN ledger.account a ON a.id = p.account_id
     WHERE p.entry_id = :id AND a.owner_id IS NOT NULL
    """
)


async def reverse(session: Session, entry_id: int, *, idempotency_key: str, reason: str) -> LedgerEntry:
    """Post the opposite of an entry, once; InsufficientFunds if a customer no longer has what it would take back."""
    reversal = await call_for_id(session, "reverse", entry=entry_id, key=idempotency_key, description=reason)
    for row in await session.execute(_OWNERS, {"id": entry_id}):
        await wallets.announce(session, row.owner_id, currency=row.currency)
    return await get(session, reversal)
