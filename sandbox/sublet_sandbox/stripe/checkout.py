"""Checkout Sessions: a page at Stripe's on which a customer pays once, or gives a card to be kept."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from sublet_sandbox.stripe import payment_intents, payment_methods, setup_intents
from sublet_sandbox.stripe.cards import SandboxCard
from sublet_sandbox.stripe.errors import refused
from sublet_sandbox.stripe.params import Currency, CustomerFilter, Inner, Metadata, Params, card_only
from sublet_sandbox.stripe.store import Resource, new_id
from sublet_sandbox.stripe.work import Work, shaped

DEFAULT_LIFETIME_SECONDS = 86_400
SHORTEST_LIFETIME_SECONDS = 1_800


class ProductData(Inner):
    """What is sold, as the payment page shows it."""

    name: str = Field(min_length=1, max_length=250)
    description: str | None = Field(default=None, max_length=500)


class PriceData(Inner):
    """What one of it costs, in the currency's smallest unit."""

    currency: Currency
    unit_amount: int = Field(ge=0)
    product_data: ProductData


class LineItem(Inner):
    """How many of what are bought."""

    price_data: PriceData
    quantity: int = Field(default=1, ge=1, le=999_999)


class PaymentIntentData(Inner):
    """What the payment intent of the session is to carry."""

    description: str | None = Field(default=None, max_length=1000)
    metadata: Metadata = Field(default_factory=dict)


class SetupIntentData(Inner):
    """What the setup intent of the session is to carry."""

    description: str | None = Field(default=None, max_length=1000)
    metadata: Metadata = Field(default_factory=dict)


class AdaptivePricing(Inner):
    """Whether the page may offer the customer's own currency. The sandbox's never does, and says what was asked for."""

    enabled: bool


class SessionParams(Params):
    """What a payment page is made from."""

    mode: Literal["payment", "setup"]
    line_items: list[LineItem] = Field(default_factory=list, max_length=100)
    currency: Currency | None = None
    success_url: str = Field(max_length=5000)
    cancel_url: str | None = Field(default=None, max_length=5000)
    client_reference_id: str | None = Field(default=None, max_length=200)
    customer: str | None = None
    customer_email: str | None = Field(default=None, max_length=512)
    expires_at: int | None = None
    metadata: Metadata = Field(default_factory=dict)
    adaptive_pricing: AdaptivePricing | None = None
    payment_intent_data: PaymentIntentData | None = None
    setup_intent_data: SetupIntentData | None = None
    allowed_payment_method_types: list[Literal["card"]] = Field(default_factory=card_only)
    submit_type: Literal["auto", "pay"] | None = None
    ui_mode: Literal["hosted_page"] = "hosted_page"


class SessionListParams(CustomerFilter):
    """Which sessions to list."""

    payment_intent: str | None = None
    status: Literal["open", "complete", "expired"] | None = None


def create(work: Work, params: SessionParams) -> Resource:
    """A session that stays open until it is done or expired."""
    currency, total = _price(params) if params.mode == "payment" else _nothing(params)
    email = params.customer_email
    if params.customer is not None:
        if email is not None:
            raise refused("You may only specify one of these parameters: customer, customer_email.")
        email = work.fetch("customer", params.customer, param="customer")["email"]
    expires_at = _expiry(work, params.expires_at)
    session_id = new_id("cs_test", 58)
    session = {
        **shaped(work, "checkout.session", "cs_test", _fields(params, currency, total, expires_at)),
        "id": session_id,
        "url": f"{work.base_url}/c/pay/{session_id}",
        "customer_details": {**_NOBODY, "email": email} if email else None,
    }
    session["_line_items"] = [_line_item(work, item) for item in params.line_items]
    session["_intent_data"] = (params.payment_intent_data or PaymentIntentData()).model_dump()
    if params.mode == "setup":
        wanted = (params.setup_intent_data or SetupIntentData()).model_dump()
        session["setup_intent"] = setup_intents.new_intent(work, customer=params.customer, **wanted)["id"]
    work.store.insert(session)
    return session


