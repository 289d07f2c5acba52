"""Cards as PaymentMethod objects: brand, last four digits and behaviour, never the number."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from sublet_sandbox.stripe.cards import BY_TOKEN, SandboxCard
from sublet_sandbox.stripe.errors import no_such
from sublet_sandbox.stripe.store import Resource
from sublet_sandbox.stripe.work import Work, shaped

NO_ADDRESS = {"city": None, "country": None, "line1": None, "line2": None, "postal_code": None, "state": None}


def billing(name: str | None, email: str | None) -> dict[str, Any]:
    """billing_details as charges and payment methods carry them."""
    return {"address": dict(NO_ADDRESS), "email": email, "name": name, "phone": None, "tax_id": None}


def create(
    work: Work,
    card: SandboxCard,
    *,
    exp_month: int,
    exp_year: int,
    name: str | None = None,
    email: str | None = None,
) -> Resource:
    """A new card; its charges will go as `card` says."""
    method = shaped(
        work,
        "payment_method",
        "pm",
        {
            "livemode": False,
            "allow_redisplay": "unspecified",
            "billing_details": billing(name, email),
            "card": {
                "brand": card.brand,
                "checks": {
                    "address_line1_check": None,
                    "address_postal_code_check": None,
                    "cvc_check": "unchecked",
                },
                "country": "US",
                "display_brand": card.brand,
                "exp_month": exp_month,
                "exp_year": exp_year,
                # The digest of a published test number gives nothing away; others are never kept.
                "fingerprint": hashlib.sha256(card.number.encode()).hexdigest()[:16],
                "funding": card.funding,
                "generated_from": None,
                "last4": card.last4,
                "networks": {"available": [card.brand], "preferred": None},
                "regulated_status": "unregulated",
                "three_d_secure_usage": {"supported": True},
                "wallet": None,
            },
            "customer": None,
            "customer_account": None,
            "metadata": {},
            "type": "card",
            "_card": card.token,
        },
    )
    work.store.insert(method)
    return method


def resolve(work: Work, reference: str) -> Resource:
    """The payment method by id; `pm_card_visa` and its kin make a new one, as they do at Stripe."""
    token = reference.removeprefix("pm_card_")
    if token != reference and token in BY_TOKEN:
        year = datetime.fromtimestamp(work.now(), tz=UTC).year
        return create(work, BY_TOKEN[token], exp_month=12, exp_year=year + 3)
    found = work.store.get(reference, "payment_method")
    if found is None:
        raise no_such("PaymentMethod", reference, param="payment_method")
    return found


def behaviour(method: Resource) -> SandboxCard:
    """How this card's charges go."""
    return BY_TOKEN[method["_card"]]
