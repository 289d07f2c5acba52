"""Disputes: the card holder has asked the bank for the money back. The bank would decide; here nobody answers."""

from __future__ import annotations

from typing import Literal

from sublet_sandbox.stripe.errors import refused
from sublet_sandbox.stripe.params import ListParams
from sublet_sandbox.stripe.store import Resource
from sublet_sandbox.stripe.work import Work, shaped

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


def create(work: Work, charge_id: str, amount: int | None, status: Status) -> Resource:
    """Dispute a charge wholly, or by `amount` cents, as a card holder does; it is born as it will stand."""
    charge = work.fetch("charge", charge_id, param="charge")
    before = work.store.find("dispute", equal={"charge": charge_id}, limit=-1)
    left = charge["amount"] - sum(one["amount"] for one in before)
    if charge["status"] != "succeeded" or left == 0:
        raise refused(f"Charge {charge_id} has not succeeded, or is disputed already.", param="charge")
    if amount is not None and amount > left:
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
            "evidence": {"enhanced_evidence": {}},
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
            "reason": "general",
            "status": status,
        },
    )
    work.store.insert(dispute)
    charge["disputed"] = True
    work.store.save(charge)
    work.emit("charge.dispute.created", dispute)
    return dispute
