"""Findings on the command line: what does not fit, and what an operator does about it."""

import json
from typing import Any

import pytest

from sublet.cli.commands.admin.findings import SEVERITIES
from sublet.cli.exits import Exit
from sublet.findings.findings import Severity
from tests.cli.running import Cli
from tests.client.fake_findings import closing, misunderstand, open_finding

RESOLVE = ("admin", "finding", "resolve")
WHY = ("--reason", "settled with the customer")


@pytest.fixture
def taken(operator: Cli) -> dict[str, Any]:
    """Money that was taken back."""
    amounts = {"taken_back": "20", "set_aside": "19.613201", "spent": "0.386799"}
    return open_finding(operator.api.world, "payments.taken_back", "top_up", "tu_1", **amounts)


def listed(operator: Cli, *options: str) -> list[str]:
    """The ids that are listed."""
    return operator.run("admin", "finding", "ls", "-q", *options).stdout.split()


class TestLs:
    def test_is_narrowed_to_who_sees_to_it(self, operator: Cli, taken: dict[str, Any]) -> None:
        assert (listed(operator, "--owner", "nobody"), listed(operator, "--owner", "me")) == ([taken["id"]], [])
        operator.run("admin", "finding", "assign", taken["id"])
        assert (listed(operator, "--owner", "nobody"), listed(operator, "--owner", "me")) == ([], [taken["id"]])

    def test_shows_what_it_is_with_every_digit_of_the_money(self, operator: Cli, taken: dict[str, Any]) -> None:
        taken["detail"] = {"organization_id": "org_1", "charge_id": None}
        heading, line = operator.run("admin", "finding", "ls").stdout.splitlines()
        assert line.split()[:4] == [taken["id"], "critical", "payments.taken_back", "tu_1"]
        assert "taken back 20.00 USD, set aside 19.613201 USD, spent 0.386799 USD" in line
        assert line.endswith("organization id org_1")
        assert "UNTIL" not in heading

    def test_shows_what_was_seen_line_by_line(self, operator: Cli, taken: dict[str, Any]) -> None:
        lines = [{"at": f"2026-03-01T14:2{n}:00.5+00:00", "what": f"refund {n}"} for n in range(2)]
        taken["detail"] = {"charge_id": "ch_1", "seen": lines}
        assert (
            operator.run("admin", "finding", "ls")
            .stdout.rstrip()
            .endswith("charge id ch_1, 2026-03-01 14:20 UTC refund 0, 2026-03-01 14:21 UTC refund 1")
        )

    def test_says_what_a_check_says(self, operator: Cli) -> None:
        found = open_finding(operator.api.world, "fleet.unknown_account", "node", "nd_1", "error")
        found["detail"] = {"problem": "al-x is nobody's"}
        assert operator.run("admin", "finding", "ls").stdout.rstrip().endswith("  al-x is nobody's")

    def test_lists_open_ones_unless_closed_ones_are_wanted(self, operator: Cli, taken: dict[str, Any]) -> None:
        other = open_finding(operator.api.world, "payments.taken_back", "top_up", "tu_2")
        assert operator.run(*RESOLVE, other["id"], *WHY).exit_code == 0
        assert listed(operator) == [taken["id"]]
        assert listed(operator, "--state", "closed") == [other["id"]]
        assert "UNTIL" in operator.run("admin", "finding", "ls", "--state", "closed").stdout

    @pytest.mark.parametrize(
        "options", [("--code", "payments.taken_back"), ("--severity", "critical"), ("--subject", "tu_1")]
    )
    def test_finds_by_what_it_is_about(self, operator: Cli, taken: dict[str, Any], options: tuple[str, str]) -> None:
        open_finding(operator.api.world, "billing.unmetered_time", "unmetered_interval", "7", "warning")
        assert listed(operator, *options) == [taken["id"]]

    def test_turns_pages(self, operator: Cli) -> None:
        opened = [open_finding(operator.api.world, "payments.taken_back", "top_up", f"tu_{n}")["id"] for n in range(5)]
        assert listed(operator) == opened[::-1]

    def test_says_that_there_are_none(self, operator: Cli) -> None:
        assert operator.run("admin", "finding", "ls").stderr == "No finding is open.\n"
        assert operator.run("admin", "finding", "ls", "--code", "x").stderr == "No finding like that is open.\n"

    def test_gives_programs_the_apis_json(self, operator: Cli, taken: dict[str, Any]) -> None:
        assert json.loads(operator.run("admin", "finding", "ls", "--json").stdout) == [taken]

    @pytest.mark.parametrize("option", ["--state", "--severity"])
    def test_refuses_what_no_finding_can_be(self, operator: Cli, option: str) -> None:
        assert operator.run("admin", "finding", "ls", option, "happy").exit_code == Exit.USAGE

    def test_knows_how_bad_the_server_says_that_they_are(self) -> None:
        assert tuple(Severity) == SEVERITIES

    def test_is_refused_to_customers(self, cli: Cli) -> None:
        assert cli.run("admin", "finding", "ls").exit_code == Exit.AUTH


class TestShow:
    def test_says_what_is_at_stake_what_mends_it_and_what_became_of_it(
        self, operator: Cli, taken: dict[str, Any]
    ) -> None:
        taken |= {"at_stake": [{"amount": "19.61", "currency": "USD"}], "owner": {"id": "usr_ada", "name": "Ada"}}
        shown = operator.run("admin", "finding", "show", taken["id"]).stdout
        for told in ("19.61 USD", "Answer the bank.", "sublet admin dispute show", "Ada", "assigned", "opened"):
            assert told in shown, shown
        said = json.loads(operator.run("admin", "finding", "show", taken["id"], "--json").stdout)
        assert [one["what"] for one in said["history"]] == ["opened", "assigned"]

    def test_of_an_unknown_one_exits_with_3(self, operator: Cli) -> None:
        assert operator.run("admin", "finding", "show", "fnd_none").exit_code == Exit.NOT_FOUND


