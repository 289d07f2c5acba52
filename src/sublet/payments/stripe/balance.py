"""What our account at the processor shows: its balance, what moved it, payouts, and the events that were told."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import stripe
from stripe.params import BalanceTransactionListParams, EventListParams, PayoutListParams

from sublet.core.currencies import DIGITS
from sublet.core.money import Money
from sublet.payments.stripe.processor import Processor, all_of, call
from sublet.payments.stripe.reversals import money
from sublet.payments.stripe.transactions import Listed, listed

EVENT_TYPES = (
    "checkout.session.async_payment_failed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.completed",
    "checkout.session.expired",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "charge.succeeded",
    "charge.refunded",
    "charge.updated",
    "radar.early_fraud_warning.created",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "refund.created",
    "refund.updated",
    "refund.failed",
)
"""The events that are asked for by name, of which the processor takes twenty at most."""


@dataclass(frozen=True, slots=True)
class BalanceSeen:
    """What is there in one currency: what can be paid out, and what cannot yet."""

    available: Money
    pending: Money


@dataclass(frozen=True, slots=True)
class PayoutSeen:
    """How a payout stands; `amount` is what arrives at the bank. Only of a whole one is it known what it is made of."""

    id: str
    amount: Money
    status: str
    automatic: bool
    whole: bool
    arrives_on: datetime
    created_at: datetime
    failure: str | None


async def balance(processor: Processor) -> Mapping[str, BalanceSeen]:
    """What is there, by currency; what nobody can count is left out, and its transactions cannot be kept."""
    found = await call(processor.require().v1.balance.retrieve_async())
    sums: dict[str, dict[str, int]] = {}
    for name, parts in (("available", found.available), ("pending", found.pending)):
        for part in parts:
            if not _can_be_counted(part.currency):
                continue
            worth = money(part.amount, part.currency)
            of = sums.setdefault(worth.currency, {"available": 0, "pending": 0})
            of[name] += worth.micro
    return {
        currency: BalanceSeen(Money(of["available"], currency), Money(of["pending"], currency))
        for currency, of in sums.items()
    }


async def transactions(processor: Processor, *, since: datetime | None) -> list[Listed]:
    """What moved the balance since then, or ever, oldest first; all pages."""
    params: BalanceTransactionListParams = {"limit": 100, "expand": ["data.source"]}
    if since is not None:
        params["created"] = {"gte": int(since.timestamp())}
    found = await all_of(await call(processor.require().v1.balance_transactions.list_async(params)))
    return [listed(one) for one in reversed(found)]


async def paid_out_by(processor: Processor, payout_id: str) -> list[str]:
    """The ids of the transactions that a payout is made of, its own among them."""
    params: BalanceTransactionListParams = {"limit": 100, "payout": payout_id}
    found = await all_of(await call(processor.require().v1.balance_transactions.list_async(params)))
    return [one.id for one in found]


async def payouts(processor: Processor, *, since: datetime) -> list[PayoutSeen]:
    """The payouts that were made since then, oldest first, but those of what nobody can count."""
    params: PayoutListParams = {"limit": 100, "created": {"gte": int(since.timestamp())}}
    found = await all_of(await call(processor.require().v1.payouts.list_async(params)))
    return [_payout_of(one) for one in reversed(found) if _can_be_counted(one.currency)]


async def events(processor: Processor, *, since: datetime) -> list[bytes]:
    """The events that were told since then, oldest first, as their webhooks have them; those of a month at most."""
    params: EventListParams = {"limit": 100, "created": {"gte": int(since.timestamp())}, "types": [*EVENT_TYPES]}
    found = await all_of(await call(processor.require().v1.events.list_async(params)))
    return [json.dumps(one.to_dict()).encode() for one in reversed(found)]


def _can_be_counted(currency: str) -> bool:
    """Whether it is known how many decimals it has: a currency can be younger than Sublet, or no longer in use."""
    return currency.upper() in DIGITS


def _payout_of(found: stripe.Payout) -> PayoutSeen:
    return PayoutSeen(
        id=found.id,
        amount=money(found.amount, found.currency),
        status=found.status,
        automatic=found.automatic,
        whole=found.reconciliation_status == "completed",
        arrives_on=datetime.fromtimestamp(found.arrival_date, tz=UTC),
        created_at=datetime.fromtimestamp(found.created, tz=UTC),
        failure=found.failure_code,
    )
