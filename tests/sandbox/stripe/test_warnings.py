"""Early fraud warnings, and what events of changes say of before."""

import stripe

from tests.sandbox.stripe.orders import paid_charge
from tests.sandbox.stripe.typed import faults


def warned(client: stripe.StripeClient) -> stripe.PaymentIntent:
    """A payment with the card whose issuer warns of it."""
    return client.v1.payment_intents.create(
        {"amount": 900, "currency": "usd", "payment_method": "pm_card_createIssuerFraudRecord", "confirm": True}
    )


def before(event: stripe.Event) -> dict[str, object]:
    """What the event says was before."""
    told = event.data.to_dict()["previous_attributes"]
    assert isinstance(told, dict)
    return told


class TestAWarning:
    def test_follows_a_payment_with_the_test_card(self, client: stripe.StripeClient) -> None:
        intent = warned(client)
        [warning] = client.v1.radar.early_fraud_warnings.list({"payment_intent": intent.id}).data
        assert (warning.charge, warning.actionable) == (intent.latest_charge, True)
        assert faults(warning) == []
        assert client.v1.radar.early_fraud_warnings.retrieve(warning.id).id == warning.id
        [event] = client.v1.events.list({"type": "radar.early_fraud_warning.created", "limit": 1}).data
        assert (event.data.object["id"], faults(event)) == (warning.id, [])

    def test_is_none_of_other_payments(self, client: stripe.StripeClient) -> None:
        charge = paid_charge(client, 900)
        assert client.v1.radar.early_fraud_warnings.list({"charge": charge}).data == []


class TestAnEventOfAChange:
    def test_says_what_was_before(self, client: stripe.StripeClient) -> None:
        customer = client.v1.customers.create({"email": "ada@example.com", "name": "Ada"})
        client.v1.customers.update(customer.id, {"name": "Grace"})
        [event] = client.v1.events.list({"type": "customer.updated", "limit": 1}).data
        assert event.data.object["name"] == "Grace"
        assert before(event) == {"name": "Ada"}
        assert faults(event) == []

    def test_says_within_objects_what_was_changed_there(self, client: stripe.StripeClient) -> None:
        customer = client.v1.customers.create({"metadata": {"team": "a", "room": "1"}})
        client.v1.customers.update(customer.id, {"metadata": {"team": "b"}})
        [event] = client.v1.events.list({"type": "customer.updated", "limit": 1}).data
        assert before(event) == {"metadata": {"team": "a"}}

    def test_that_is_none_says_nothing_of_before(self, client: stripe.StripeClient) -> None:
        client.v1.customers.create({"name": "Ada"})
        [event] = client.v1.events.list({"type": "customer.created", "limit": 1}).data
        assert "previous_attributes" not in event.data.to_dict()
