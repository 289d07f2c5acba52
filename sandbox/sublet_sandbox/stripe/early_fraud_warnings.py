"""Early fraud warnings: the card's issuer says that a payment may be fraud, days before anybody disputes it."""

from __future__ import annotations

from sublet_sandbox.stripe.errors import refused
from sublet_sandbox.stripe.params import ListParams
from sublet_sandbox.stripe.store import Resource
from sublet_sandbox.stripe.work import Work, shaped

KIND = "radar.early_fraud_warning"


class WarningListParams(ListParams):
    """Which warnings to list."""

    charge: str | None = None
    payment_intent: str | None = None


def create(work: Work, charge_id: str, fraud_type: str = "unauthorized_use_of_card") -> Resource:
    """The issuer warns of a charge, once; it can be acted on while the charge is neither disputed nor refunded."""
    charge = work.fetch("charge", charge_id, param="charge")
    if charge["status"] != "succeeded" or work.store.find(KIND, equal={"charge": charge_id}, limit=1):
        raise refused(f"Charge {charge_id} has not succeeded, or there is a warning of it already.", param="charge")
    warning = shaped(
        work,
        KIND,
        "issfr",
        {
            "actionable": not (charge["disputed"] or charge["refunded"]),
            "charge": charge_id,
            "fraud_type": fraud_type,
            "livemode": False,
            "payment_intent": charge["payment_intent"],
        },
    )
    work.store.insert(warning)
    work.emit("radar.early_fraud_warning.created", warning)
    return warning
