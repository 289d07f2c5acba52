"""Refunds: money back on the card it came from, never more than was taken."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sublet_sandbox.stripe import balance, payment_methods
from sublet_sandbox.stripe.errors import refused
from sublet_sandbox.stripe.params import ListParams, Metadata, Params, RefundReason
from sublet_sandbox.stripe.store import Resource
from sublet_sandbox.stripe.work import Work, shaped

SECONDS_UNTIL_SETTLED = 10
"""So long a refund to a card that lets one wait, or that returns it, stays as it began."""

Ending = Literal["succeeded", "failed", "canceled"]


class RefundParams(Params):
    """What to refund: a charge or an intent, wholly unless an amount is given."""

    charge: str | None = None
    payment_intent: str | None = None
    amount: int | None = Field(default=None, ge=1)
    reason: RefundReason | None = None
    metadata: Metadata = Field(default_factory=dict)


class RefundListParams(ListParams):
    """Which refunds to list."""

    charge: str | None = None
    payment_intent: str | None = None


def create(work: Work, params: RefundParams) -> Resource:
    """Refund a charge wholly, or by `amount` cents."""
    charge = _charge(work, params)
    if charge["status"] != "succeeded":
        raise refused(
            f"Charge {charge['id']} has not been captured and cannot be refunded.", code="charge_not_captured"
        )
    left = charge["amount"] - charge["amount_refunded"]
    if left == 0:
        raise refused(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    amount = params.amount if params.amount is not None else left
    if amount > left:
        raise refused(
            f"Refund amount ({amount} {charge['currency']}) is greater than unrefunded amount on charge "
            f"({left} {charge['currency']})",
            param="amount",
        )
    waits = work.store.setting("refunds_wait", False)
    behaviour = payment_methods.behaviour(work.fetch("payment_method", charge["payment_method"])).refunds
    refund = shaped(
        work,
        "refund",
        "re",
        {
            "amount": amount,
            "balance_transaction": None,
            "charge": charge["id"],
            "currency": charge["currency"],
            "customer": charge["customer"],
            "customer_account": None,
            "destination_details": {"card": {"type": "refund"}, "type": "card"},
            "metadata": params.metadata,
            "payment_intent": charge["payment_intent"],
            "payment_method": charge["payment_method"],
            "reason": params.reason,
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": "pending" if waits or behaviour == "wait" else "succeeded",
            "transfer_reversal": None,
        },
    )
    if behaviour != "succeed":
        refund["_settles_at"] = work.now() + SECONDS_UNTIL_SETTLED
        refund["_settles_as"] = "succeeded" if behaviour == "wait" else "failed"
    # Stripe keeps the fee of the original payment, so a refund costs its amount and returns no fee.
    refund["balance_transaction"] = balance.record(work, "refund", refund, amount=-amount, fee=0)["id"]
    work.store.insert(refund)
    _count(work, charge, amount)
    work.emit("refund.created", refund)
    work.emit("charge.refunded", charge)
    return refund


def _count(work: Work, charge: Resource, amount: int) -> None:
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    work.store.save(charge)


def end(work: Work, refund_id: str, ending: Ending) -> Resource:
    """Let a refund that waits end, or one that had arrived come back; any other is refused."""
    refund = work.fetch("refund", refund_id)
    if refund["status"] != "pending" and (refund["status"], ending) != ("succeeded", "failed"):
        raise refused(f"Refund {refund_id} has a status of {refund['status']} and cannot become {ending}.")
    refund["status"] = ending
    refund.pop("_settles_at", None)
    if ending != "succeeded":
        refund["failure_reason"] = "lost_or_stolen_card" if ending == "failed" else "merchant_request"
        back = balance.record(work, "refund_failure", refund, amount=refund["amount"], fee=0)
        refund["failure_balance_transaction"] = back["id"]
        _count(work, work.fetch("charge", refund["charge"]), -refund["amount"])
    work.store.save(refund)
    work.emit("refund.updated", refund)
    if ending == "failed":
        work.emit("refund.failed", refund)
    return refund


def settle_due(work: Work) -> None:
    """End what has waited for as long as its card lets it."""
    due = work.store.execute(
        "SELECT id, json_extract(body, '$._settles_as') AS ending FROM resource WHERE kind = 'refund'"
        " AND json_extract(body, '$._settles_at') <= ?",
        (work.now(),),
    )
    for row in due:
        end(work, row["id"], row["ending"])


def _charge(work: Work, params: RefundParams) -> Resource:
    if (params.charge is None) == (params.payment_intent is None):
        raise refused("One of the following params should be provided for this request: charge or payment_intent.")
    if params.charge is not None:
        return work.fetch("charge", params.charge, param="charge")
    assert params.payment_intent is not None  # exactly one is given
    intent = work.fetch("payment_intent", params.payment_intent, param="payment_intent")
    if intent["latest_charge"] is None:
        raise refused(
            f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.",
            code="payment_intent_unexpected_state",
            param="payment_intent",
        )
    return work.fetch("charge", intent["latest_charge"])
