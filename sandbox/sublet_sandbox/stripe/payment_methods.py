"""Cards as PaymentMethod objects: brand, last four digits and behaviour, never the number."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any, Literal

from sublet_sandbox.stripe.cards import BY_TOKEN, SandboxCard
from sublet_sandbox.stripe.errors import no_such, refused
from sublet_sandbox.stripe.lists import listed
from sublet_sandbox.stripe.params import ListParams, Params
from sublet_sandbox.stripe.store import Resource
from sublet_sandbox.stripe.work import Work, shaped

NO_ADDRESS = {"city": None, "country": None, "line1": None, "line2": None, "postal_code": None, "state": None}


class AttachParams(Params):
    """Whose a card becomes."""

    customer: str


class PaymentMethodListParams(ListParams):
    """Whose cards to list."""

    customer: str | None = None
    type: Literal["card"] | None = None


class OfCustomerParams(ListParams):
    """Which of a customer's cards to list."""

    type: Literal["card"] | None = None


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


def list_all(work: Work, params: PaymentMethodListParams) -> Resource:
    """Cards, newest first; of one customer where that is given."""
    return listed(work, "payment_method", "/v1/payment_methods", params)


def list_of(work: Work, params: OfCustomerParams, customer: str) -> Resource:
    """A customer's cards, newest first."""
    work.fetch("customer", customer, param="customer")
    narrowed = PaymentMethodListParams(**params.model_dump(exclude_unset=True), customer=customer)
    return listed(work, "payment_method", f"/v1/customers/{customer}/payment_methods", narrowed)


def attach(work: Work, params: AttachParams, payment_method: str) -> Resource:
    """Make a card a customer's. One that was taken from a customer can never be used again."""
    work.fetch("customer", params.customer, param="customer")
    method = resolve(work, payment_method)
    refuse_detached(method)
    if method["customer"] not in (None, params.customer):
        raise refused("The payment method you provided has already been attached to a customer.")
    return save_for(work, method, params.customer)


def save_for(work: Work, method: Resource, customer: str | None) -> Resource:
    """Keep a card for later payments, with a customer if there is one."""
    method["_saved"] = True
    if customer is not None and method["customer"] != customer:
        method["customer"] = customer
        work.store.save(method)
        work.emit("payment_method.attached", method)
    work.store.save(method)
    return method


def detach(work: Work, params: Params, payment_method: str) -> Resource:
    """Take a card from its customer, for good."""
    method = work.fetch("payment_method", payment_method, param="payment_method")
    if method["customer"] is None:
        raise refused(
            "The payment method you provided is not attached to a customer so detachment is impossible.",
            param="payment_method",
        )
    method.update(customer=None, _detached=True)
    work.store.save(method)
    work.emit("payment_method.detached", method)
    return method


def refuse_detached(method: Resource) -> None:
    """Refuse a card that was taken from its customer."""
    if method.get("_detached"):
        raise refused(
            "The provided PaymentMethod was detached from a Customer and may not be used again.",
            param="payment_method",
        )


def refuse_for(method: Resource, customer: str | None) -> None:
    """Refuse a card that somebody else has, or nobody any more."""
    refuse_detached(method)
    if method["customer"] is not None and method["customer"] != customer:
        raise refused(
            f"The payment method {method['id']} belongs to a Customer. Please include the Customer in the `customer` "
            "parameter on the PaymentIntent.",
            param="payment_method",
        )
