"""Charges: one attempt to take money from a card, successful or not."""

from __future__ import annotations

from typing import Any

from sublet_sandbox.stripe import balance
from sublet_sandbox.stripe.cards import Decline
from sublet_sandbox.stripe.params import CustomerFilter
from sublet_sandbox.stripe.store import Resource
from sublet_sandbox.stripe.work import Work, shaped


class ChargeListParams(CustomerFilter):
    """Which charges to list."""

    payment_intent: str | None = None


_APPROVED = {
    "advice_code": None,
    "network_advice_code": None,
    "network_decline_code": None,
    "network_status": "approved_by_network",
    "reason": None,
    "risk_level": "normal",
    "risk_score": 20,
    "seller_message": "Payment complete.",
    "type": "authorized",
}


def create(work: Work, intent: Resource, method: Resource, decline: Decline | None, *, authenticated: bool) -> Resource:
    """Charge the card for the intent; a decline leaves a failed charge."""
    paid = decline is None
    charge = shaped(
        work,
        "charge",
        "ch",
        {
            "livemode": False,
            "amount": intent["amount"],
            "amount_captured": intent["amount"] if paid else 0,
            "amount_refunded": 0,
            "application": None,
            "application_fee": None,
            "application_fee_amount": None,
            "balance_transaction": None,
            "billing_details": method["billing_details"],
            "calculated_statement_descriptor": "SUBLET SANDBOX",
            "captured": paid,
            "currency": intent["currency"],
            "customer": intent["customer"],
            "description": intent["description"],
            "disputed": False,
            "failure_balance_transaction": None,
            "failure_code": decline.code if decline else None,
            "failure_message": decline.message if decline else None,
            "fraud_details": {},
            "metadata": dict(intent["metadata"]),
            "on_behalf_of": None,
            "outcome": _declined(decline) if decline else dict(_APPROVED),
            "paid": paid,
            "payment_intent": intent["id"],
            "payment_method": method["id"],
            "payment_method_details": _details(intent, method, decline, authenticated=authenticated),
            "receipt_email": None,
            "receipt_number": None,
            "receipt_url": None,
            "refunded": False,
            "review": None,
            "shipping": None,
            "source": None,
            "source_transfer": None,
            "statement_descriptor": None,
            "statement_descriptor_suffix": None,
            "status": "succeeded" if paid else "failed",
            "transfer_data": None,
            "transfer_group": None,
        },
    )
    work.store.insert(charge)
    if paid and not work.store.setting("withhold_balance_transactions", False):
        settle(work, charge)
    work.emit("charge.succeeded" if paid else "charge.failed", charge)
    return charge


def settle(work: Work, charge: Resource) -> None:
    """Post the charge to the balance, less the fee."""
    transaction = balance.record(work, "charge", charge, amount=charge["amount"], fee=None)
    charge["balance_transaction"] = transaction["id"]
    work.store.save(charge)


def _declined(decline: Decline) -> dict[str, Any]:
    return {
        **_APPROVED,
        "network_status": "declined_by_network",
        "network_decline_code": "05",
        "reason": decline.decline_code,
        "seller_message": "The bank did not return any further details with this decline.",
        "type": "issuer_declined",
    }


def _details(intent: Resource, method: Resource, decline: Decline | None, *, authenticated: bool) -> dict[str, Any]:
    card = method["card"]
    cvc_check = "fail" if decline and decline.code == "incorrect_cvc" else "pass"
    secure = {
        "authentication_flow": "challenge",
        "electronic_commerce_indicator": "05",
        "exemption_indicator": None,
        "result": "authenticated",
        "result_reason": None,
        "transaction_id": None,
        "version": "2.2.0",
    }
    return {
        "card": {
            "amount_authorized": intent["amount"] if decline is None else None,
            "authorization_code": None,
            "brand": card["brand"],
            "checks": {**card["checks"], "cvc_check": cvc_check},
            "country": card["country"],
            "exp_month": card["exp_month"],
            "exp_year": card["exp_year"],
            "extended_authorization": {"status": "disabled"},
            "fingerprint": card["fingerprint"],
            "funding": card["funding"],
            "incremental_authorization": {"status": "unavailable"},
            "installments": None,
            "last4": card["last4"],
            "mandate": None,
            "multicapture": {"status": "unavailable"},
            "network": card["brand"],
            "network_token": {"used": False},
            "network_transaction_id": None,
            "overcapture": {"maximum_amount_capturable": intent["amount"], "status": "unavailable"},
            "regulated_status": "unregulated",
            "three_d_secure": secure if authenticated else None,
            "transaction_link_id": None,
            "wallet": None,
        },
        "type": "card",
    }
