"""Looking at allocations, pausing and ending them."""

import json
from typing import Any

import pytest

from sublet.cli.exits import Exit
from tests.cli.running import Cli
from tests.client.fake_shapes import at, per_hour, usd
from tests.client.fake_world import CONTROL_GROUP, UNCLEAN


class TestLs:
    def test_shows_state_place_and_cost(self, cli: Cli, web: dict[str, Any]) -> None:
        heading, line = cli.run("ls").stdout.splitlines()
        assert heading.split() == ["NAME", "STATE", "OFFER", "NODE", "LAUNCHED", "RATE", "COST"]
        assert line.split() == [
            *("web", "active", "cpu-small", "node-a", "1", "h", "05", "min", "ago", "0.36", "USD/h", "0.39", "USD")
        ]

    def test_marks_a_node_that_does_not_enforce_limits(self, cli: Cli, web: dict[str, Any]) -> None:
        web["node"]["limits_enforced"] = False
        assert "node-a (limits not enforced)" in cli.run("ls").stdout

    def test_says_when_what_nobody_pays_for_is_deleted(self, cli: Cli, web: dict[str, Any]) -> None:
        web |= {"state": "suspended", "funds": {**web["funds"], "data_kept_until": at(-7230)}}
        assert "suspended (deleted in 2 h 00 min)" in cli.run("ls").stdout

    def test_shows_the_ended_ones_when_asked(self, cli: Cli, web: dict[str, Any]) -> None:
        web["state"] = "released"
        assert cli.run("ls").stdout == ""
        assert "released" in cli.run("ls", "--all").stdout
        assert cli.run("ls", "--all", "--state", "active").stdout == ""

    def test_prints_the_apis_own_json(self, cli: Cli, web: dict[str, Any]) -> None:
        assert json.loads(cli.run("ls", "--json").stdout) == [cli.api.world.summary(web)]

    def test_prints_ids(self, cli: Cli, web: dict[str, Any]) -> None:
        assert cli.run("ls", "-q").stdout == f"{web['id']}\n"

    def test_lets_no_name_steer_the_terminal(self, cli: Cli, web: dict[str, Any]) -> None:
        web["name"] = "web\x1b[2J\u202e"
        assert "\x1b" not in cli.run("ls").stdout
        assert "\u202e" not in cli.run("ls").stdout


class TestShow:
    def test_takes_name_or_id(self, cli: Cli, web: dict[str, Any]) -> None:
        assert cli.run("show", "web").stdout == cli.run("show", web["id"]).stdout

    def test_tells_cost_time_and_limits(self, cli: Cli, web: dict[str, Any]) -> None:
        shown = cli.run("show", "web").stdout
        assert "0.39 USD (0.39 USD not yet posted)" in shown
        assert "1 h 05 min used, 3 h 15 min left" in shown
        assert CONTROL_GROUP in shown

    def test_warns_when_funds_run_out(self, cli: Cli, web: dict[str, Any]) -> None:
        web["funds"] |= {"warning": "10m", "suspend_at": at(-600)}
        shown = cli.run("show", "web").stdout
        assert "runs out (10m)" in shown
        assert "sublet top-up" in shown

    def test_says_until_when_what_nobody_pays_for_is_kept(self, cli: Cli, web: dict[str, Any]) -> None:
        assert "Kept until" not in cli.run("show", "web").stdout
        web["funds"] |= {"data_kept_until": at(-9 * 86_400)}
        shown = " ".join(cli.run("show", "web").stdout.split())
        assert "Kept until" in shown
        assert "its files are deleted" in shown

    def test_of_nothing_exits_with_3(self, cli: Cli) -> None:
        result = cli.run("show", "nobody")
        assert result.exit_code == 3
        assert result.stdout == ""

    def test_takes_up_a_wait_again(self, cli: Cli) -> None:
        cli.run("launch", "cpu-small", "--name", "late", "--no-wait")
        assert "active" in cli.run("show", "late", "--wait").stdout


class TestRelease:
    def test_asks_nothing_with_yes_and_shows_the_evidence(self, cli: Cli, web: dict[str, Any]) -> None:
        result = cli.run("release", "web", "--yes")
        assert result.exit_code == 0
        assert "You pay nothing from now on" in result.stderr
        assert "It cost 0.39 USD" in result.stderr
        assert "nothing was left" in result.stdout
        assert "processes" in result.stdout

    def test_without_a_terminal_needs_yes(self, cli: Cli, web: dict[str, Any]) -> None:
        result = cli.spawn("release", "web")
        assert result.returncode == 2
        assert "--yes" in result.stderr
        assert web["state"] == "active"

    def test_asks_on_a_terminal(self, cli: Cli, web: dict[str, Any]) -> None:
        code, shown = cli.on_terminal("release", "web", typed="n\n")
        assert code == 1
        assert "was not released" in shown
        assert web["state"] == "active"
        code, shown = cli.on_terminal("release", "web", "--no-wait", typed="y\n")
        assert code == 0, shown
        assert web["state"] == "releasing"

    def test_that_is_not_proven_clean_fails_and_says_who_pays(self, cli: Cli, web: dict[str, Any]) -> None:
        cli.api.world.unclean = True
        result = cli.run("release", "web", "--yes")
        assert result.exit_code == 1
        assert f"{UNCLEAN} You do not pay for it any more" in result.stderr

    def test_twice_is_a_conflict(self, cli: Cli, web: dict[str, Any]) -> None:
        web["state"] = "released"
        assert cli.run("release", "web", "--yes").exit_code == 5


