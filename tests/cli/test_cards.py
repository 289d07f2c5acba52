"""Saved cards and auto top-up on the command line."""

import json

from tests.cli.running import Cli
from tests.client.fake_card_routes import add_card
from tests.client.fake_shapes import at, usd


class TestCards:
    def test_say_how_to_save_the_first(self, cli: Cli) -> None:
        assert "sublet cards add" in cli.run("cards", "ls").output

    def test_are_listed_with_the_default(self, cli: Cli) -> None:
        add_card(cli.api.world, "4242", default=True)
        add_card(cli.api.world, "4444", brand="mastercard")
        lines = cli.run("cards", "ls").stdout.splitlines()
        assert "mastercard ending in 4444" in lines[1]
        assert "yes" not in lines[1]
        assert "visa ending in 4242" in lines[2]
        assert "yes" in lines[2]

    def test_are_saved_on_a_page_whose_address_alone_is_on_stdout(self, cli: Cli) -> None:
        result = cli.run("cards", "add")
        assert result.stdout == "http://127.0.0.1:12111/pay/cs_test_2\n"

    def test_are_chosen_by_their_last_digits(self, cli: Cli) -> None:
        add_card(cli.api.world, "4242", default=True)
        add_card(cli.api.world, "4444", brand="mastercard")
        assert "mastercard ending in 4444" in cli.run("cards", "default", "4444").stderr
        assert [card["is_default"] for card in cli.api.world.cards] == [True, False]

    def test_with_the_same_last_digits_are_named_by_their_ids(self, cli: Cli) -> None:
        add_card(cli.api.world, "4242")
        second = add_card(cli.api.world, "4242")
        result = cli.run("cards", "remove", "4242", "--yes")
        assert (result.exit_code != 0, "everal saved cards end in 4242" in result.stderr) == (True, True)
        cli.run("cards", "remove", second["id"], "--yes")
        assert len(cli.api.world.cards) == 1

    def test_are_not_removed_without_an_answer(self, cli: Cli) -> None:
        add_card(cli.api.world, "4242", default=True)
        result = cli.run("cards", "remove", "4242")
        assert result.exit_code != 0
        assert "waits until another card is the default" in result.output
        assert len(cli.api.world.cards) == 1


class TestAutoTopUp:
    def test_is_off_until_it_is_set(self, cli: Cli) -> None:
        assert "nothing is charged by itself" in cli.run("auto-topup", "show").stdout

    def test_is_set_with_its_three_bounds(self, cli: Cli) -> None:
        add_card(cli.api.world, "4242", default=True)
        shown = cli.run("auto-topup", "set", "--below", "10.00", "--amount", "20.00", "--cap", "200.00").stdout
        for part in ("at or above the threshold", "10.00 USD", "20.00 USD", "0.00 USD of at most 200.00 USD"):
            assert part in shown
        assert json.loads(cli.run("auto-topup", "off", "--json").stdout)["standing"] == "off"

    def test_takes_no_number_that_is_no_amount(self, cli: Cli) -> None:
        result = cli.run("auto-topup", "set", "--below", "1e1", "--amount", "20.00", "--cap", "200.00")
        assert (result.exit_code, "is not an amount such as 20.00" in result.stderr) == (2, True)

    def test_says_what_the_server_refused(self, cli: Cli) -> None:
        result = cli.run("auto-topup", "set", "--below", "10", "--amount", "20", "--cap", "200")
        assert "no default card" in result.stderr

    def test_says_that_it_has_stopped_and_when_it_tries_again(self, cli: Cli) -> None:
        bounds = {
            "threshold": usd("10"),
            "amount": usd("20"),
            "monthly_cap": usd("200"),
            "charged_this_month": usd("0"),
        }
        cli.api.world.auto_top_up = {**bounds, "enabled": True, "standing": "stopped", "declines": 3}
        assert "three charges in a row came to nothing" in cli.run("auto-topup", "show").stdout
        cli.api.world.auto_top_up |= {"standing": "waiting", "tries_again_at": at(-1800)}
        assert "Next attempt" in cli.run("auto-topup", "show").stdout
