"""Factories for tests of money: wallets, top-ups and holds, each with its own keys."""

from itertools import count
from uuid import uuid4

from sublet.core.db import Session
from sublet.core.money import Money
from sublet.ledger import holds, reconcile, top_ups, wallets
from sublet.ledger.holds import Hold

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
