"""The shapes of the sandbox's answers, held against the SDK's typed resources."""

import httpx
import pytest
import stripe
from stripe import StripeObject

from tests.sandbox.stripe.orders import open_session, paid_charge
from tests.sandbox.stripe.process import StripeSandbox, eventually, pay
from tests.sandbox.stripe.typed import faults
from tests.support.clock import DAY_SECONDS, Clock

ENDINGS = ("succeeded", "failed", "canceled")


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

    def test_wait_where_told_and_end_by_hand(self, sandbox: StripeSandbox, client: stripe.StripeClient) -> None:
        charge = paid_charge(client, 2000)
        sandbox.control("PUT", "refunds", {"wait": True})
        made = {ending: client.v1.refunds.create({"charge": charge, "amount": 500}) for ending in ENDINGS}
        sandbox.control("PUT", "refunds", {"wait": False})
        assert {one.status for one in made.values()} == {"pending"}
        for ending, refund in made.items():
            sandbox.control("POST", f"refunds/{refund.id}", {"status": ending})
            found = client.v1.refunds.retrieve(refund.id)
            assert (found.status, faults(found)) == (ending, [])
        assert client.v1.charges.retrieve(charge).amount_refunded == 500
        told = [event.type for event in client.v1.events.list({"limit": 5}).data]
        assert sorted(told[:4]) == ["refund.failed", "refund.updated", "refund.updated", "refund.updated"]
        sandbox.control("POST", f"refunds/{made['succeeded'].id}", {"status": "failed"})
        back = client.v1.refunds.retrieve(made["succeeded"].id, {"expand": ["balance_transaction"]})
        assert (back.status, faults(back)) == ("failed", [])
        assert isinstance(back.failure_balance_transaction, str)
        assert client.v1.balance_transactions.retrieve(back.failure_balance_transaction).net == 500
        assert client.v1.charges.retrieve(charge).amount_refunded == 0
        with pytest.raises(httpx.HTTPStatusError):
            sandbox.control("POST", f"refunds/{back.id}", {"status": "succeeded"})

    @pytest.mark.parametrize(
        ("card", "first", "then"),
        [("pm_card_pendingRefund", "pending", "succeeded"), ("pm_card_refundFail", "succeeded", "failed")],
    )
    def test_to_test_cards_end_by_themselves(
        self, sandbox_clock: Clock, client: stripe.StripeClient, card: str, first: str, then: str
    ) -> None:
        refund = client.v1.refunds.create({"charge": paid_charge(client, 900, card)})
        assert refund.status == first
        sandbox_clock.later(11)
        eventually(lambda: client.v1.refunds.retrieve(refund.id).status, lambda status: status == then)


class TestDisputesThatGoOn:
    def test_move_money_when_opened_and_back_when_won(self, client: stripe.StripeClient) -> None:
        charge = paid_charge(client, 2000, "pm_card_createDispute")
        [dispute] = client.v1.disputes.list({"charge": charge}).data
        [taken] = dispute.balance_transactions
        assert (dispute.status, taken.net, taken.fee, faults(taken)) == ("needs_response", -3500, 1500, [])
        kept = client.v1.disputes.update(dispute.id, {"evidence": {"product_description": "time"}, "submit": False})
        assert (kept.status, kept.evidence.product_description) == ("needs_response", "time")
        won = client.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "winning_evidence"}})
        assert (won.status, won.evidence_details.submission_count, faults(won)) == ("won", 1, [])
        assert [one.net for one in won.balance_transactions] == [-3500, 2000]
        told = [event.type.rpartition("dispute.")[2] for event in client.v1.events.list({"limit": 3}).data]
        assert told == ["funds_reinstated", "closed", "updated"]
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.disputes.update(dispute.id, {"evidence": {}})

    def test_of_an_inquiry_move_none_until_it_is_a_dispute(
        self, sandbox: StripeSandbox, client: stripe.StripeClient
    ) -> None:
        charge = paid_charge(client, 2000, "pm_card_createDisputeInquiry")
        [inquiry] = client.v1.disputes.list({"charge": charge}).data
        assert (inquiry.status, inquiry.balance_transactions) == ("warning_needs_response", [])
        sandbox.control("POST", f"disputes/{inquiry.id}", {"status": "needs_response"})
        opened = client.v1.disputes.retrieve(inquiry.id)
        assert [one.net for one in opened.balance_transactions] == [-3500]
        assert client.v1.disputes.close(inquiry.id).status == "lost"
        with pytest.raises(httpx.HTTPStatusError):
            sandbox.control("POST", f"disputes/{inquiry.id}", {"status": "won"})

    def test_may_be_of_more_than_the_charge_if_told_so(
        self, sandbox: StripeSandbox, client: stripe.StripeClient
    ) -> None:
        about = {"charge": paid_charge(client), "amount": 2500, "beyond": True}
        assert sandbox.control("POST", "disputes", about)["amount"] == 2500
