"""Promotional credit on the command line."""

import pytest

from sublet.cli.exits import Exit
from tests.cli.running import Cli

ORGANIZATION = "org_0000000000000001"


class TestCredit:
    def test_is_listed_with_what_is_left(self, cli: Cli) -> None:
        heading, line = cli.run("credits").stdout.splitlines()
        assert heading.split()[:3] == ["CREDIT", "GIVEN", "LEFT"]
        assert line.split()[1:5] == ["5.00", "USD", "3.00", "USD"]

    def test_is_redeemed_by_a_code(self, cli: Cli) -> None:
        assert "5.00 USD of credit is in your wallet" in cli.run("redeem", "spring-7q4m-x2").stderr
        refused = cli.run("redeem", "WRONG-CODE")
        assert (refused.exit_code, "Nothing was given" in refused.stderr) == (Exit.CONFLICT, True)

    @pytest.mark.parametrize(
        ("amount", "said"), [("5.00", "is in the wallet"), ("60.00", "waits for a second person. Nothing was given")]
    )
    def test_is_given_within_a_budget(self, operator: Cli, amount: str, said: str) -> None:
        given = (ORGANIZATION, amount, "--currency", "usd", "--expires-after", "30", "--reason", "welcome")
        assert said in operator.run("admin", "grant", *given).stderr
        assert operator.api.calls("POST", "/admin/credits")[0].body == {
            "organization_id": ORGANIZATION,
            "amount": amount,
            "currency": "USD",
            "valid_days": 30,
            "reason": "welcome",
        }

    def test_is_for_ever_only_where_somebody_says_so(self, operator: Cli) -> None:
        given = ("admin", "grant", ORGANIZATION, "5.00", "--currency", "USD", "--reason", "welcome")
        assert operator.run(*given).exit_code == Exit.USAGE
        assert operator.run(*given, "--expires-after", "soon").exit_code == Exit.USAGE
        operator.run(*given, "--expires-after", "never")
        assert operator.api.calls("POST", "/admin/credits")[0].body["valid_days"] is None


class TestACode:
    def test_is_made_listed_and_ended(self, operator: Cli) -> None:
        how = ("--currency", "usd", "--uses", "10", "--days", "7", "--expires-after", "30", "--reason", "a fair")
        made = operator.run("admin", "promo-code", "create", "autumn-7q4m-x2", "5.00", *how)
        assert made.stderr.startswith("AUTUMN-7Q4M-X2 can be redeemed")
        assert "3/100" in operator.run("admin", "promo-code", "ls").stdout
        assert "has ended" in operator.run("admin", "promo-code", "end", "prm_0000000000000001").stderr