def _price(params: SessionParams) -> tuple[str, int]:
    """In which currency and how much is paid."""
    if not params.line_items:
        raise refused("You must specify `line_items` in `payment` mode.", param="line_items")
    if params.setup_intent_data is not None:
        raise refused("You can not pass `setup_intent_data` in `payment` mode.", param="setup_intent_data")
    currency = params.line_items[0].price_data.currency
    if any(item.price_data.currency != currency for item in params.line_items):
        raise refused("You cannot mix currencies in line_items.", param="line_items")
    total = sum(item.price_data.unit_amount * item.quantity for item in params.line_items)
    payment_intents.check_amount(total, "line_items")
    return currency, total


def _nothing(params: SessionParams) -> tuple[None, None]:
    """Nothing is paid on a page that keeps a card."""
    for name in ("line_items", "payment_intent_data", "submit_type", "adaptive_pricing"):
        if getattr(params, name):
            raise refused(f"You can not pass `{name}` in `setup` mode.", param=name)
    return None, None


_NOBODY: dict[str, Any] = {
    "address": None,
    "business_name": None,
    "email": None,
    "individual_name": None,
    "name": None,
    "phone": None,
    "tax_exempt": "none",
    "tax_ids": None,
}


def _expiry(work: Work, wanted: int | None) -> int:
    now = work.now()
    if wanted is None:
        return now + DEFAULT_LIFETIME_SECONDS
    if not now + SHORTEST_LIFETIME_SECONDS - 60 <= wanted <= now + DEFAULT_LIFETIME_SECONDS + 60:
        raise refused(
            "The `expires_at` timestamp must be between 30 minutes and 24 hours after Checkout Session creation.",
            param="expires_at",
        )
    return wanted


def _fields(params: SessionParams, currency: str | None, total: int | None, expires_at: int) -> dict[str, Any]:
    return {
        "livemode": False,
        # As of an account that has it on: whoever does not want it says so.
        "adaptive_pricing": {"enabled": params.adaptive_pricing is None or params.adaptive_pricing.enabled},
        "after_expiration": None,
        "allow_promotion_codes": None,
        "amount_subtotal": total,
        "amount_total": total,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": None,
        "cancel_url": params.cancel_url,
        "client_reference_id": params.client_reference_id,
        "client_secret": None,
        "collected_information": None,
        "consent": None,
        "consent_collection": None,
        "currency": currency,
        "currency_conversion": None,
        "custom_fields": [],
        "custom_text": {
            "after_submit": None,
            "shipping_address": None,
            "submit": None,
            "terms_of_service_acceptance": None,
        },
        "customer": params.customer,
        "customer_account": None,
        "customer_creation": None if params.customer else "if_required",
        "customer_email": params.customer_email,
        "discounts": [],
        "expires_at": expires_at,
        "integration_identifier": None,
        "invoice": None,
        "invoice_creation": {
            "enabled": False,
            "invoice_data": {
                "account_tax_ids": None,
                "custom_fields": None,
                "description": None,
                "footer": None,
                "issuer": None,
                "metadata": {},
                "rendering_options": None,
            },
        },
        "locale": None,
        "metadata": params.metadata,
        "mode": params.mode,
        "origin_context": None,
        "payment_intent": None,
        "payment_link": None,
        "payment_method_collection": "if_required",
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": list(params.allowed_payment_method_types),
        "payment_status": "unpaid" if params.mode == "payment" else "no_payment_required",
        "permissions": None,
        "phone_number_collection": {"enabled": False},
        "recovered_from": None,
        "saved_payment_method_options": None,
        "setup_intent": None,
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "submit_type": params.submit_type,
        "subscription": None,
        "success_url": params.success_url,
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": params.ui_mode,
        "wallet_options": None,
    }


