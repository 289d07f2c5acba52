"""Approvals on the command line: seen and refused; given only in a browser."""

import json
from typing import Any

import pytest

from sublet.approvals.states import ApprovalState
from sublet.cli.commands.admin.approvals import STATES
from sublet.cli.exits import Exit
from tests.cli.running import Cli
from tests.client.fake_findings import ask_approval

REJECT = ("admin", "approval", "reject")
WHY = ("--reason", "the node is there")


@pytest.fixture
def asked(operator: Cli) -> dict[str, Any]:
    """What Bob asked for."""
    return ask_approval(operator.api.world, "allocation.force_release", "al_1", wipe=True, after=60, why="fire")


class TestLs:
    def test_shows_what_was_asked_by_whom_and_why(self, operator: Cli, asked: dict[str, Any]) -> None:
        asked["expires_at"] = "2026-01-02T03:04:05Z"
        line = operator.run("admin", "approval", "ls").stdout.splitlines()[1]
        assert line.split()[:5] == [asked["id"], "requested", "allocation.force_release", "al_1", "Bob"]
        assert line.endswith("2026-01-02 03:04 UTC  the node burnt down")

    def test_finds_by_state_and_turns_pages(self, operator: Cli, asked: dict[str, Any]) -> None:
        others = [ask_approval(operator.api.world, "refund.make", f"tu_{number}")["id"] for number in range(3)]
        operator.run(*REJECT, others[0], *WHY)

        def listed(*options: str) -> list[str]:
            return operator.run("admin", "approval", "ls", "-q", *options).stdout.split()

        assert listed() == [*others[::-1], asked["id"]]
        assert listed("--state", "rejected") == [others[0]]

    def test_says_that_there_are_none(self, operator: Cli) -> None:
        assert operator.run("admin", "approval", "ls").stderr == "Nobody has asked for an approval.\n"
        assert operator.run("admin", "approval", "ls", "--state", "used").stderr == "No approval is used.\n"

    def test_gives_programs_the_apis_json(self, operator: Cli, asked: dict[str, Any]) -> None:
        assert json.loads(operator.run("admin", "approval", "ls", "--json").stdout) == [asked]

    def test_knows_the_states_of_the_server(self, operator: Cli) -> None:
        assert tuple(ApprovalState) == STATES
        assert operator.run("admin", "approval", "ls", "--state", "happy").exit_code == Exit.USAGE

    def test_is_refused_to_customers(self, cli: Cli) -> None:
        assert cli.run("admin", "approval", "ls").exit_code == Exit.AUTH


class TestShow:
    def test_says_all_that_makes_it_this_act_and_what_can_be_done(self, operator: Cli, asked: dict[str, Any]) -> None:
        result = operator.run("admin", "approval", "show", asked["id"])
        told = [line.split(maxsplit=1) for line in result.stdout.splitlines()]
        assert ["With", "wipe true, after 60, why fire"] in told
        assert ["Reason", "the node burnt down"] in told
        assert not {"Decided", "Used"} & {name for name, _ in told}
        assert f"Refuse it: sublet admin approval reject {asked['id']} --reason TEXT" in result.stderr
        assert "To approve it takes a browser that has just signed in" in result.stderr

    def test_says_why_one_may_not_decide(self, operator: Cli) -> None:
        own = ask_approval(operator.api.world, "refund.make", "tu_1", by="Ada")
        result = operator.run("admin", "approval", "show", own["id"])
        assert result.stderr == "You cannot decide on it. Somebody else than who asked has to decide.\n"

    def test_says_what_came_of_it(self, operator: Cli, asked: dict[str, Any]) -> None:
        moment = {"decided_at": "2026-01-02T03:04:05Z", "used_at": "2026-01-02T04:04:05Z"}
        asked |= {"state": "used", "decided_by": {"id": "usr_ada", "name": "Ada"}, **moment}
        result = operator.run("admin", "approval", "show", asked["id"])
        assert "Ada, 2026-01-02 03:04 UTC" in result.stdout
        assert "2026-01-02 04:04 UTC" in result.stdout
        assert result.stderr == ""

    def test_gives_programs_json_or_the_id(self, operator: Cli, asked: dict[str, Any]) -> None:
        assert json.loads(operator.run("admin", "approval", "show", asked["id"], "--json").stdout) == asked
        assert operator.run("admin", "approval", "show", asked["id"], "-q").stdout.strip() == asked["id"]

    def test_of_an_unknown_one_exits_with_3(self, operator: Cli) -> None:
        assert operator.run("admin", "approval", "show", "apr_none").exit_code == Exit.NOT_FOUND


class TestReject:
    def test_refuses_it_for_a_reason_and_says_what_that_means(self, operator: Cli, asked: dict[str, Any]) -> None:
        result = operator.run(*REJECT, asked["id"], *WHY)
        assert (result.exit_code, result.stdout, asked["state"]) == (0, "", "rejected")
        assert "allocation.force_release of al_1 may not be done. Bob can ask for it again." in result.stderr
        [call] = operator.api.calls("POST", f"/admin/approvals/{asked['id']}/reject")
        assert call.body == {"reason": "the node is there"}

    def test_gives_programs_json_or_the_id(self, operator: Cli, asked: dict[str, Any]) -> None:
        other = ask_approval(operator.api.world, "refund.make", "tu_1")
        assert json.loads(operator.run(*REJECT, asked["id"], *WHY, "--json").stdout) == asked
        assert operator.run(*REJECT, other["id"], *WHY, "-q").stdout.strip() == other["id"]

    def test_says_that_a_reason_is_needed(self, operator: Cli, asked: dict[str, Any]) -> None:
        assert operator.run(*REJECT, asked["id"]).exit_code == Exit.USAGE
        assert operator.run(*REJECT, asked["id"], "--reason", " ").exit_code == Exit.USAGE
        assert asked["state"] == "requested"

    def test_is_refused_to_who_asked_and_once_it_is_decided(self, operator: Cli, asked: dict[str, Any]) -> None:
        own = ask_approval(operator.api.world, "refund.make", "tu_1", by="Ada")
        refused = operator.run(*REJECT, own["id"], *WHY)
        assert refused.exit_code == Exit.AUTH
        assert "Somebody else than who asked has to decide. Nothing was changed." in refused.stderr
        operator.run(*REJECT, asked["id"], *WHY)
        assert operator.run(*REJECT, asked["id"], *WHY).exit_code == Exit.CONFLICT

    def test_of_an_unknown_one_exits_with_3(self, operator: Cli) -> None:
        assert operator.run(*REJECT, "apr_none", *WHY).exit_code == Exit.NOT_FOUND


class TestApprove:
    def test_is_no_command_and_the_group_says_why_and_what_to_do(self, operator: Cli) -> None:
        assert operator.run("admin", "approval", "approve", "apr_1").exit_code == Exit.USAGE
        told = " ".join(operator.run("admin", "approval", "--help").stdout.split())
        assert "the command line has only an API token, which the API refuses" in told
        assert "approve it on the page Approvals of the operator console" in told
