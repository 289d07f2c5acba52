"""Saved cards of the sandbox: attached, charged while nobody is there, confirmed later, and detached for good."""

from typing import Any

import httpx
import pytest
import stripe

from tests.sandbox.stripe.orders import open_setup, saved_card
from tests.sandbox.stripe.process import pay
from tests.sandbox.stripe.typed import faults


def charge(client: stripe.StripeClient, customer: str, method: str, **more: Any) -> stripe.PaymentIntent:
    """Charge a saved card while its holder is away."""
    params: Any = {"amount": 2000, "currency": "usd", "customer": customer, "payment_method": method}
    return client.v1.payment_intents.create({**params, "confirm": True, "off_session": True, **more})


def declined(client: stripe.StripeClient, customer: str, method: str) -> tuple[stripe.CardError, stripe.PaymentIntent]:
    """A decline, and the payment as it stands then."""
    with pytest.raises(stripe.CardError) as caught:
        charge(client, customer, method)
    [intent] = client.v1.payment_intents.list({"customer": customer}).data
    return caught.value, intent


class TestShapes:
    def test_of_setup_intents_and_their_pages_fit_the_sdk(self, client: stripe.StripeClient) -> None:
        session = open_setup(client)
        seen: list[stripe.StripeObject] = [session, client.v1.setup_intents.retrieve(str(session.setup_intent))]
        for number in ("4000000000000002", "4000002500003155"):
            pay(session.url or "", number)
            seen.append(client.v1.setup_intents.retrieve(str(session.setup_intent)))
        customer, method = saved_card(client)
        seen += client.v1.setup_intents.list({"customer": customer, "expand": ["data.payment_method"]}).data
        seen.append(charge(client, customer, method))
        seen.append(client.v1.payment_methods.detach(method))
        seen += client.v1.events.list({"limit": 100}).data
        assert [fault for resource in seen for fault in faults(resource)] == []

    def test_of_what_needs_its_holder_fit_the_sdk(self, client: stripe.StripeClient) -> None:
        _, intent = declined(client, *saved_card(client, "4000002760003184"))
        assert faults(intent) == []


class TestSetupIntents:
    def test_confirmed_with_a_card_keep_it(self, client: stripe.StripeClient) -> None:
        customer = client.v1.customers.create({}).id
        intent = client.v1.setup_intents.create(
            {"customer": customer, "payment_method": "pm_card_visa", "confirm": True}
        )
        assert (intent.status, intent.usage) == ("succeeded", "off_session")
        assert [one.id for one in client.v1.payment_methods.list({"customer": customer}).data] == [
            intent.payment_method
        ]

    def test_that_a_bank_declines_say_why(self, client: stripe.StripeClient) -> None:
        with pytest.raises(stripe.CardError) as caught:
            client.v1.setup_intents.create({"payment_method": "pm_card_chargeDeclinedLostCard", "confirm": True})
        assert (caught.value.code, caught.value.http_status) == ("card_declined", 402)

    def test_that_are_over_are_neither_confirmed_nor_cancelled(self, client: stripe.StripeClient) -> None:
        intent = client.v1.setup_intents.create({})
        assert client.v1.setup_intents.cancel(intent.id).status == "canceled"
        for again in (client.v1.setup_intents.cancel, client.v1.setup_intents.confirm):
            with pytest.raises(stripe.InvalidRequestError, match="status of canceled"):
                again(intent.id)


