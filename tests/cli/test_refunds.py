"""Refunds, requests for them, adjustments and disputes on the command line."""

import json

import pytest

from sublet.cli.commands.admin.disputes import STATES as DISPUTE_STATES
from sublet.cli.commands.admin.refunds import REQUEST_STATES, STATES
from sublet.cli.exits import Exit
from sublet.payments.disputes.states import DisputeState
from sublet.payments.refund_requests.states import RefundRequestState
from sublet.payments.refunds.states import RefundState
from tests.cli.running import Cli
from tests.client.fake_refund_routes import EVIDENCE

PAYMENT = "tu_0000000000000008"
DISPUTE = "dsp_0000000000000001"
REQUEST = "rrq_0000000000000001"


class TestARequest:
    def test_needs_to_know_what_can_go_back(self, cli: Cli) -> None:
        heading, line = cli.run("refund-request").stdout.splitlines()
        assert heading.split()[:2] == ["PAYMENT", "PAID"]
        assert line.split() == [PAYMENT, "20.00", "USD", "3.00", "USD", "0.00", "USD", "17.00", "USD"]

    def test_is_made_with_a_reason(self, cli: Cli) -> None:
        assert cli.run("refund-request", PAYMENT, "12.00").exit_code == Exit.USAGE
        result = cli.run("refund-request", PAYMENT, "12.00", "--reason", "too much")
        assert "no money has moved" in result.stderr
        assert cli.api.calls("POST", "/refund-requests")[0].body == {
            "top_up_id": PAYMENT,
            "amount": "12.00",
            "reason": "too much",
        }

    def test_is_listed_granted_and_declined_by_operators(self, operator: Cli) -> None:
        assert operator.run("admin", "refund", "requests", "-q").stdout == f"{REQUEST}\n"
        granted = operator.run("admin", "refund", "approve", REQUEST, "--decision", "of course")
        assert "12.00 USD goes back to the card" in granted.stderr
        declined = operator.run("admin", "refund", "decline", REQUEST, "--decision", "it ran")
        assert "No money was moved" in declined.stderr


class TestARefund:
    def test_is_previewed_created_and_listed(self, operator: Cli) -> None:
        assert "17.00 USD" in operator.run("admin", "refund", "preview", "org_0000000000000001").stdout
        done = operator.run("admin", "refund", "create", PAYMENT, "12.00", "--reason", "asked for")
        assert done.stderr.startswith("12.00 USD goes back to the card")
        assert "succeeded" in operator.run("admin", "refund", "ls").stdout

    def test_above_the_threshold_says_that_it_waits(self, operator: Cli) -> None:
        result = operator.run("admin", "refund", "create", PAYMENT, "60.00", "--reason", "asked for", "--json")
        assert "waits for a second person. Nothing was moved" in result.stderr
        assert json.loads(result.stdout)["refund"] is None


class TestAnAdjustment:
    @pytest.mark.parametrize(("amount", "said"), [("5.00", "is in the books"), ("60.00", "waits for a second person")])
    def test_is_within_the_books(self, operator: Cli, amount: str, said: str) -> None:
        made = ("org_0000000000000001", "give", amount, "--currency", "usd", "--reason", "sorry")
        assert said in operator.run("admin", "adjust", *made).stderr
        assert operator.api.calls("POST", "/admin/adjustments")[0].body["currency"] == "USD"


class TestADispute:
    def test_is_listed_and_shown_with_its_deadline(self, operator: Cli) -> None:
        assert "ANSWER BY" in operator.run("admin", "dispute", "ls").stdout
        shown = operator.run("admin", "dispute", "show", "dsp_0000000000000001").stdout
        for part in ("fraudulent", "20.00 USD by the card processor", "Answer by"):
            assert part in shown

    def test_shows_what_speaks_for_the_payment_as_text_and_as_json(self, operator: Cli) -> None:
        told = operator.run("admin", "dispute", "evidence", DISPUTE).stdout
        for part in (
            "The dispute\n",
            "customer_name\n=============\nAda\n",
            "Answer by",
            "visa ending in 4242",
            "Spent of this payment: 3.00 USD",
        ):
            assert part in told
        assert "None was accepted" in told
        as_json = json.loads(operator.run("admin", "dispute", "evidence", DISPUTE, "--json").stdout)
        assert as_json["payment"]["charge_id"] == "ch_1QvT"

    def test_prints_nothing_that_steers_the_terminal(self, operator: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(EVIDENCE["fields"], "customer_name", "Ada\x1b]52;c;x\x07\x9b")
        told = operator.run("admin", "dispute", "evidence", DISPUTE).stdout
        assert "Ada�]52;c;x��\n" in told

    def test_is_answered_with_a_note(self, operator: Cli) -> None:
        told = operator.run("admin", "dispute", "answer", DISPUTE, "--note", "She used it.").stdout
        assert "by Ada, on its way" in told
        [call] = operator.api.calls("POST", f"/admin/disputes/{DISPUTE}/evidence")
        assert call.body == {"note": "She used it."}


def test_states_are_the_servers() -> None:
    assert set(STATES) == set(RefundState)
    assert set(REQUEST_STATES) == set(RefundRequestState)
    assert set(DISPUTE_STATES) == set(DisputeState) - {DisputeState.SEEN}
