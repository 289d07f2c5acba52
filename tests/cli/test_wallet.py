"""The wallet on the command line."""

import json
from typing import Any

from tests.cli.running import Cli
from tests.client.fake_shapes import at, usd


def entry(number: int, amount: str, after: str) -> dict[str, Any]:
    return {
        "id": f"{number}-1",
        "entry_id": str(number),
        "account": "wallet",
        "kind": "usage",
        "description": f"Entry {number}",
        "effective_at": at(60),
        "recorded_at": at(60),
        "amount": usd(amount),
        "balance_after": usd(after),
        "source": None,
        "purposes": [],
        "purpose_count": 0,
    }


class TestBalance:
    def test_says_what_there_is_and_how_long_it_lasts(self, cli: Cli) -> None:
        cli.api.world.allocation("web", next(iter(cli.api.world.skus.values())))
        shown = cli.run("balance").stdout
        for part in ("20.00 USD", "1.00 USD (set aside", "19.00 USD", "0.36 USD/h", "2 d 04 h"):
            assert part in shown

    def test_says_when_credit_expires(self, cli: Cli) -> None:
        assert "Promotional" not in cli.run("balance").stdout
        cli.api.world.credit = {"amount": usd("2.00"), "at": at(-86_400)}
        assert "2.00 USD (2.00 USD until " in cli.run("balance").stdout

    def test_warns_on_stderr(self, cli: Cli) -> None:
        cli.api.world.warning = "1h"
        result = cli.run("balance")
        assert "runs out (1h)" in result.stderr
        assert "runs out" not in result.stdout

    def test_says_until_when_what_nobody_pays_for_is_kept(self, cli: Cli) -> None:
        cli.api.world.warning, cli.api.world.data_kept_until = "suspended", at(-9 * 86_400)
        said = cli.run("balance").stderr
        assert "its files are deleted" in said
        assert "runs out" not in said

    def test_keeps_decimals_as_strings_for_programs(self, cli: Cli) -> None:
        assert json.loads(cli.run("balance", "--json").stdout)["balance"]["amount"] == "20.00"


class TestUsage:
    def test_shows_the_days_that_cost_something_and_what_the_month_comes_to(self, cli: Cli) -> None:
        result = cli.run("usage")
        assert [line.split()[0] for line in result.stdout.splitlines()[:2]] == ["DAY", "2026-11-02"]
        for part in ("0.39 USD", "0.0012 USD", "0.36 USD/h", "260.31 USD"):
            assert part in result.stdout
        assert "does not last until the month ends" in result.stderr

    def test_of_a_month_that_is_over_has_no_forecast(self, cli: Cli) -> None:
        result = cli.run("usage", "2026-10")
        assert "2026-10" in result.stdout
        assert "Forecast" not in result.stdout
        assert result.stderr == ""

    def test_takes_no_month_that_is_none(self, cli: Cli) -> None:
        result = cli.run("usage", "2026-13")
        assert result.exit_code == 2
        assert "is not a month" in result.stderr


class TestLedger:
    def test_is_narrowed_by_the_server(self, cli: Cli) -> None:
        cli.api.world.entries = [entry(2, "-1", "19"), entry(1, "20", "20") | {"kind": "top_up"}]
        assert "Entry 2" not in cli.run("ledger", "--kind", "top_up").stdout
        assert "Entry 1" not in cli.run("ledger", "--search", "Entry 2").stdout
        assert "No entry is like that." in cli.run("ledger", "--search", "nothing").stderr
        cli.run("ledger", "--since", "2026-11-01", "--until", "2026-12-01T12:00")
        asked = cli.api.calls("GET", "/wallet/entries")[-1].query
        assert (asked["since"], asked["until"]) == ("2026-11-01T00:00:00+00:00", "2026-12-01T12:00:00+00:00")

    def test_shows_signed_exact_amounts(self, cli: Cli) -> None:
        cli.api.world.entries = [entry(2, "-0.000123", "19.999877"), entry(1, "20", "20")]
        lines = cli.run("ledger").stdout.splitlines()
        assert "-0.000123 USD" in lines[1]
        assert "19.999877 USD" in lines[1]
        assert "+20.00 USD" in lines[2]

    def test_says_which_entries_are_not_of_the_money_paid_in(self, cli: Cli) -> None:
        cli.api.world.entries = [
            entry(2, "-1", "4") | {"account": "promo"},
            entry(1, "-3", "-3") | {"account": "receivable"},
        ]
        lines = cli.run("ledger").stdout.splitlines()
        assert "Entry 2 (from credit)" in lines[1]
        assert "Entry 1 (owed)" in lines[2]

    def test_stops_at_the_limit_and_fetches_no_more(self, cli: Cli) -> None:
        cli.api.world.entries = [entry(number, "1", "1") for number in range(9)]
        assert len(cli.run("ledger", "--limit", "3", "-q").stdout.splitlines()) == 3
        assert len(cli.api.calls("GET", "/wallet/entries")) == 2
        assert len(cli.run("ledger", "--all", "-q").stdout.splitlines()) == 9


class TestTopUp:
    def test_has_the_short_name_too(self, cli: Cli) -> None:
        assert cli.run("topup", "20.00").stdout == "http://127.0.0.1:12111/pay/cs_test_1\n"

    def test_prints_the_page_to_pay_on_and_nothing_else(self, cli: Cli) -> None:
        result = cli.run("top-up", "20.00")
        assert result.stdout == "http://127.0.0.1:12111/pay/cs_test_1\n"
        assert "Pay 20.00 USD" in result.stderr

    def test_sends_the_amount_as_it_was_typed(self, cli: Cli) -> None:
        cli.run("top-up", "20.1", "--currency", "usd")
        assert cli.api.calls("POST", "/top-ups")[0].body == {"amount": "20.1", "currency": "USD"}
