"""What the tests of the sandbox order."""

from typing import Any

import httpx
import stripe
from stripe.checkout import Session

from tests.sandbox.stripe.process import pay


def order(cents: int = 2000, **more: Any) -> Any:
    """Parameters of a checkout session."""
    price = {"currency": "usd", "unit_amount": cents, "product_data": {"name": "Balance"}}
    return {
        "mode": "payment",
        "line_items": [{"quantity": 1, "price_data": price}],
        "success_url": "http://shop.test/done?session={CHECKOUT_SESSION_ID}",
        "cancel_url": "http://shop.test/cancelled",
        "payment_intent_data": {"description": "Order 7", "metadata": {"order": "7"}},
        **more,
    }


def open_session(client: stripe.StripeClient, cents: int = 2000, **more: Any) -> Session:
    """A session that can be paid."""
    return client.v1.checkout.sessions.create(order(cents, **more))


def paid_charge(client: stripe.StripeClient, cents: int = 2000, card: str = "pm_card_visa") -> str:
    """The id of a successful charge."""
    intent = client.v1.payment_intents.create(
        {"amount": cents, "currency": "usd", "payment_method": card, "confirm": True}
    )
    assert isinstance(intent.latest_charge, str)
    return intent.latest_charge


def open_setup(client: stripe.StripeClient, **more: Any) -> Session:
    """A session on which a new customer saves a card."""
    params: Any = {
        "mode": "setup",
        "customer": client.v1.customers.create({"email": "ada@example.com"}).id,
        "allowed_payment_method_types": ["card"],
        "success_url": "http://shop.test/done?session={CHECKOUT_SESSION_ID}",
        "setup_intent_data": {"metadata": {"order": "7"}},
        **more,
    }
    return client.v1.checkout.sessions.create(params)


def saved_card(client: stripe.StripeClient, number: str = "4242424242424242") -> tuple[str, str]:
    """A customer with a card that was saved on a page of theirs: the ids of both."""
    session = open_setup(client)
    pay(session.url or "", number)
    if standing := client.v1.setup_intents.retrieve(str(session.setup_intent)).next_action:
        assert standing.redirect_to_url is not None
        httpx.post(standing.redirect_to_url.url or "", data={"decision": "complete"}, trust_env=False)
    [method] = client.v1.payment_methods.list({"customer": str(session.customer)}).data
    return str(session.customer), method.id
