"""Disputes: the card holder has asked the bank for the money back, or only what the payment was for.

The bank would decide; here the evidence does, or the control path. The money goes when a dispute is opened, and comes
back when it is won; an inquiry moves none.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sublet_sandbox.stripe import balance
from sublet_sandbox.stripe.errors import refused
from sublet_sandbox.stripe.params import Inner, ListParams, Metadata, Params
from sublet_sandbox.stripe.store import Resource
from sublet_sandbox.stripe.work import Work, public, shaped

DAYS_TO_ANSWER = 7

Status = Literal[
    "warning_needs_response",
    "warning_under_review",
    "warning_closed",
    "needs_response",
    "under_review",
    "won",
    "lost",
]


class DisputeListParams(ListParams):
    """Which disputes to list."""

    charge: str | None = None
    payment_intent: str | None = None


FEE_UNITS = 1500
DECIDED = frozenset({"warning_closed", "won", "lost"})
_EVIDENCE = (
    *("access_activity_log", "billing_address", "cancellation_policy", "cancellation_policy_disclosure"),
    *("cancellation_rebuttal", "customer_communication", "customer_email_address", "customer_name"),
    *("customer_purchase_ip", "customer_signature", "duplicate_charge_documentation", "duplicate_charge_explanation"),
    *("duplicate_charge_id", "product_description", "receipt", "refund_policy", "refund_policy_disclosure"),
    *("refund_refusal_explanation", "service_date", "service_documentation", "shipping_address", "shipping_carrier"),
    *("shipping_date", "shipping_documentation", "shipping_tracking_number", "uncategorized_file"),
    "uncategorized_text",
)
DECIDES: dict[str, Status] = {"winning_evidence": "won", "losing_evidence": "lost"}
"""What as `uncategorized_text` has the bank decide at once, as Stripe documents it."""


class Evidence(Inner):
    """What speaks for the merchant, of what can be told in words."""

    access_activity_log: str | None = Field(default=None, max_length=20_000)
    customer_email_address: str | None = None
    customer_name: str | None = None
    customer_purchase_ip: str | None = None
    product_description: str | None = Field(default=None, max_length=20_000)
    service_date: str | None = None
    uncategorized_text: str | None = Field(default=None, max_length=20_000)


class AnswerParams(Params):
    """An answer to the bank; `submit` sends it, and nothing can be added afterwards."""

    evidence: Evidence = Field(default_factory=Evidence)
    metadata: Metadata = Field(default_factory=dict)
    submit: bool = True


def create(
    work: Work, charge_id: str, amount: int | None, status: Status, *, beyond: bool = False, reason: str = "general"
) -> Resource:
    """Dispute a charge wholly, or by `amount` cents, as a card holder does; it is born as it will stand.

    Only `beyond` lets it be more than the charge, as it is where a bank converts the sum.
    """
    charge = work.fetch("charge", charge_id, param="charge")
    before = work.store.find("dispute", equal={"charge": charge_id}, limit=-1)
    left = charge["amount"] - sum(one["amount"] for one in before)
    if charge["status"] != "succeeded" or left == 0:
        raise refused(f"Charge {charge_id} has not succeeded, or is disputed already.", param="charge")
    if amount is not None and amount > left and not beyond:
        raise refused(f"Only {left} of charge {charge_id} can be disputed.", param="amount")
    dispute = shaped(
        work,
        "dispute",
        "du",
        {
            "amount": left if amount is None else amount,
            "balance_transactions": [],
            "charge": charge_id,
            "currency": charge["currency"],
            "enhanced_eligibility_types": [],
            "evidence": {**dict.fromkeys(_EVIDENCE), "enhanced_evidence": {}},
            "evidence_details": {
                "enhanced_eligibility": {},
                "submission_method": "manual",
                "due_by": work.now() + DAYS_TO_ANSWER * 86_400,
                "has_evidence": False,
                "past_due": False,
                "submission_count": 0,
            },
            "is_charge_refundable": True,
            "livemode": False,
            "metadata": {},
            "payment_intent": charge["payment_intent"],
            "reason": reason,
            "status": status,
        },
    )
    work.store.insert(dispute)
    charge["disputed"] = True
    work.store.save(charge)
    taken = not status.startswith("warning_")
    if taken:
        _withdraw(work, dispute)
    work.emit("charge.dispute.created", dispute)
    if taken:
        work.emit("charge.dispute.funds_withdrawn", dispute)
    if status == "won":
        _reinstate(work, dispute)
    return dispute


def answer(work: Work, params: AnswerParams, dispute: str) -> Resource:
    """Keep the evidence, and send it to the bank unless told otherwise."""
    found = work.fetch("dispute", dispute, param="dispute")
    if found["status"] not in ("needs_response", "warning_needs_response"):
        raise refused(f"This dispute has a status of {found['status']}: its evidence can no longer be changed.")
    given = params.evidence.model_dump(exclude_none=True)
    found["evidence"].update(given)
    found["metadata"].update(params.metadata)
    details = found["evidence_details"]
    details["has_evidence"] = details["has_evidence"] or bool(given)
    if not params.submit:
        work.store.save(found)
        work.emit("charge.dispute.updated", found)
        return found
    details["submission_count"] += 1
    warning = found["status"].startswith("warning_")
    found["status"] = "warning_under_review" if warning else "under_review"
    work.store.save(found)
    work.emit("charge.dispute.updated", found)
    decided = DECIDES.get(found["evidence"]["uncategorized_text"] or "")
    if decided is not None:
        return move(work, dispute, "warning_closed" if warning else decided)
    return found


def close(work: Work, params: Params, dispute: str) -> Resource:
    """Give in: the dispute is lost."""
    return move(work, dispute, "lost")


def move(work: Work, dispute_id: str, status: Status) -> Resource:
    """Let the bank go on: an inquiry becomes a dispute or is closed, a dispute is won or lost."""
    found = work.fetch("dispute", dispute_id)
    was = found["status"]
    if was in DECIDED:
        raise refused(f"This dispute has a status of {was}, which is final.")
    found["status"] = status
    work.store.save(found)
    if was.startswith("warning_") and not status.startswith("warning_"):
        _withdraw(work, found)
        work.emit("charge.dispute.funds_withdrawn", found)
    if status in DECIDED:
        work.emit("charge.dispute.closed", found)
        if status == "won":
            _reinstate(work, found)
    else:
        work.emit("charge.dispute.updated", found)
    return found


def _withdraw(work: Work, dispute: Resource) -> None:
    moved = balance.record(work, "adjustment", dispute, amount=-dispute["amount"], fee=FEE_UNITS)
    dispute["balance_transactions"].append(public(moved))
    work.store.save(dispute)


def _reinstate(work: Work, dispute: Resource) -> None:
    moved = balance.record(work, "adjustment", dispute, amount=dispute["amount"], fee=0)
    dispute["balance_transactions"].append(public(moved))
    work.store.save(dispute)
    work.emit("charge.dispute.funds_reinstated", dispute)
