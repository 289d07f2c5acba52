"""Credits: promotional money, spent before paid-in money, by soonest expiry and then by age; never refunded."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from sublet.core.db import Session
from sublet.core.money import Money
from sublet.ledger import entries, wallets
from sublet.ledger.entries import LedgerEntry
from sublet.ledger.functions import call, call_for_id


@dataclass(frozen=True, slots=True)
class CreditLot:
    """Promotional money that was given at one time: what is left of it now, and what had expired when it ended.

    `given_at` is None for what was given before there were lots.
    """

    id: int
    amount: Money
    left: Money
    expired: Money
    expires_at: datetime | None
    given_at: datetime | None
    reason: str


# What has expired and is not posted yet is not left: only what was delivered before can still be paid by it.
_NEWEST = text(
    """
    SELECT l.id, l.amount, l.expired, l.expires_at, e.effective_at, coalesce(e.description, 'Credit') AS description,
           CASE WHEN (l.expires_at < clock_timestamp()) IS TRUE THEN 0 ELSE coalesce(c.remains, 0) END AS remains
      FROM ledger.wallet w
      JOIN ledger.balance p ON p.account_id = w.promo_id
      JOIN ledger.promo_lot l ON l.wallet_id = w.id
      LEFT JOIN ledger.ledger_entry e ON e.id = l.entry_id
      LEFT JOIN ledger.left_of_lots(w.id, p.balance) c ON c.lot_id = l.id
     WHERE w.owner_id = :organization_id AND w.currency = :currency
       AND l.id < coalesce(CAST(:before AS bigint), l.id + 1)
     ORDER BY l.id DESC LIMIT :limit
    """
)


async def newest(
    session: Session, organization_id: str, *, currency: str, before: int | None, limit: int
) -> Sequence[CreditLot]:
    """Up to `limit` credits of the organization older than the lot `before`, newest first."""
    about = {"organization_id": organization_id, "currency": currency, "before": before, "limit": limit}
    return [
        CreditLot(
            row.id,
            Money(row.amount, currency),
            Money(row.remains, currency),
            Money(row.expired, currency),
            row.expires_at,
            row.effective_at,
            row.description,
        )
        for row in await session.execute(_NEWEST, about)
    ]


@dataclass(frozen=True, slots=True)
class Expiring:
    """Credit that can be spent until a time."""

    amount: Money
    at: datetime


_EXPIRES_NEXT = text(
    """
    SELECT sum(c.remains)::bigint AS remains, l.expires_at
      FROM ledger.wallet w
      JOIN ledger.balance p ON p.account_id = w.promo_id
     CROSS JOIN LATERAL ledger.left_of_lots(w.id, p.balance) c
      JOIN ledger.promo_lot l ON l.id = c.lot_id
     WHERE w.owner_id = :organization_id AND w.currency = :currency
       AND c.remains > 0 AND l.expires_at >= clock_timestamp()
     GROUP BY l.expires_at ORDER BY l.expires_at LIMIT 1
    """
)


async def next_to_expire(session: Session, organization_id: str, *, currency: str) -> Expiring | None:
    """What of the organization's credit expires next, as much as is left of it; None where none will."""
    about = {"organization_id": organization_id, "currency": currency}
    row = (await session.execute(_EXPIRES_NEXT, about)).one_or_none()
    return None if row is None else Expiring(Money(row.remains, currency), row.expires_at)


async def grant(
    session: Session,
    organization_id: str,
    amount: Money,
    *,
    idempotency_key: str,
    reason: str,
    expires_at: datetime | None = None,
    source: tuple[str, str] | None = None,
) -> LedgerEntry:
    """Give promotional money, a lot of its own; the customer reads the reason. It pays no debt.

    `source` is what it comes from, by type and id. Without `expires_at` it never expires.
    """
    entry_id = await call_for_id(
        session,
        "grant_credit",
        owner=organization_id,
        currency=amount.currency,
        amount=amount.micro,
        key=idempotency_key,
        description=reason,
        expires_at=expires_at,
        source_type=source[0] if source is not None else None,
        source_id=source[1] if source is not None else None,
    )
    await wallets.announce(session, organization_id, currency=amount.currency)
    return await entries.get(session, entry_id)


async def serve(
    session: Session, organization_id: str, amount: Money, *, idempotency_key: str, reason: str, source_id: str
) -> LedgerEntry:
    """Credit a customer for what was promised and not delivered, out of revenue; the customer reads the reason.

    The same key once more posts nothing, and another amount for it is an error. `source_id` is the allocation's.
    """
    entry_id = await call_for_id(
        session,
        "service_credit",
        owner=organization_id,
        currency=amount.currency,
        amount=amount.micro,
        key=idempotency_key,
        description=reason,
        source_id=source_id,
    )
    await wallets.announce(session, organization_id, currency=amount.currency)
    return await entries.get(session, entry_id)


# The lots of one wallet are few, so no index of the sources of all entries is needed.
_SERVED = text(
    """
    SELECT coalesce(sum(l.amount), 0)::bigint
      FROM ledger.wallet w
      JOIN ledger.promo_lot l ON l.wallet_id = w.id
      JOIN ledger.ledger_entry e ON e.id = l.entry_id AND e.kind = 'service_credit' AND e.source_id = :source_id
     WHERE w.owner_id = :organization_id AND w.currency = :currency
       AND NOT EXISTS (SELECT FROM ledger.ledger_entry r WHERE r.reverses_entry_id = e.id)
    """
)


async def served(session: Session, organization_id: str, *, currency: str, source_id: str) -> Money:
    """What a customer was credited in all by `serve` for an allocation, less what was reversed."""
    about = {"organization_id": organization_id, "currency": currency, "source_id": source_id}
    return Money((await session.execute(_SERVED, about)).scalar_one(), currency)


async def expire(session: Session, lot_id: int, *, organization_id: str, currency: str) -> bool:
    """Post that a lot has expired, once; returns whether something was left of it.

    The caller has charged what was delivered before: nothing of the lot can pay for it any more.
    """
    posted = await call(session, "expire_credit", lot=lot_id, description="Credit expired")
    if posted is not None:
        await wallets.announce(session, organization_id, currency=currency)
    return posted is not None
