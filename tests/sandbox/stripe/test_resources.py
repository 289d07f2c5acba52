"""The shapes of the sandbox's answers, held against the SDK's typed resources."""

import httpx
import pytest
import stripe
from stripe import StripeObject

from tests.sandbox.stripe.orders import open_session, paid_charge
from tests.sandbox.stripe.process import StripeSandbox, eventually, pay
from tests.sandbox.stripe.typed import faults
from tests.support.clock import DAY_SECONDS, Clock


class TestShapes:
    def test_fit_the_sdk_at_every_step_of_a_payment(self, client: stripe.StripeClient) -> None:
        session = open_session(client)
        seen: list[StripeObject] = [session]
        pay(session.url or "", "4000000000000002")
        seen.append(client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent.latest_charge"]}))
        pay(session.url or "")
        paid = client.v1.checkout.sessions.retrieve(
            session.id, {"expand": ["line_items", "payment_intent.latest_charge.balance_transaction"]}
        )
        seen.append(paid)
        intent = paid.payment_intent
        assert isinstance(intent, stripe.PaymentIntent)
        assert isinstance(intent.latest_charge, stripe.Charge)
        assert isinstance(intent.latest_charge.balance_transaction, stripe.BalanceTransaction)
        seen += [intent, intent.latest_charge, intent.latest_charge.balance_transaction]
        assert paid.line_items is not None
        seen += paid.line_items.data
        assert isinstance(intent.payment_method, str)
        seen.append(client.v1.payment_methods.retrieve(intent.payment_method))
        seen.append(
            client.v1.refunds.create({"payment_intent": intent.id, "expand": ["charge", "balance_transaction"]})
        )
        seen += client.v1.events.list({"limit": 100}).data
        seen.append(client.v1.customers.create({"email": "ada@example.com"}))
        assert [fault for resource in seen for fault in faults(resource)] == []

    def test_fit_the_sdk_while_the_bank_asks(self, client: stripe.StripeClient) -> None:
        intent = client.v1.payment_intents.create(
            {"amount": 900, "currency": "usd", "payment_method": "pm_card_threeDSecure2Required", "confirm": True}
        )
        assert intent.status == "requires_action"
        assert faults(intent) == []

    def test_the_check_itself_notices_a_wrong_field(self) -> None:
        wrong = stripe.Refund.construct_from({"id": 7, "object": "refund", "amount": "1", "colour": "red"}, "k")
        found = faults(wrong)
        assert any("Refund.id" in fault for fault in found)
        assert "Refund.colour is not declared" in found
        assert any("Refund.currency is missing" in fault for fault in found)


class TestFees:
    @pytest.mark.parametrize(("cents", "fee"), [(50, 31), (500, 45), (2000, 88), (500000, 14530)])
    def test_are_2_9_percent_and_30_cents(self, client: stripe.StripeClient, cents: int, fee: int) -> None:
        charge = client.v1.charges.retrieve(paid_charge(client, cents), {"expand": ["balance_transaction"]})
        transaction = charge.balance_transaction
        assert isinstance(transaction, stripe.BalanceTransaction)
        assert (transaction.amount, transaction.fee, transaction.net) == (cents, fee, cents - fee)
        assert transaction.source == charge.id

    def test_money_becomes_available_after_two_days(self, sandbox_clock: Clock, client: stripe.StripeClient) -> None:
        charge = client.v1.charges.retrieve(paid_charge(client), {"expand": ["balance_transaction"]})
        assert isinstance(charge.balance_transaction, stripe.BalanceTransaction)
        assert charge.balance_transaction.status == "pending"
        transaction = charge.balance_transaction.id
        sandbox_clock.later(2 * DAY_SECONDS)
        eventually(lambda: client.v1.balance_transactions.retrieve(transaction).status, lambda it: it == "available")


class TestDisputes:
    def test_are_listed_told_and_seen_on_the_charge(self, sandbox: StripeSandbox, client: stripe.StripeClient) -> None:
        charge = paid_charge(client)
        sandbox.control("POST", "disputes", {"charge": charge})
        [dispute] = client.v1.disputes.list({"charge": charge}).data
        assert (faults(dispute), dispute.amount) == ([], 2000)
        assert client.v1.charges.retrieve(charge).disputed
        [event] = client.v1.events.list({"type": "charge.dispute.created"}).data
        assert event.data.object["id"] == dispute.id

    def test_are_of_a_part_and_never_beyond_the_charge(
        self, sandbox: StripeSandbox, client: stripe.StripeClient
    ) -> None:
        charge, other = paid_charge(client), paid_charge(client)
        for about in ({"charge": charge, "amount": 150, "status": "lost"}, {"charge": charge}, {"charge": other}):
            sandbox.control("POST", "disputes", about)
        found = client.v1.disputes.list({"charge": charge}).data
        assert [(one.amount, one.status) for one in found] == [(1850, "needs_response"), (150, "lost")]
        for beyond in ({"charge": charge}, {"charge": paid_charge(client), "amount": 2001}):
            with pytest.raises(httpx.HTTPStatusError):
                sandbox.control("POST", "disputes", beyond)


class TestRefunds:
    def test_go_back_in_parts_and_never_beyond_the_charge(self, client: stripe.StripeClient) -> None:
        charge = paid_charge(client, 2000)
        first = client.v1.refunds.create({"charge": charge, "amount": 1500})
        assert isinstance(first.balance_transaction, str)
        assert client.v1.balance_transactions.retrieve(first.balance_transaction).net == -1500
        with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded amount") as refused:
            client.v1.refunds.create({"charge": charge, "amount": 501})
        assert refused.value.param == "amount"
        client.v1.refunds.create({"charge": charge})
        refunded = client.v1.charges.retrieve(charge, {"expand": ["refunds"]})
        assert (refunded.refunded, refunded.amount_refunded) == (True, 2000)
        assert refunded.refunds is not None
        assert [refund.amount for refund in refunded.refunds.data] == [500, 1500]
        with pytest.raises(stripe.InvalidRequestError) as again:
            client.v1.refunds.create({"charge": charge, "amount": 1})
        assert again.value.code == "charge_already_refunded"

    def test_of_a_declined_charge_is_refused(self, client: stripe.StripeClient) -> None:
        session = open_session(client)
        pay(session.url or "", "4000000000000002")
        found = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
        assert isinstance(found.payment_intent, stripe.PaymentIntent)
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.refunds.create({"payment_intent": found.payment_intent.id})
