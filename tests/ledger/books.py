"""Factories for tests of money: wallets, top-ups and holds, each with its own keys."""

from dataclasses import dataclass
from datetime import datetime
from itertools import count
from uuid import uuid4

from sqlalchemy import TextClause, text

from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.money import Money
from sublet.ledger import charges, credits, holds, reconcile, top_ups, wallets
from sublet.ledger.holds import Hold
from tests.support.waiting import until_async

_numbers = count(1)


def usd(text: str) -> Money:
    """An amount in dollars."""
    return Money.parse(text, "USD")


def key(prefix: str = "key") -> str:
    """A key that no other test uses."""
    return f"{prefix}_{next(_numbers)}_{uuid4().hex[:8]}"


async def new_wallet(session: Session, amount: str | None = None) -> str:
    """An organization with a wallet, topped up if an amount is given."""
    organization = key("org")
    await wallets.open_wallet(session, organization, currency="USD")
    if amount is not None:
        await top_up(session, organization, amount)
    return organization


async def top_up(session: Session, organization: str, amount: str) -> None:
    """A card payment that arrived."""
    await top_ups.credit(
        session, organization, usd(amount), payment_intent_id=key("pi"), charge_id=key("ch"), source_id=key("tu")
    )


async def new_hold(session: Session, organization: str, amount: str, *, currency: str = "USD") -> Hold:
    """Money set aside for a new subject."""
    money = Money.parse(amount, currency)
    return await holds.place(session, organization, money, subject_id=key("al"), idempotency_key=key())


async def assert_books_are_sound(session: Session) -> None:
    """Every check of the ledger finds nothing."""
    for result in await reconcile.run(session):
        assert result.ok, (result.name, result.findings)


async def grant(
    session: Session,
    organization: str,
    amount: str,
    *,
    idempotency_key: str | None = None,
    expires_at: datetime | None = None,
) -> int:
    """Promotional money that an operator gave; the entry's id."""
    given = await credits.grant(
        session,
        organization,
        usd(amount),
        idempotency_key=idempotency_key or key(),
        reason="Welcome",
        expires_at=expires_at,
    )
    return given.id


async def grant_that_ends(session: Session, organization: str, amount: str) -> int:
    """Promotional money that has expired by the time this returns; the entry's id."""
    given = text(
        "SELECT ledger.grant_credit(:organization, 'USD', :micro, :key, 'Welcome', "
        "clock_timestamp() + interval '100 milliseconds')"
    )
    about = {"organization": organization, "micro": usd(amount).micro, "key": key()}
    entry_id = int((await session.execute(given, about)).scalar_one())
    over = text("SELECT expires_at < clock_timestamp() FROM ledger.promo_lot WHERE entry_id = :entry_id")
    await until_async("the end of the credit", lambda: _is(session, over, entry_id))
    return entry_id


async def _is(session: Session, question: TextClause, entry_id: int) -> bool:
    return bool((await session.execute(question, {"entry_id": entry_id})).scalar_one())


async def lot_of(session: Session, entry_id: int) -> int:
    """The lot that an entry opened."""
    found = text("SELECT id FROM ledger.promo_lot WHERE entry_id = :entry_id")
    return int((await session.execute(found, {"entry_id": entry_id})).scalar_one())


async def charge(
    session: Session, hold_id: int, amount: str, *, overrun: bool = False, idempotency_key: str | None = None
) -> int:
    """Compute of a subject, charged out of its hold; the entry's id."""
    entry = await charges.capture(
        session,
        hold_id,
        usd(amount),
        meter_kind="compute",
        source_type="subject",
        source_id="al_1",
        idempotency_key=idempotency_key or key(),
        description="Usage",
        overrun=overrun,
    )
    return entry.id


async def charge_together(
    session: Session, amounts: dict[int, str], *, settlement: str | None = None, meter_kind: str = "compute"
) -> dict[int, int]:
    """What each hold is charged in one entry; by hold, the entries of those that it charged."""
    settlement = settlement or key("stl")
    return await charges.capture_batch(
        session,
        {hold_id: usd(amount).micro for hold_id, amount in amounts.items()},
        currency="USD",
        meter_kind=meter_kind,
        settlement_id=settlement,
        idempotency_key=f"settle:{settlement}",
        description="Usage",
        effective_at=await database_now(session),
    )


@dataclass(frozen=True)
class Purse:
    """All money of an organization in micro-dollars: what is held is part of it, and what is owed is positive."""

    promo: int = 0
    promo_held: int = 0
    wallet: int = 0
    wallet_held: int = 0
    owed: int = 0


async def purse_of(session: Session, organization: str) -> Purse:
    """What is in each of the organization's accounts now."""
    row = await session.execute(
        text(
            "SELECT p.balance, p.held, b.balance, b.held, -r.balance FROM ledger.wallet w "
            "JOIN ledger.balance b ON b.account_id = w.id JOIN ledger.balance p ON p.account_id = w.promo_id "
            "JOIN ledger.balance r ON r.account_id = w.receivable_id "
            "WHERE w.owner_id = :organization AND w.currency = 'USD'"
        ),
        {"organization": organization},
    )
    return Purse(*row.one())
