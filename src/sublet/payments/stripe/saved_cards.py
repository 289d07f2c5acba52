"""Cards that the processor keeps for us: saved on a page of its own, charged while nobody is there, and forgotten."""

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import stripe
from stripe import RequestOptions
from stripe.params import (
    CustomerCreateParams,
    PaymentIntentConfirmParams,
    PaymentIntentCreateParams,
    PaymentIntentListParams,
)
from stripe.params.checkout import SessionCreateParams

from sublet.core.money import Money
from sublet.payments.stripe.errors import PaymentDeclined, PaymentNeedsAction, ProcessorRefused, ProcessorUnknown
from sublet.payments.stripe.processor import Checkout, Processor, all_of, call, units_of
from sublet.payments.stripe.transactions import INSTALLATION_KEY, TOP_UP_KEY

SETUP_KEY = "sublet_card_setup"
ORGANIZATION_KEY = "sublet_organization"


@dataclass(frozen=True, slots=True)
class SetupOrder:
    """What a page for saving a card is made from. It depends on what is stored alone, as every repeated call must."""

    setup_id: str
    installation_id: str
    customer_id: str
    success_url: str
    cancel_url: str


@dataclass(frozen=True, slots=True)
class CardSeen:
    """What is kept of a card: what its holder knows it by."""

    payment_method_id: str
    brand: str
    last4: str
    expiry_month: int
    expiry_year: int


@dataclass(frozen=True, slots=True)
class SetupSeen:
    """How the saving of a card stands at the processor's now; `card` is there once it is saved."""

    session_status: str | None
    intent_id: str | None
    card: CardSeen | None
    failure: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class CardOrder:
    """What a charge of a saved card is made from, which depends on what is stored alone."""

    top_up_id: str
    installation_id: str
    amount: Money
    customer_id: str
    payment_method_id: str


async def create_customer(processor: Processor, *, organization_id: str, installation_id: str) -> str:
    """The id of an organization's customer at the processor's; within a day always the same one."""
    params: CustomerCreateParams = {
        "metadata": {ORGANIZATION_KEY: organization_id, INSTALLATION_KEY: installation_id},
    }
    options: RequestOptions = {"idempotency_key": f"customer:{organization_id}"}
    return (await call(processor.require().v1.customers.create_async(params, options))).id


async def open_setup(processor: Processor, order: SetupOrder) -> Checkout:
    """Open a page on which the customer saves a card; for one setup always the same page within a day."""
    metadata = {SETUP_KEY: order.setup_id, INSTALLATION_KEY: order.installation_id}
    params: SessionCreateParams = {
        "mode": "setup",
        "customer": order.customer_id,
        "client_reference_id": order.setup_id,
        "success_url": order.success_url,
        "cancel_url": order.cancel_url,
        "metadata": metadata,
        "setup_intent_data": {"metadata": metadata},
        "allowed_payment_method_types": ["card"],
    }
    options: RequestOptions = {"idempotency_key": f"card-setup:{order.setup_id}"}
    session = await call(processor.require().v1.checkout.sessions.create_async(params, options))
    return Checkout(session.id, session.url)


async def fetch_setup(processor: Processor, session_id: str) -> SetupSeen:
    """Ask how the saving of a card stands."""
    expand = "setup_intent.payment_method"
    session = await call(processor.require().v1.checkout.sessions.retrieve_async(session_id, {"expand": [expand]}))
    # Expanded, so each of these is the object itself or null; the SDK's types cannot know.
    intent = cast("stripe.SetupIntent | None", session.setup_intent)
    saved = intent is not None and intent.status == "succeeded"
    method = cast("stripe.PaymentMethod | None", intent.payment_method) if intent and saved else None
    error = intent.last_setup_error if intent else None
    return SetupSeen(
        session_status=session.status,
        intent_id=intent.id if intent else None,
        card=_card(method) if method is not None else None,
        failure=(str(error.code or "card_refused"), str(error.message or "The card was refused.")) if error else None,
    )


def _card(method: stripe.PaymentMethod) -> CardSeen:
    card = method.card
    assert card is not None  # the page takes nothing but cards
    return CardSeen(method.id, card.brand, str(card.last4), card.exp_month, card.exp_year)


async def forget(processor: Processor, payment_method_id: str) -> None:
    """Have the processor forget a card. One that it has forgotten already is fine."""
    client = processor.require()
    try:
        await call(client.v1.payment_methods.detach_async(payment_method_id))
    except ProcessorUnknown:
        return
    except ProcessorRefused:
        if (await call(client.v1.payment_methods.retrieve_async(payment_method_id))).customer is not None:
            raise


async def charge(processor: Processor, order: CardOrder) -> str:
    """Charge a saved card while its holder is away; the id of the payment, however it went.

    Within a day the same order is the same payment, declined or not. ProcessorRefused if it can never be made.
    """
    metadata = {TOP_UP_KEY: order.top_up_id, INSTALLATION_KEY: order.installation_id}
    params: PaymentIntentCreateParams = {
        "amount": units_of(order.amount),
        "currency": order.amount.currency.lower(),
        "customer": order.customer_id,
        "payment_method": order.payment_method_id,
        "allowed_payment_method_types": ["card"],
        "off_session": True,
        "confirm": True,
        "description": f"Top-up {order.top_up_id}",
        "metadata": metadata,
    }
    options: RequestOptions = {"idempotency_key": f"top-up:{order.top_up_id}"}
    return await _made(processor.require().v1.payment_intents.create_async(params, options))


async def _made(answer: Awaitable[stripe.PaymentIntent]) -> str:
    """The payment that was made, also where the bank said no: that is how it went, and no failure of the call."""
    try:
        return (await call(answer)).id
    except (PaymentDeclined, PaymentNeedsAction) as how:
        made = how.extra.get("payment_intent_id")
        if made is None:
            raise
        return str(made)


async def find_charge(processor: Processor, order: CardOrder, *, since: datetime) -> str | None:
    """The payment that an order came to, looked for when its key may be forgotten; None if none was ever made."""
    params: PaymentIntentListParams = {
        "customer": order.customer_id,
        "created": {"gte": int(since.timestamp())},
        "limit": 100,
    }
    found = await all_of(await call(processor.require().v1.payment_intents.list_async(params)))
    return next((one.id for one in found if one.metadata.to_dict().get(TOP_UP_KEY) == order.top_up_id), None)


async def confirm(processor: Processor, intent_id: str, payment_method_id: str, *, return_url: str) -> str | None:
    """Charge the card again with its holder there; where the bank asks them, None if it does not.

    One payment takes money once, so this may be repeated. A decline is how it went: it is seen when it is fetched.
    """
    client = processor.require()
    intent = await call(client.v1.payment_intents.retrieve_async(intent_id))
    if intent.status in ("requires_payment_method", "requires_confirmation"):
        again: PaymentIntentConfirmParams = {"payment_method": payment_method_id, "return_url": return_url}
        await _made(client.v1.payment_intents.confirm_async(intent_id, again))
        intent = await call(client.v1.payment_intents.retrieve_async(intent_id))
    action = intent.next_action
    return action.redirect_to_url.url if action is not None and action.redirect_to_url is not None else None


async def cancel(processor: Processor, intent_id: str) -> None:
    """Give a payment up, so that nobody can make it any more; one that is over stays as it ended."""
    client = processor.require()
    try:
        await call(client.v1.payment_intents.cancel_async(intent_id, {"cancellation_reason": "abandoned"}))
    except ProcessorRefused:
        if (await call(client.v1.payment_intents.retrieve_async(intent_id))).status not in ("succeeded", "canceled"):
            raise