class TestCharging:
    def test_a_saved_card_while_nobody_is_there(self, client: stripe.StripeClient) -> None:
        intent = charge(client, *saved_card(client))
        assert (intent.status, intent.amount_received) == ("succeeded", 2000)

    def test_a_card_that_was_asked_about_when_it_was_saved(self, client: stripe.StripeClient) -> None:
        assert charge(client, *saved_card(client, "4000002500003155")).status == "succeeded"

    def test_the_same_card_unsaved_needs_its_holder(self, client: stripe.StripeClient) -> None:
        with pytest.raises(stripe.CardError) as caught:
            charge(client, client.v1.customers.create({}).id, "pm_card_authenticationRequiredOnSetup")
        assert caught.value.code == "authentication_required"

    def test_a_card_that_saves_and_then_declines(self, client: stripe.StripeClient) -> None:
        error, intent = declined(client, *saved_card(client, "4000000000000341"))
        assert (error.http_status, error.code) == (402, "card_declined")
        assert (intent.status, intent.last_payment_error is not None) == ("requires_payment_method", True)

    def test_says_which_payment_needs_its_holder_who_then_confirms_it(self, client: stripe.StripeClient) -> None:
        customer, method = saved_card(client, "4000002760003184")
        error, intent = declined(client, customer, method)
        assert error.error is not None
        assert error.error.payment_intent is not None
        assert (error.code, error.error.payment_intent.id) == ("authentication_required", intent.id)
        asked = client.v1.payment_intents.confirm(
            intent.id, {"payment_method": method, "return_url": "http://shop.test/back?of=7"}
        )
        assert (asked.status, faults(asked)) == ("requires_action", [])
        assert asked.next_action is not None
        assert asked.next_action.redirect_to_url is not None
        answer = httpx.post(asked.next_action.redirect_to_url.url or "", data={"decision": "complete"}, trust_env=False)
        assert answer.headers["location"].startswith("http://shop.test/back?of=7&payment_intent=")
        assert client.v1.payment_intents.retrieve(intent.id).status == "succeeded"
        charges = client.v1.charges.list({"payment_intent": intent.id}).data
        assert [one.status for one in charges] == ["succeeded", "failed"]

    def test_the_same_key_never_charges_twice_declined_or_not(self, client: stripe.StripeClient) -> None:
        customer, method = saved_card(client)
        params: Any = {"amount": 2000, "currency": "usd", "customer": customer, "payment_method": method}
        params |= {"confirm": True, "off_session": True}
        made = {client.v1.payment_intents.create(params, {"idempotency_key": customer}).id for _ in range(3)}
        bad, failing = saved_card(client, "4000000000000341")
        for _ in range(3):
            with pytest.raises(stripe.CardError):
                client.v1.payment_intents.create(
                    {**params, "customer": bad, "payment_method": failing}, {"idempotency_key": bad}
                )
        assert len(made) == 1
        assert len(client.v1.payment_intents.list({"customer": customer}).data) == 1
        assert len(client.v1.payment_intents.list({"customer": bad}).data) == 1

    def test_off_session_is_for_what_is_confirmed_at_once(self, client: stripe.StripeClient) -> None:
        with pytest.raises(stripe.InvalidRequestError) as refused:
            charge(client, *saved_card(client), confirm=False)
        assert refused.value.param == "off_session"


class TestWhoseCard:
    def test_is_charged_for_its_own_customer_alone(self, client: stripe.StripeClient) -> None:
        _, method = saved_card(client)
        other = client.v1.customers.create({}).id
        with pytest.raises(stripe.InvalidRequestError, match="belongs to a Customer"):
            charge(client, other, method)
        with pytest.raises(stripe.InvalidRequestError, match="already been attached"):
            client.v1.payment_methods.attach(method, {"customer": other})

    def test_once_detached_is_charged_no_more(self, client: stripe.StripeClient) -> None:
        customer, method = saved_card(client)
        assert client.v1.payment_methods.detach(method).customer is None
        for attempt in (
            lambda: charge(client, customer, method),
            lambda: client.v1.payment_methods.attach(method, {"customer": customer}),
            lambda: client.v1.payment_methods.detach(method),
        ):
            with pytest.raises(stripe.InvalidRequestError, match="detach"):
                attempt()
        assert client.v1.payment_methods.list({"customer": customer, "type": "card"}).data == []
