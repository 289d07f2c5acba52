"""Balance transactions: what each movement is worth after fees, and when it becomes available."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from pydantic import Field

from sublet_sandbox.stripe.lists import listed
from sublet_sandbox.stripe.params import DIGITS, Currency, Inner, ListParams, Params
from sublet_sandbox.stripe.store import Resource, Store
from sublet_sandbox.stripe.work import Work, shaped

DAYS_UNTIL_AVAILABLE = 2
FIXED_FEE = {"usd": 30, "eur": 25, "gbp": 20, "jpy": 30, "kwd": 100}
"""What each payment costs beside its percentage, in the units of the currency that it is settled in."""


class BalanceTransactionListParams(ListParams):
    """Which balance transactions to list; those of a payout, with the payout's own, where one is named."""

    currency: Currency | None = None
    payout: str | None = None
    source: str | None = None
    type: str | None = None


class Settlement(Inner):
    """The account keeps one currency: what comes in another is converted, at so many of its units for one of theirs.

    `rate` is of whole currencies: 0.6344 makes 31.72 GBP of 50.00 USD.
    """

    currency: Currency
    rate: Decimal = Field(gt=0, le=10_000)


def fee_on(amount: int, currency: str) -> int:
    """2.9 %, rounded half up, and so much a payment, in the currency that it is settled in."""
    return (amount * 29 + 500) // 1000 + FIXED_FEE[currency]


def settled(work: Work, amount: int, currency: str) -> tuple[int, str, float | None]:
    """What an amount is worth in the currency that the account keeps, which that is, and the rate if it is another."""
    kept = work.store.setting("settlement", None)
    if kept is None or kept["currency"] == currency:
        return amount, currency, None
    rate = Decimal(kept["rate"])
    units = Decimal(amount).scaleb(DIGITS[kept["currency"]] - DIGITS[currency]) * rate
    return int(units.quantize(Decimal(1), ROUND_HALF_UP)), kept["currency"], float(rate)


def record(work: Work, kind: str, source: Resource, *, amount: int, fee: int | None) -> Resource:
    """Post a movement of `amount` units (signed) of the source's currency, by its worth in the one that is kept.

    `fee` is in the currency that is kept; None: what the processor asks for a payment.
    """
    now = work.now()
    worth, currency, rate = settled(work, amount, source["currency"])
    fee = fee_on(worth, currency) if fee is None else fee
    details: list[dict[str, Any]] = []
    if fee:
        details.append(
            {
                "amount": fee,
                "application": None,
                "currency": currency,
                "description": "Stripe processing fees",
                "type": "stripe_fee",
            }
        )
    transaction = shaped(
        work,
        "balance_transaction",
        "txn",
        {
            "amount": worth,
            "available_on": now + (DAYS_UNTIL_AVAILABLE * 86_400 if worth > 0 else 0),
            "balance_type": "payments",
            "currency": currency,
            "description": source.get("description"),
            "exchange_rate": rate,
            "fee": fee,
            "fee_details": details,
            "net": worth - fee,
            "reporting_category": kind,
            "source": source["id"],
            "status": "pending" if worth > 0 else "available",
            "type": kind,
            "_payout": None,
        },
    )
    work.store.insert(transaction)
    return transaction


def list_transactions(work: Work, params: BalanceTransactionListParams) -> Resource:
    """A page of them, newest first."""
    payout = {} if params.payout is None else {"_payout": [params.payout]}
    return listed(
        work, "balance_transaction", "/v1/balance_transactions", params, any_of=payout, exclude=frozenset({"payout"})
    )


def read(work: Work, _params: Params) -> Resource:
    """What is at the processor: what can be paid out, and what cannot yet, in each currency."""
    rows = work.store.execute(
        "SELECT json_extract(body, '$.currency') AS currency, json_extract(body, '$.status') AS status,"
        " sum(json_extract(body, '$.net')) AS net FROM resource WHERE kind = 'balance_transaction' GROUP BY 1, 2"
    )
    sums = {(row["currency"], row["status"]): row["net"] for row in rows}
    currencies = sorted({currency for currency, _ in sums}) or ["usd"]

    def part(status: str) -> list[Resource]:
        found = ((currency, sums.get((currency, status), 0)) for currency in currencies)
        return [{"amount": net, "currency": currency, "source_types": {"card": net}} for currency, net in found]

    return {"object": "balance", "livemode": False, "available": part("available"), "pending": part("pending")}


def release_due(work: Work) -> None:
    """Turn pending into available where the day has come."""
    _release(work.store, work.now())


def release_all(store: Store) -> None:
    """Make everything available now."""
    _release(store, 2**62)


def _release(store: Store, until: int) -> None:
    store.execute(
        "UPDATE resource SET body = json_set(body, '$.status', 'available') WHERE kind = 'balance_transaction'"
        " AND json_extract(body, '$.status') = 'pending' AND json_extract(body, '$.available_on') <= ?",
        (until,),
    )
