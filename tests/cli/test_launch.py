"""From an offer to an allocation, and every way in which that ends."""

import json
import signal
from decimal import Decimal
from typing import Any

import pytest

from tests.cli.running import Cli
from tests.client.fake_api import DROP
from tests.client.fake_names import STEPS
from tests.support.waiting import until


def sku(cli: Cli) -> dict[str, Any]:
    return next(iter(cli.api.world.skus.values()))


class TestOffers:
    def test_lists_shape_rate_and_what_is_free(self, cli: Cli) -> None:
        lines = cli.run("offers").stdout.splitlines()
        names = ["OFFER", "NAME", "VCPU", "MEMORY", "DISK", "GPU", "RATE", "SUSPENDED", "FREE", "LIMITS"]
        assert lines[0].split() == names
        assert lines[2].startswith("gpu-a100")
        assert "1 × A100" in lines[2]
        assert "2.40 USD/h" in lines[2]

    def test_says_where_limits_are_not_enforced(self, cli: Cli) -> None:
        cli.api.world.add_sku("loose", "0.10")
        assert "not enforced" in cli.run("offers").stdout

    def test_gives_ids_to_scripts(self, cli: Cli) -> None:
        assert cli.run("offers", "-q").stdout.splitlines() == [one["id"] for one in cli.api.world.offers()]

    def test_says_on_stderr_that_there_is_nothing(self, cli: Cli) -> None:
        cli.api.world.skus.clear()
        result = cli.run("offers")
        assert (result.exit_code, result.stdout) == (0, "")
        assert "Nothing is on offer" in result.stderr
        assert json.loads(cli.run("offers", "--json").stdout) == []


class TestLaunch:
    def test_waits_until_it_is_active_and_says_how_to_log_in(self, cli: Cli) -> None:
        result = cli.run("launch", "cpu-small", "--name", "web")
        assert result.exit_code == 0
        assert "sublet ssh web" in result.stdout
        assert "0.36 USD/h" in result.stderr
        assert [line.split("  ")[2].strip() for line in result.stderr.splitlines() if line.startswith("  done")] != []
        assert all(f"done    {step.replace('_', ' ')}" in result.stderr for step in STEPS["provision"])

    def test_says_each_step_once(self, cli: Cli) -> None:
        assert cli.run("launch", "cpu-small").stderr.count("claim capacity") == 1

    def test_sends_the_price_that_was_seen(self, cli: Cli) -> None:
        cli.run("launch", "gpu-a100", "--no-wait")
        body = cli.api.calls("POST", "/allocations")[0].body
        assert body["price_id"] == cli.api.world.price_of(body["offer_id"])["id"]

    def test_does_not_wait_when_told_so(self, cli: Cli) -> None:
        result = cli.run("launch", "cpu-small", "--no-wait", "--json")
        assert json.loads(result.stdout)["state"] == "queued"

    def test_prints_only_the_id_to_scripts(self, cli: Cli) -> None:
        result = cli.run("launch", "cpu-small", "--no-wait", "-q")
        assert result.stdout.strip() in cli.api.world.allocations

    def test_of_an_unknown_offer_exits_with_3_and_names_what_there_is(self, cli: Cli) -> None:
        result = cli.run("launch", "h100")
        assert result.exit_code == 3
        assert "cpu-small, gpu-a100" in result.stderr
        assert cli.api.world.allocations == {}

    def test_without_capacity_exits_with_7(self, cli: Cli) -> None:
        cli.api.world.free[sku(cli)["id"]] = 0
        result = cli.run("launch", "cpu-small")
        assert result.exit_code == 7
        assert "You were not charged" in result.stderr

    def test_without_funds_exits_with_6(self, cli: Cli) -> None:
        cli.api.world.balance = cli.api.world.balance * 0 + 1
        result = cli.run("launch", "cpu-small")
        assert result.exit_code == 6
        assert "Add funds" in result.stderr

    def test_with_a_taken_name_exits_with_2_and_names_the_field(self, cli: Cli) -> None:
        cli.api.world.allocation("web", sku(cli))
        result = cli.run("launch", "cpu-small", "--name", "web")
        assert result.exit_code == 2
        assert "  name: An allocation has this name already." in result.stderr

    def test_that_fails_exits_with_1_and_says_what_it_cost(self, cli: Cli) -> None:
        cli.api.world.fails = True
        result = cli.run("launch", "cpu-small", "--name", "web")
        assert result.exit_code == 1
        assert "The node did not answer. Your hold was released. Charged for it: 0.00 USD." in result.stderr

    def test_says_how_to_end_it_only_where_there_is_something_to_end(self, cli: Cli) -> None:
        assert "sublet release web" in cli.run("launch", "cpu-small", "--name", "web", "--no-wait").stdout
        cli.api.world.fails = True
        failed = cli.run("launch", "cpu-small", "--name", "lost")
        assert "failed" in failed.stdout
        assert "sublet release" not in failed.stdout

    def test_that_takes_too_long_exits_with_8_and_cancels_nothing(self, cli: Cli) -> None:
        cli.api.world.stuck = True
        result = cli.run("launch", "cpu-small", "--name", "web", "--timeout", "0")
        assert result.exit_code == 8
        assert "nothing was cancelled" in result.stderr
        assert "sublet show web --wait" in result.stderr

    def test_that_gets_no_answer_says_how_to_repeat_it_safely(self, cli: Cli) -> None:
        cli.run("offers")
        calls = len(cli.api.seen)
        cli.api.faults = [None] * calls + [DROP] * 8
        result = cli.run("launch", "cpu-small")
        assert result.exit_code == 1
        assert "--idempotency-key" in result.stderr

    def test_repeated_with_its_key_happens_once(self, cli: Cli) -> None:
        for _ in range(2):
            assert cli.run("launch", "cpu-small", "--no-wait", "--idempotency-key", "mine").exit_code == 0
        assert len(cli.api.world.allocations) == 1

    def test_survives_the_end_of_waiting(self, cli: Cli) -> None:
        cli.api.world.stuck = True
        process = cli.start("launch", "cpu-small", "--name", "web")
        try:
            allocations = cli.api.world.allocations
            until(
                "the command to wait",
                lambda: len(cli.api.calls("GET", f"/allocations/{next(iter(allocations), '')}")) >= 2,
            )
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=20)
        finally:
            process.kill()
            process.wait()
        assert process.returncode == 130
        assert "Nothing was cancelled" in said
        assert "sublet show web --wait" in said
        assert not [call for call in cli.api.seen if "release" in call.path]


