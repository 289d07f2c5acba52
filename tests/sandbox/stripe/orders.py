"""What the tests of the sandbox order."""

from typing import Any

import stripe
from stripe.checkout import Session


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


def paid_charge(client: stripe.StripeClient, cents: int = 2000) -> str:
    """The id of a successful charge."""
    intent = client.v1.payment_intents.create(
        {"amount": cents, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
    )
    assert isinstance(intent.latest_charge, str)
    return intent.latest_charge
