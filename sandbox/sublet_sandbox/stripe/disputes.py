"""Disputes: the card holder has asked the bank for the money back. The bank would decide; here nobody answers."""

from __future__ import annotations

from sublet_sandbox.stripe.errors import refused
from sublet_sandbox.stripe.params import ListParams
from sublet_sandbox.stripe.store import Resource
from sublet_sandbox.stripe.work import Work, shaped

DAYS_TO_ANSWER = 7


class DisputeListParams(ListParams):
    """Which disputes to list."""

    charge: str | None = None
    payment_intent: str | None = None


def create(work: Work, charge_id: str) -> Resource:
    """Dispute all of a charge, as its card holder does; no merchant can. A charge is disputed once."""
    charge = work.fetch("charge", charge_id, param="charge")
    if charge["status"] != "succeeded" or charge["disputed"]:
        raise refused(f"Charge {charge_id} has not succeeded, or is disputed already.", param="charge")
    dispute = shaped(
        work,
        "dispute",
        "du",
        {
            "amount": charge["amount"],
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
            "status": "needs_response",
        },
    )
    work.store.insert(dispute)
    charge["disputed"] = True
    work.store.save(charge)
    work.emit("charge.dispute.created", dispute)
    return dispute
