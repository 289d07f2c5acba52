"""Balance transactions as the processor shows them: what each moved, and what it is of."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import stripe

from sublet.core.currencies import CurrencyUnknown
from sublet.core.money import Money
from sublet.payments.stripe.reversals import money

TOP_UP_KEY = "sublet_top_up"
INSTALLATION_KEY = "sublet_installation"

CHARGE, REFUND, DISPUTE, PAYOUT = "charge", "refund", "dispute", "payout"


@dataclass(frozen=True, slots=True)
class Origin:
    """What a transaction is of: its kind, its amount in its own currency, and whatever it names.

    `kind` is None for what the processor does by itself, or what nobody here knows; `amount` is None also for what is
    in a currency that nobody here can count.
    """

    kind: str | None = None
    amount: Money | None = None
    charge_id: str | None = None
    payment_intent_id: str | None = None
    top_up_id: str | None = None
    installation_id: str | None = None


@dataclass(frozen=True, slots=True)
class BalanceTransaction:
    """What moved at the processor, in the currency that it is settled in; `fee` is not yet taken off `amount`."""

    id: str
    type: str
    amount: Money
    fee: Money
    source: str | None
    created_at: datetime
    available_on: datetime
    origin: Origin = Origin()

    @property
    def net(self) -> Money:
        """What came to the balance (above zero) or left it."""
        return self.amount - self.fee


@dataclass(frozen=True, slots=True)
class Listed:
    """A balance transaction in a list, not read yet: `read` raises what is wrong with this one alone.

    `amount` is for people: so many of the processor's units of a currency that may not be known here.
    """

    id: str
    type: str
    amount: str
    created_at: datetime
    read: Callable[[], BalanceTransaction]


def listed(found: stripe.BalanceTransaction) -> Listed:
    """A balance transaction of a list of the SDK as ours."""
    return Listed(
        id=found.id,
        type=found.type,
        amount=f"{found.amount} units of {found.currency}",
        created_at=datetime.fromtimestamp(found.created, tz=UTC),
        read=partial(transaction_of, found),
    )


def transaction_of(found: stripe.BalanceTransaction, origin: Any = None) -> BalanceTransaction:
    """A balance transaction of the SDK as ours; `origin` is the object that it is of, if it was not fetched with it.

    CurrencyUnknown where the transaction itself is in a currency that nobody here can count.
    """
    source = found.source
    return BalanceTransaction(
        id=found.id,
        type=found.type,
        amount=money(found.amount, found.currency),
        fee=money(found.fee, found.currency),
        source=source if isinstance(source, str) or source is None else source.id,
        created_at=datetime.fromtimestamp(found.created, tz=UTC),
        available_on=datetime.fromtimestamp(found.available_on, tz=UTC),
        origin=_origin_of(source if origin is None else origin),
    )


def _origin_of(source: Any) -> Origin:
    if source is None or isinstance(source, str):
        return Origin()
    kind = str(source.object)
    if kind not in (CHARGE, REFUND, DISPUTE, PAYOUT):
        return Origin()
    metadata: dict[str, str] = {} if source.metadata is None else source.metadata.to_dict()
    return Origin(
        kind=kind,
        amount=_amount_of(source),
        charge_id=source.id if kind == CHARGE else _id(getattr(source, "charge", None)),
        payment_intent_id=_id(getattr(source, "payment_intent", None)),
        top_up_id=metadata.get(TOP_UP_KEY),
        installation_id=metadata.get(INSTALLATION_KEY),
    )


def _amount_of(source: Any) -> Money | None:
    try:
        return money(source.amount, source.currency)
    except CurrencyUnknown:
        return None


def _id(reference: Any) -> str | None:
    """The id of what is named, which may have been fetched with it."""
    return reference if isinstance(reference, str) or reference is None else str(reference.id)