def _line_item(work: Work, item: LineItem) -> Resource:
    total = item.price_data.unit_amount * item.quantity
    price = {
        "id": new_id("price"),
        "object": "price",
        "active": False,  # made for this session alone
        "billing_scheme": "per_unit",
        "created": work.now(),
        "currency": item.price_data.currency,
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "product": new_id("prod", 14),
        "recurring": None,
        "tax_behavior": "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "one_time",
        "unit_amount": item.price_data.unit_amount,
        "unit_amount_decimal": str(item.price_data.unit_amount),
    }
    return {
        "id": new_id("li"),
        "object": "item",
        "adjustable_quantity": None,
        "amount_discount": 0,
        "amount_subtotal": total,
        "amount_tax": 0,
        "amount_total": total,
        "currency": item.price_data.currency,
        "description": item.price_data.product_data.name,
        "metadata": {},
        "price": price,
        "quantity": item.quantity,
    }


def pay(
    work: Work,
    session: Resource,
    card: SandboxCard,
    *,
    exp_month: int,
    exp_year: int,
    name: str | None,
    email: str | None,
) -> Resource:
    """One attempt from the hosted page; answers the intent, whose status tells how it went."""
    intent = _intent(work, session)
    session["customer_details"] = {**_NOBODY, "email": email, "name": name, "individual_name": name}
    session.pop("_shown", None)
    work.store.save(session)
    method = payment_methods.create(work, card, exp_month=exp_month, exp_year=exp_year, name=name, email=email)
    try_card = payment_intents.attempt if session["mode"] == "payment" else setup_intents.attempt
    try_card(work, intent, method, return_url=f"{work.base_url}/c/pay/{session['id']}")
    complete_if_done(work, session, intent)
    return intent


def _intent(work: Work, session: Resource) -> Resource:
    """The session's intent; that of a payment is made by the first attempt."""
    if session["mode"] == "setup":
        return work.fetch("setup_intent", session["setup_intent"])
    if session["payment_intent"] is None:
        intent = payment_intents.new_intent(
            work,
            amount=session["amount_total"],
            currency=session["currency"],
            customer=session["customer"],
            description=session["_intent_data"]["description"],
            metadata=session["_intent_data"]["metadata"],
        )
        session["payment_intent"] = intent["id"]
        return intent
    return work.fetch("payment_intent", session["payment_intent"])


def note(work: Work, session: Resource, **shown: Any) -> None:
    """What the page is to say when it is shown next: a form that was sent is answered by a redirect to its page."""
    session["_shown"] = shown
    work.store.save(session)


def complete_if_done(work: Work, session: Resource, intent: Resource) -> None:
    """Close the session when its intent has succeeded."""
    if intent["status"] != "succeeded":
        return
    session.update(status="complete", url=None)
    if session["mode"] == "payment":
        session["payment_status"] = "paid"
    work.store.save(session)
    work.emit("checkout.session.completed", session)


def expire(work: Work, params: Params, session: str) -> Resource:
    """End an open session now; nobody can pay it any more."""
    found = work.fetch("checkout.session", session, param="session")
    if found["status"] != "open":
        raise refused(
            f'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of '
            f"{found['status']}.",
            param="session",
        )
    _expire(work, found)
    return found


def expire_due(work: Work) -> None:
    """End the sessions whose time is over."""
    rows = work.store.execute(
        "SELECT id FROM resource WHERE kind = 'checkout.session' AND json_extract(body, '$.status') = 'open'"
        " AND json_extract(body, '$.expires_at') <= ?",
        (work.now(),),
    )
    for row in rows:
        _expire(work, work.fetch("checkout.session", row["id"]))


def _expire(work: Work, session: Resource) -> None:
    session.update(status="expired", url=None)
    work.store.save(session)
    if session["payment_intent"] is not None:
        payment_intents.close(work, work.fetch("payment_intent", session["payment_intent"]), "expired")
    if session["setup_intent"] is not None:
        setup_intents.close(work, work.fetch("setup_intent", session["setup_intent"]), "abandoned")
    work.emit("checkout.session.expired", session)
