"""Spending limits on the command line."""

import json

from tests.cli.running import Cli
from tests.client.fake_limit_routes import put_limit


class TestLimits:
    def test_say_how_to_set_the_first(self, cli: Cli) -> None:
        assert "sublet limit set 20.00 --per day" in cli.run("limit", "ls").output

    def test_are_listed_with_what_is_spent_and_left(self, cli: Cli) -> None:
        put_limit(cli.api.world, "day", "20", spent="20", reached=True)
        put_limit(cli.api.world, "month", "300", spent="45.5")
        _, day, month = cli.run("limit", "ls").stdout.splitlines()
        assert day.split()[:8] == ["day", "20.00", "USD", "20.00", "USD", "0.00", "USD", "yes"]
        assert "254.50 USD" in month
        assert [one["id"] for one in json.loads(cli.run("limit", "ls", "--json").stdout)] == ["day", "month"]

    def test_are_set_of_a_day_and_of_one_allocation_by_its_name(self, cli: Cli) -> None:
        world = cli.api.world
        made = world.allocation("web", next(iter(world.skus.values())))
        assert "20.00 USD at most" in cli.run("limit", "set", "20", "--per", "day").stderr
        shown = json.loads(cli.run("limit", "set", "5", "--for", "web", "--json").stdout)
        assert (shown["id"], shown["subject_name"]) == (made["id"], "web")
        assert set(cli.api.world.limits) == {"day", made["id"]}

    def test_are_cleared(self, cli: Cli) -> None:
        put_limit(cli.api.world, "month", "300")
        assert "What it suspended resumes" in cli.run("limit", "clear", "--per", "month").stderr
        assert cli.api.world.limits == {}
        assert cli.run("limit", "clear", "--per", "month").exit_code == 3

    def test_are_cleared_in_the_one_currency_that_is_said(self, cli: Cli) -> None:
        limits = cli.api.world.limits
        day = put_limit(cli.api.world, "day", "20")
        limits["in euros"] = {**day, "amount": {"amount": "20.00", "currency": "EUR"}}
        asked = cli.run("limit", "clear", "--per", "day")
        assert (asked.exit_code, "USD, EUR" in asked.stderr, len(limits)) == (2, True, 2)
        assert cli.run("limit", "clear", "--per", "day", "--currency", "usd").exit_code == 0
        assert [one["amount"]["currency"] for one in limits.values()] == ["EUR"]

    def test_are_of_exactly_one_thing(self, cli: Cli) -> None:
        for options in ((), ("--per", "day", "--for", "web")):
            result = cli.run("limit", "set", "20", *options)
            assert (result.exit_code, "Say which limit" in result.stderr) == (2, True)
        assert cli.api.world.limits == {}
