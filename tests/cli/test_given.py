"""What goes along with a launch: scripts, variables, labels; and what came of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Cli


def body(cli: Cli) -> dict[str, Any]:
    """What the launch asked for."""
    sent: dict[str, Any] = cli.api.calls("POST", "/allocations")[0].body
    return sent


class TestLaunch:
    def test_sends_script_variables_and_labels(self, cli: Cli, tmp_path: Path) -> None:
        (tmp_path / "setup.sh").write_text("#!/bin/sh\necho ü\n", encoding="utf-8")
        (tmp_path / "env").write_text("# mine\n\nexport A=1\nB=two words=\nC=over\n", encoding="utf-8")
        cli.extra["FROM_HERE"] = "secret"
        given = ["--script", str(tmp_path / "setup.sh"), "--env-file", str(tmp_path / "env"), "--env", "C=3"]
        result = cli.run(
            "launch",
            "cpu-small",
            "--no-wait",
            *given,
            "--env",
            "FROM_HERE",
            "--label",
            "stage=test",
            "--label",
            "a=b=c",
        )
        assert result.exit_code == 0, result.stderr
        asked = body(cli)
        assert asked["startup_script"] == "#!/bin/sh\necho ü\n"
        assert asked["environment"] == {"A": "1", "B": "two words=", "C": "3", "FROM_HERE": "secret"}
        assert asked["labels"] == {"stage": "test", "a": "b=c"}
        assert "waiting" in result.stdout
        assert "secret" not in result.output

    def test_without_any_asks_for_none(self, cli: Cli) -> None:
        cli.run("launch", "cpu-small", "--no-wait")
        assert body(cli).keys() == {"offer_id", "price_id"}

    @pytest.mark.parametrize("line", ["canary", "NAME canary"])
    def test_repeats_no_line_that_it_does_not_understand(self, cli: Cli, tmp_path: Path, line: str) -> None:
        (tmp_path / "env").write_text(f"A=1\n{line}\n", encoding="utf-8")
        result = cli.run("launch", "cpu-small", "--env-file", str(tmp_path / "env"))
        assert result.exit_code == 2
        assert "line 2: write NAME=VALUE" in result.stderr
        assert "canary" not in result.output
        assert cli.run("launch", "cpu-small", "--env", "NOT_SET_HERE").exit_code == 2
        assert cli.api.calls("POST", "/allocations") == []


class TestShow:
    def test_has_labels_names_of_variables_and_how_the_script_fared(self, cli: Cli) -> None:
        made = cli.api.world.allocation("web", next(iter(cli.api.world.skus.values())))
        made |= {"labels": {"stage": "test"}, "environment": ["A", "B"], "startup": cli.api.world.startup()}
        shown = cli.run("show", "web").stdout
        assert "stage=test" in shown
        assert "A, B" in shown
        assert "failed, exit code 3" in shown

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"ended_by": "signal", "exit_code": None, "signal": 9}, "failed, signal 9"),
            ({"state": "stopped", "ended_by": "suspended", "exit_code": None}, "stopped (suspended)"),
            ({"state": "running", "ended_by": None, "exit_code": None}, "running"),
        ],
    )
    def test_says_how_else_a_script_ends(self, cli: Cli, changes: dict[str, Any], said: str) -> None:
        made = cli.api.world.allocation("web", next(iter(cli.api.world.skus.values())))
        made["startup"] = cli.api.world.startup(**changes)
        assert said in cli.run("show", "web").stdout


class TestLogs:
    def test_show_what_the_script_wrote_and_obey_none_of_it(self, cli: Cli) -> None:
        made = cli.api.world.allocation("web", next(iter(cli.api.world.skus.values())))
        made["startup"] = cli.api.world.startup(output_bytes=99)
        result = cli.run("logs", "web")
        assert result.stdout == "begun\n\N{REPLACEMENT CHARACTER}[2Jbad one\n"
        assert "failed, exit code 3" in result.stderr
        assert "99 bytes" in result.stderr
        assert json.loads(cli.run("logs", "web", "--json").stdout)["exit_code"] == 3

    def test_of_one_without_a_script_are_not_found(self, cli: Cli) -> None:
        cli.api.world.allocation("web", next(iter(cli.api.world.skus.values())))
        assert cli.run("logs", "web").exit_code == 3


class TestLabels:
    def test_are_set_taken_away_and_asked_for(self, cli: Cli) -> None:
        made = cli.api.world.allocation("web", next(iter(cli.api.world.skus.values())))
        made["labels"] = {"team": "a", "stage": "test"}
        result = cli.run("label", "web", "stage=live", "team-", "owner=")
        assert result.exit_code == 0
        assert cli.api.calls("PATCH", "/allocations/web")[0].body == {
            "labels": {"stage": "live", "team": None, "owner": ""}
        }
        assert "stage=live, owner=" in result.stderr
        cli.api.world.allocation("other", next(iter(cli.api.world.skus.values())))
        listed = json.loads(cli.run("ls", "--label", "stage=live", "--json").stdout)
        assert [one["name"] for one in listed] == ["web"]
        assert cli.run("label", "web", "nothing").exit_code == 2