class TestDryRun:
    def test_prices_a_launch_and_does_nothing(self, cli: Cli) -> None:
        result = cli.run("launch", "gpu-a100", "--dry-run")
        assert result.exit_code == 0
        for shown in ("2.40 USD/h", "57.60 USD", "1728.00 USD", "19.00 USD", "7 h 55 min"):
            assert shown in result.stdout
        assert cli.api.world.allocations == {}

    def test_counts_what_runs_already(self, cli: Cli) -> None:
        cli.api.world.allocation("web", sku(cli))
        priced = json.loads(cli.run("launch", "gpu-a100", "--dry-run", "--json").stdout)
        assert priced["runway_seconds"] == int(19 * 3600 / 2.76)
        assert priced["projected"]["day"] == {"amount": "57.60", "currency": "USD"}
        assert priced["launchable"] is True

    def test_exits_as_the_launch_would(self, cli: Cli) -> None:
        cli.api.world.free[sku(cli)["id"]] = 0
        assert cli.run("launch", "cpu-small", "--dry-run").exit_code == 7

    def test_says_what_is_in_the_way(self, cli: Cli) -> None:
        cli.api.world.warning = "grace"
        assert cli.run("launch", "cpu-small", "--dry-run").exit_code == 6
        cli.api.world.warning, cli.api.world.balance = None, Decimal("1.00")
        empty = cli.run("launch", "cpu-small", "--dry-run", "--json")
        assert empty.exit_code == 6
        assert json.loads(empty.stdout)["launchable"] is False
        cli.api.world.refusal = "Your role or token does not include launching."
        refused = cli.run("launch", "cpu-small", "--dry-run")
        assert refused.exit_code == 4
        assert "does not include launching. Nothing was launched" in refused.stderr

    def test_ends_and_speaks_as_the_launch_does_while_launches_are_stopped(self, cli: Cli) -> None:
        cli.api.world.stopped = True
        dry, real = cli.run("launch", "cpu-small", "--dry-run"), cli.run("launch", "cpu-small")
        assert dry.exit_code == real.exit_code == 5
        assert "Error: A payment was taken back. Nothing was launched. Ask the operator." in dry.stderr
        assert "Error: A payment was taken back. Nothing was launched. Ask the operator." in real.stderr


class TestUsage:
    @pytest.mark.parametrize(
        "wrong",
        [
            ["launch"],
            ["launch", "cpu-small", "--timeout", "-1"],
            ["offers", "--json", "-q"],
            ["nonsense"],
            ["ls", "--nonsense"],
            ["top-up", "1e3"],
            ["top-up", "20.0005"],
            ["top-up", "٢٠"],
            ["top-up", "20", "--idempotency-key", "é"],
            ["launch", "cpu-small", "--idempotency-key", "a\nb"],
        ],
    )
    def test_errors_exit_with_2_and_touch_nothing(self, cli: Cli, wrong: list[str]) -> None:
        result = cli.run(*wrong)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert cli.api.seen == []
