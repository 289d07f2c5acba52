"""Wallets: what an organization has, what is set aside, what it owes."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text

from sublet.core.db import Session
from sublet.core.errors import NotFound
from sublet.core.money import Money, decimal_sql
from sublet.core.outbox import publish, publish_selected
from sublet.ledger.events import WalletChanged
from sublet.ledger.functions import call_for_id


@dataclass(frozen=True, slots=True)
class Wallet:
    """An organization's money in one currency.

    `balance` is paid-in money and `promo` promotional money that has not expired; `held` is the part of both that is
    set aside, `available` what is not. `receivable` is what the organization owes.
    """

    organization_id: str
    currency: str
    balance: Money
    held: Money
    available: Money
    promo: Money
    receivable: Money


_WALLETS = """
    SELECT w.owner_id, w.currency, w.balance, w.held, w.available, w.promo, w.receivable FROM ledger.purse w
"""


def _shown(micro: str) -> str:
    return f"jsonb_object('{{amount, currency}}', ARRAY[{decimal_sql(micro, 'w.currency')}, w.currency])"


_WALLET = text(f"{_WALLETS} WHERE w.owner_id = :organization_id AND w.currency = :currency")
_KEPT_BESIDE = text("SELECT currency FROM ledger.wallet WHERE currency <> :currency LIMIT 1")

# An event for each wallet, with the fields of `WalletChanged`: in SQL, since a settlement changes a thousand at a time.
_CHANGED_HOLDERS = f"""
    SELECT w.owner_id AS subject, w.owner_id AS organization_id,
           jsonb_build_object(
             'organization_id', w.owner_id,
             'balance', {_shown("w.balance")}, 'held', {_shown("w.held")}, 'available', {_shown("w.available")}) AS data
      FROM ({_WALLETS}
            WHERE w.id IN (SELECT wallet_id FROM ledger.hold WHERE id = ANY(:hold_ids))) w
"""  # noqa: S608 - only constant expressions


def _wallet(row: Row[Any]) -> Wallet:
    def money(micro: int) -> Money:
        return Money(micro, row.currency)

    return Wallet(
        row.owner_id,
        row.currency,
        money(row.balance),
        money(row.held),
        money(row.available),
        money(row.promo),
        money(row.receivable),
    )


async def open_wallet(session: Session, organization_id: str, *, currency: str) -> None:
    """Open the organization's wallet, promo account and receivable; one that is open stays as it is."""
    await call_for_id(session, "open_wallet", owner=organization_id, currency=currency)


async def wallet(session: Session, organization_id: str, *, currency: str) -> Wallet:
    """The organization's wallet; NotFound if it has none in that currency."""
    row = (await session.execute(_WALLET, {"organization_id": organization_id, "currency": currency})).one_or_none()
    if row is None:
        raise NotFound("wallet", organization_id)
    return _wallet(row)


async def kept_beside(session: Session, currency: str) -> str | None:
    """Another currency than the given one that a wallet is kept in, whatever others are in; None if there is none."""
    return (await session.execute(_KEPT_BESIDE, {"currency": currency})).scalar_one_or_none()


async def announce(session: Session, organization_id: str, *, currency: str) -> None:
    """Publish that the organization's wallet changed, with what it holds now."""
    changed = await wallet(session, organization_id, currency=currency)
    await publish(session, _changed(changed), subject=organization_id, organization_id=organization_id)


async def announce_holders(session: Session, hold_ids: Collection[int]) -> None:
    """Publish it for the wallets of many holds, in one statement; readers find it at their next poll."""
    if hold_ids:
        await publish_selected(session, WalletChanged, _CHANGED_HOLDERS, {"hold_ids": list(hold_ids)})


def _changed(changed: Wallet) -> WalletChanged:
    return WalletChanged(
        organization_id=changed.organization_id,
        balance=changed.balance.field(),
        held=changed.held.field(),
        available=changed.available.field(),
    )
