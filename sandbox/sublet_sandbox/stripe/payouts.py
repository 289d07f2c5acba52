"""Payouts: what is available goes to the bank account of the business, and arrives, or comes back.

By hand, of any amount that is available; or `automatic`, of everything that is, and then the payout knows what it is
made of.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sublet_sandbox.stripe import balance
from sublet_sandbox.stripe.errors import refused
from sublet_sandbox.stripe.params import Currency, ListParams, Metadata, Params
from sublet_sandbox.stripe.store import Resource, new_id
from sublet_sandbox.stripe.work import Work, shaped

DAYS_UNTIL_ARRIVAL = 2
Status = Literal["pending", "in_transit", "paid", "failed", "canceled"]

_NEXT: dict[str, set[str]] = {
    "pending": {"in_transit", "paid", "failed", "canceled"},
    "in_transit": {"paid", "failed"},
    "paid": {"failed"},
    "failed": set(),
    "canceled": set(),
}
"""A bank may send back what had arrived."""


class PayoutParams(Params):
    """How much to pay out of what is available."""

    amount: int = Field(ge=1)
    currency: Currency
    description: str | None = None
    metadata: Metadata = Field(default_factory=dict)


class PayoutListParams(ListParams):
    """Which payouts to list."""

    status: Status | None = None


def create(work: Work, params: PayoutParams) -> Resource:
    """Pay so much out by hand."""
    left = available(work, params.currency)
    if params.amount > left:
        raise refused(
            "You have insufficient funds in your Stripe account. One likely reason you have insufficient funds is that "
            "your funds are automatically being paid out; try enabling manual payouts.",
            code="balance_insufficient",
            param="amount",
        )
    return _make(work, params.amount, params.currency, params.description, params.metadata, automatic=False)


def pay_out_all(work: Work, currency: str) -> Resource:
    """Pay everything out that is available, as an account does by itself each day."""
    amount = available(work, currency)
    if amount <= 0:
        raise refused(f"There is nothing available in {currency}.", code="balance_insufficient")
    items = [one for one in _open_items(work, currency) if one["status"] == "available"]
    payout = _make(work, amount, currency, "STRIPE PAYOUT", {}, automatic=True)
    own = work.fetch("balance_transaction", payout["balance_transaction"])
    for one in [*items, own]:
        one["_payout"] = payout["id"]
        work.store.save(one)
    work.emit("payout.reconciliation_completed", payout)
    return payout


def available(work: Work, currency: str) -> int:
    """What can be paid out in a currency."""
    found = balance.read(work, Params())["available"]
    return next((int(one["amount"]) for one in found if one["currency"] == currency), 0)


def cancel(work: Work, _params: Params, payout: str) -> Resource:
    """Give a payout up that the bank has not been told of."""
    found = work.fetch("payout", payout, param="payout")
    if found["status"] != "pending":
        raise refused("Payouts can only be canceled if they are pending.", param="payout")
    return move(work, payout, "canceled")


def move(work: Work, payout_id: str, status: Status) -> Resource:
    """Let the bank go on with a payout; what does not arrive is in the balance again."""
    payout = work.fetch("payout", payout_id)
    if status not in _NEXT[payout["status"]]:
        raise refused(f"Payout {payout_id} has a status of {payout['status']} and cannot become {status}.")
    payout["status"] = status
    if status in ("failed", "canceled"):
        kind = "payout_failure" if status == "failed" else "payout_cancel"
        back = balance.record(work, kind, payout, amount=payout["amount"], fee=0)
        payout["failure_balance_transaction"] = back["id"]
    if status == "failed":
        payout["failure_code"] = "account_closed"
        payout["failure_message"] = "The bank account has been closed."
    work.store.save(payout)
    work.emit(f"payout.{status}" if status in ("paid", "failed", "canceled") else "payout.updated", payout)
    return payout


def _open_items(work: Work, currency: str) -> list[Resource]:
    found = work.store.find("balance_transaction", equal={"currency": currency}, limit=-1)
    return [one for one in found if one.get("_payout") is None]


def _make(
    work: Work, amount: int, currency: str, description: str | None, metadata: dict[str, str], *, automatic: bool
) -> Resource:
    payout = shaped(
        work,
        "payout",
        "po",
        {
            "amount": amount,
            "application_fee": None,
            "application_fee_amount": None,
            "arrival_date": work.now() + DAYS_UNTIL_ARRIVAL * 86_400,
            "automatic": automatic,
            "currency": currency,
            "description": description,
            "destination": new_id("ba"),
            "failure_balance_transaction": None,
            "failure_code": None,
            "failure_message": None,
            "livemode": False,
            "metadata": metadata,
            "method": "standard",
            "original_payout": None,
            "payout_method": None,
            "reconciliation_status": "completed" if automatic else "not_applicable",
            "reversed_by": None,
            "source_type": "card",
            "statement_descriptor": None,
            "status": "pending",
            "trace_id": {"status": "pending", "value": None},
            "type": "bank_account",
        },
    )
    payout["balance_transaction"] = balance.record(work, "payout", payout, amount=-amount, fee=0)["id"]
    work.store.insert(payout)
    work.emit("payout.created", payout)
    return payout