class TestRestartElsewhere:
    def test_asks_with_the_price_that_it_then_agrees_to(self, cli: Cli, lost: dict[str, Any]) -> None:
        code, shown = cli.on_terminal("restart-elsewhere", "stray", typed="n\n")
        assert (code, lost["state"]) == (1, "lost")
        assert "launch it anew, empty, for 0.50 USD/h?" in shown
        assert "was not given up" in shown
        code, shown = cli.on_terminal("restart-elsewhere", "stray", "--no-wait", typed="y\n")
        assert (code, lost["state"]) == (0, "releasing"), shown

    def test_without_a_terminal_needs_yes(self, cli: Cli, lost: dict[str, Any]) -> None:
        result = cli.spawn("restart-elsewhere", "stray")
        assert (result.returncode, lost["state"]) == (2, "lost")
        assert "stray costs 0.50 USD/h" in result.stderr

    def test_of_what_is_not_lost_asks_nothing_and_is_refused(self, cli: Cli, web: dict[str, Any]) -> None:
        assert cli.run("restart-elsewhere", "web").exit_code == 5

    @pytest.fixture
    def lost(self, cli: Cli) -> dict[str, Any]:
        """What was launched at another price than is in force now."""
        world = cli.api.world
        lost = world.allocation("stray", next(iter(world.skus.values())), state="lost", seconds=60)
        lost["restart_price"] = {**lost["restart_price"], "id": "prc_new", "per_hour": per_hour("0.50")}
        return lost


class TestSuspendAndResume:
    def test_go_there_and_back(self, cli: Cli, web: dict[str, Any]) -> None:
        suspended = cli.run("suspend", "web")
        assert suspended.exit_code == 0
        assert "Suspended, it costs 0.00 USD/h" in suspended.stderr
        assert "suspended" in suspended.stdout
        assert "active" in cli.run("resume", "web").stdout

    def test_of_the_wrong_state_is_a_conflict(self, cli: Cli, web: dict[str, Any]) -> None:
        result = cli.run("resume", "web")
        assert result.exit_code == 5
        assert "(req_0000000000000007)" in result.stderr


class TestRecords:
    def test_operations_show_steps_and_attempts(self, cli: Cli, web: dict[str, Any]) -> None:
        cli.run("suspend", "web")
        heading, line = cli.run("operations", "web").stdout.splitlines()
        assert heading.split() == ["OPERATION", "STATE", "STARTED", "TOOK", "ATTEMPTS", "STEPS"]
        assert line.split()[:2] == ["suspend", "succeeded"]
        assert line.endswith("3/3")

    def test_charges_show_seconds_times_rate_to_the_last_digit(self, cli: Cli, web: dict[str, Any]) -> None:
        cli.api.world.charges[web["id"]] = [
            {
                "id": "ch_1",
                "period_start": at(90),
                "period_end": at(83),
                "seconds": 7,
                "rate": per_hour("0.3600"),
                "amount": usd("0.0007"),
                "kind": "running",
                "price_id": "price_1",
                "evidence_at": at(83),
                "ledger_entry_id": None,
            }
        ]
        line = cli.run("charges", "web").stdout.splitlines()[1]
        assert "0.0007 USD" in line
        assert "0.36 USD/h" in line
        assert "not yet posted" in line

    def test_one_charge_says_why(self, cli: Cli, web: dict[str, Any]) -> None:
        made = {"id": "41", "period_start": at(90), "period_end": at(83), "seconds": 7, "rate": per_hour("0.3600")}
        made |= {"amount": usd("0.0007"), "kind": "running", "price_id": "prc_1", "evidence_at": at(83)}
        cli.api.world.charges[web["id"]] = [{**made, "ledger_entry_id": "2"}]
        said = cli.run("charge", "show", "41").stdout
        for part in (
            "0.0007 USD for 7 seconds",
            "cpu-small",
            "prc_1",
            "nd_0000000000000001",
            "790 observations",
            "2, usage",
        ):
            assert part in said
        assert json.loads(cli.run("charge", "show", "41", "--json").stdout)["observations"]["count"] == 790
        assert cli.run("charge", "show", "42").exit_code == Exit.NOT_FOUND
