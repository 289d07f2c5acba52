"""Following what happens."""

import json
import signal
from typing import Any

import pytest

from tests.cli.running import Cli
from tests.client.fake_api import DROP
from tests.client.fake_shapes import usd
from tests.support.waiting import until


@pytest.fixture
def happened(cli: Cli) -> list[dict[str, Any]]:
    """Five events."""
    world = cli.api.world
    for kind in ("allocation.active", "allocation.active", "allocation.active", "wallet.changed", "allocation.active"):
        if kind == "wallet.changed":
            world.tell(kind, "org_0000000000000001", balance=usd("4.10"), held=usd("1"), available=usd("3.10"))
        else:
            world.tell(kind, "al_1", name="web", state="active", previous_state="provisioning", reason="ready")
    return world.events


class TestEvents:
    def test_says_where_new_ones_begin_when_asked_for_nothing_else(
        self, cli: Cli, happened: list[dict[str, Any]]
    ) -> None:
        result = cli.run("events", "--no-follow")
        assert result.stdout == ""
        assert "sublet events --after 7-4" in result.stderr

    def test_prints_all_in_order_and_ends_when_told_not_to_follow(
        self, cli: Cli, happened: list[dict[str, Any]]
    ) -> None:
        lines = cli.run("events", "--no-follow", "--json", "--after", "0-0").stdout.splitlines()
        assert [json.loads(line)["id"] for line in lines] == [event["id"] for event in happened]

    def test_continues_after_an_event(self, cli: Cli, happened: list[dict[str, Any]]) -> None:
        lines = cli.run("events", "--no-follow", "--json", "--after", "7-2").stdout.splitlines()
        assert [json.loads(line)["id"] for line in lines] == ["7-3", "7-4"]

    def test_filters_by_type(self, cli: Cli, happened: list[dict[str, Any]]) -> None:
        shown = cli.run("events", "--no-follow", "--after", "0-0", "--type", "wallet.").stdout
        assert len(shown.splitlines()) == 1
        assert "available 3.10 USD" in shown

    def test_says_what_came_in_and_for_how_long_the_rest_lasts(self, cli: Cli) -> None:
        world = cli.api.world
        world.tell("top_up.succeeded", "tu_1", amount=usd("20.00"))
        world.tell("top_up.failed", "tu_2", amount=usd("5.00"))
        world.tell("wallet.low", "org_0000000000000001", threshold="warning", runway_seconds=3900)
        shown = cli.run("events", "--no-follow", "--after", "0-0").stdout.splitlines()
        assert [line.split("  ")[-1] for line in shown] == ["20.00 USD", "5.00 USD", "funds last 1 h 05 min"]

    def test_follows_and_says_where_to_continue(self, cli: Cli, happened: list[dict[str, Any]]) -> None:
        process = cli.start("events", "--json", "--after", "0-0")
        assert process.stdout is not None
        try:
            seen = [json.loads(process.stdout.readline())["id"] for _ in range(5)]
            cli.api.world.events.append({**happened[0], "id": "7-5"})
            seen.append(json.loads(process.stdout.readline())["id"])
            until("the command to go on", lambda: cli.api.calls("GET", "/events")[-1].query["after"] == "7-5")
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=20)
        finally:
            process.kill()
            process.wait()
        assert seen == [f"7-{number}" for number in range(6)]
        assert process.returncode == 130
        assert "sublet events --after 7-5" in said

    def test_waits_out_an_outage_without_a_gap(self, cli: Cli, happened: list[dict[str, Any]]) -> None:
        cli.api.faults = [None, *[DROP] * 4]
        process = cli.start("events", "--json", "--after", "0-0")
        assert process.stdout is not None
        try:
            seen = [json.loads(process.stdout.readline())["id"] for _ in range(5)]
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=20)
        finally:
            process.kill()
            process.wait()
        assert seen == [f"7-{number}" for number in range(5)]
        assert "nothing is missed" in said
