"""Balance transactions: what each movement is worth after fees, and when it becomes available."""

from __future__ import annotations

from typing import Any

from sublet_sandbox.stripe.params import ListParams
from sublet_sandbox.stripe.store import Resource
from sublet_sandbox.stripe.work import Work, shaped

DAYS_UNTIL_AVAILABLE = 2
FIXED_FEE_CENTS = 30


class BalanceTransactionListParams(ListParams):
    """Which balance transactions to list."""

    currency: str | None = None
    payout: str | None = None
    source: str | None = None
    type: str | None = None


def fee_on(amount_cents: int) -> int:
    """2.9 % and 30 cents, the percentage rounded half up."""
    return (amount_cents * 29 + 500) // 1000 + FIXED_FEE_CENTS


def record(work: Work, kind: str, source: Resource, *, amount: int, fee: int) -> Resource:
    """Post a movement of `amount` cents (signed) that costs `fee`."""
    now = work.now()
    details: list[dict[str, Any]] = []
    if fee:
        details.append(
            {
                "amount": fee,
                "application": None,
                "currency": source["currency"],
                "description": "Stripe processing fees",
                "type": "stripe_fee",
            }
        )
    transaction = shaped(
        work,
        "balance_transaction",
        "txn",
        {
            "amount": amount,
            "available_on": now + DAYS_UNTIL_AVAILABLE * 86_400,
            "balance_type": "payments",
            "currency": source["currency"],
            "description": source.get("description"),
            "exchange_rate": None,
            "fee": fee,
            "fee_details": details,
            "net": amount - fee,
            "reporting_category": kind,
            "source": source["id"],
            "status": "pending",
            "type": kind,
        },
    )
    work.store.insert(transaction)
    return transaction


def release_due(work: Work) -> None:
    """Turn pending into available where the day has come."""
    work.store.execute(
        "UPDATE resource SET body = json_set(body, '$.status', 'available') WHERE kind = 'balance_transaction'"
        " AND json_extract(body, '$.status') = 'pending' AND json_extract(body, '$.available_on') <= ?",
        (work.now(),),
    )