class TestAssign:
    ASSIGN = ("admin", "finding", "assign")

    def test_gives_it_to_who_asks_or_is_named_or_to_nobody(self, operator: Cli, taken: dict[str, Any]) -> None:
        path = f"/admin/findings/{taken['id']}/assign"
        assert "Ada sees to it" in operator.run(*self.ASSIGN, taken["id"]).stderr
        assert "Ada" in operator.run("admin", "finding", "ls").stdout
        operator.run(*self.ASSIGN, taken["id"], "--to", "usr_bob")
        assert "nobody sees to it" in operator.run(*self.ASSIGN, taken["id"], "--nobody").stderr
        me = operator.api.world.users[0]["id"] if hasattr(operator.api.world, "users") else None
        sent = [call.body["owner_id"] for call in operator.api.calls("POST", path)]
        assert sent[1:] == ["usr_bob", None]
        assert me is None or sent[0] == me

    def test_is_to_one_or_nobody(self, operator: Cli, taken: dict[str, Any]) -> None:
        both = operator.run(*self.ASSIGN, taken["id"], "--to", "usr_bob", "--nobody")
        assert (both.exit_code, taken["owner"]) == (Exit.USAGE, None)

    def test_gives_programs_json(self, operator: Cli, taken: dict[str, Any]) -> None:
        assert json.loads(operator.run(*self.ASSIGN, taken["id"], "--json").stdout) == taken


class TestResolve:
    def test_closes_it_for_a_reason_and_says_what_that_did(self, operator: Cli, taken: dict[str, Any]) -> None:
        result = operator.run(*RESOLVE, taken["id"], *WHY)
        assert (result.exit_code, result.stdout) == (0, "")
        assert taken["until"] is not None
        assert result.stderr.startswith("payments.taken_back of tu_1 is closed since ")
        assert "Money that was set aside for it stays so, and what this finding stopped may go on." in result.stderr
        [call] = operator.api.calls("POST", f"/admin/findings/{taken['id']}/resolve")
        assert call.body == {"reason": "settled with the customer"}

    def test_gives_programs_json_or_the_id(self, operator: Cli, taken: dict[str, Any]) -> None:
        said = json.loads(operator.run(*RESOLVE, taken["id"], *WHY, "--json").stdout)
        assert said == taken
        taken |= {"until": None, "settled_by": None, "resolution": None, "actions": closing(None)}
        assert operator.run(*RESOLVE, taken["id"], *WHY, "-q").stdout.strip() == taken["id"]

    def test_is_refused_the_second_time(self, operator: Cli, taken: dict[str, Any]) -> None:
        assert operator.run(*RESOLVE, taken["id"], *WHY).exit_code == 0
        again = operator.run(*RESOLVE, taken["id"], *WHY)
        assert (again.exit_code, "Nothing was changed." in again.stderr) == (Exit.CONFLICT, True)

    def test_says_that_a_reason_is_needed(self, operator: Cli, taken: dict[str, Any]) -> None:
        assert operator.run(*RESOLVE, taken["id"]).exit_code == Exit.USAGE
        refused = operator.run(*RESOLVE, taken["id"], "--reason", "ok")
        assert (refused.exit_code, taken["until"]) == (Exit.USAGE, None)
        assert "reason: String should have at least 3 characters" in refused.stderr

    def test_of_an_unknown_one_exits_with_3(self, operator: Cli) -> None:
        result = operator.run(*RESOLVE, "fnd_none", *WHY)
        assert result.exit_code == Exit.NOT_FOUND
        assert "Nothing was changed" in result.stderr

    def test_is_refused_to_customers(self, cli: Cli) -> None:
        found = open_finding(cli.api.world, "payments.taken_back", "top_up", "tu_1")
        assert cli.run(*RESOLVE, found["id"], *WHY).exit_code == Exit.AUTH
        assert found["until"] is None


class TestProcess:
    def test_has_an_event_processed_again_that_was_not_understood(self, operator: Cli) -> None:
        misunderstand(operator.api.world, "evt_1", "payout.unheard_of")
        result = operator.run("admin", "event", "process", "evt_1")
        assert (result.exit_code, result.stdout, operator.api.world.not_understood) == (0, "", set())
        assert "evt_1 will be processed again within seconds" in result.stderr

    def test_gives_programs_json(self, operator: Cli) -> None:
        misunderstand(operator.api.world, "evt_1", "payout.unheard_of")
        said = operator.run("admin", "event", "process", "evt_1", "--json").stdout
        assert json.loads(said) == {"received": True}

    def test_is_refused_for_one_that_was_understood_or_waits(self, operator: Cli) -> None:
        misunderstand(operator.api.world, "evt_1", "payout.unheard_of")
        operator.run("admin", "event", "process", "evt_1")
        again = operator.run("admin", "event", "process", "evt_1")
        assert again.exit_code == Exit.CONFLICT
        assert "Nothing was changed" in again.stderr

    def test_of_an_unknown_one_exits_with_3(self, operator: Cli) -> None:
        assert operator.run("admin", "event", "process", "evt_none").exit_code == Exit.NOT_FOUND

    def test_is_refused_to_customers(self, cli: Cli) -> None:
        misunderstand(cli.api.world, "evt_1", "payout.unheard_of")
        assert cli.run("admin", "event", "process", "evt_1").exit_code == Exit.AUTH
