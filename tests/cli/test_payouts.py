"""Payouts on the command line."""

import json

from sublet.cli.commands.admin.payouts import STATES
from sublet.payments.payouts.states import PayoutState
from tests.cli.running import Cli

PAYOUT = "po_0000000000000001"


class TestAPayout:
    def test_is_listed_by_its_state_with_how_far_it_is_off(self, operator: Cli) -> None:
        listed = operator.run("admin", "payout", "ls", "--state", "paid").stdout
        for part in (PAYOUT, "19.12 USD", "1.00 USD"):
            assert part in listed
        assert "There are no payouts." in operator.run("admin", "payout", "ls", "--state", "failed").stderr

    def test_is_shown_with_what_became_of_it(self, operator: Cli) -> None:
        shown = operator.run("admin", "payout", "show", PAYOUT).stdout
        for part in ("po_1QvT at the card processor", "Made of", "18.12 USD", "in_transit", "the processor says paid"):
            assert part in shown

    def test_says_what_it_is_made_of_for_programs_too(self, operator: Cli) -> None:
        assert "txn_1QvT" in operator.run("admin", "payout", "transactions", PAYOUT).stdout
        [made] = json.loads(operator.run("admin", "payout", "transactions", PAYOUT, "--json").stdout)
        assert made["net"]["amount"] == "19.12"


def test_states_are_the_servers() -> None:
    assert set(STATES) == set(PayoutState)
