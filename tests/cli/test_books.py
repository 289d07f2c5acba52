"""Months and reports on the command line."""

import json

import pytest

from sublet.cli.exits import Exit
from tests.cli.running import Cli


class TestMonth:
    def test_ls_says_which_can_be_closed(self, operator: Cli) -> None:
        lines = operator.run("admin", "month", "ls").stdout.splitlines()
        assert [line.split()[:2] for line in lines[1:]] == [
            ["2026-11", "open"],
            ["2026-10", "open"],
            ["2026-09", "closed"],
        ]
        assert lines[1].endswith("2026-11 is not over.")
        assert lines[2].endswith("can be closed")

    def test_close_ends_it_for_good(self, operator: Cli) -> None:
        result = operator.run("admin", "month", "close", "2026-10")
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr.startswith("2026-10 is closed since ")
        again = operator.run("admin", "month", "close", "2026-10")
        assert again.exit_code == Exit.CONFLICT
        assert "Nothing was closed" in again.stderr
        assert operator.run("admin", "month", "close", "2020-01").exit_code == Exit.NOT_FOUND

    def test_report_shows_what_it_came_to(self, operator: Cli) -> None:
        result = operator.run("admin", "month", "report", "2026-09")
        assert result.stdout.splitlines()[1].split()[0] == "revenue_compute"
        assert "2026-09 is closed." in result.stderr
        assert operator.run("admin", "month", "report", "2026-09", "--csv").stdout.startswith("account,debit")

    def test_is_refused_to_customers(self, cli: Cli) -> None:
        for command in (("ls",), ("close", "2026-10"), ("report", "2026-10")):
            assert cli.run("admin", "month", *command).exit_code == Exit.AUTH


REPORTS = {
    "trial-balance": ((), "stripe_balance"),
    "deferred-revenue": (("--at", "2026-11-30"), "19.61 USD"),
    "revenue": (("2026-09", "2026-11"), "0.39 USD"),
    "statement": (("org_1", "--since", "2026-09-01", "--currency", "usd"), "2026-09"),
    "unmetered": (("--since", "2026-09-01T00:00+02:00"), "0.40 USD"),
}


class TestReport:
    @pytest.mark.parametrize("name", sorted(REPORTS))
    def test_shows_a_table_json_or_csv(self, operator: Cli, name: str) -> None:
        given, shown = REPORTS[name]
        command = ("admin", "report", name, *given)
        assert shown in operator.run(*command).stdout
        assert json.loads(operator.run(*command, "--json").stdout)["lines"]
        assert operator.run(*command, "--csv").stdout.startswith("account,debit,credit,currency")

    def test_takes_a_day_for_its_first_moment(self, operator: Cli) -> None:
        operator.run("admin", "report", "trial-balance", "--at", "2026-11-30")
        [call] = operator.api.calls("GET", "/admin/reports/trial-balance")
        assert call.query == {"at": "2026-11-30T00:00:00+00:00"}

    @pytest.mark.parametrize(
        "wrong",
        [
            ("trial-balance", "--at", "yesterday"),
            ("revenue", "2026-13"),
            ("statement", "org_1", "--since", "2026-09-01"),
        ],
    )
    def test_refuses_what_is_no_time(self, operator: Cli, wrong: tuple[str, ...]) -> None:
        assert operator.run("admin", "report", *wrong).exit_code == Exit.USAGE

    def test_is_refused_to_customers(self, cli: Cli) -> None:
        for name, (given, _) in REPORTS.items():
            assert cli.run("admin", "report", name, *given).exit_code == Exit.AUTH
