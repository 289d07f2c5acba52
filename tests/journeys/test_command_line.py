"""The command line against the real server: what the small server of its own tests cannot show."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.client import fake_names
from tests.journeys.people import until
from tests.support.demo import Demo

pytestmark = pytest.mark.node


def listed(demo: Demo, *arguments: str, operator: bool = False) -> list[dict[str, Any]]:
    """What a command lists as JSON, after it has listed it as a table with a heading and a line for each."""
    table = demo.sublet(*arguments, operator=operator).stdout.splitlines()
    items: list[dict[str, Any]] = json.loads(demo.sublet(*arguments, "--json", operator=operator).stdout)
    assert len(table) == (len(items) + 1 if items else 0), table
    return items


class TestCustomer:
    def test_signs_in_with_a_token_file(self, demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        said = demo.sublet("login", "--url", demo.info.url, "--token-file", demo.info.customer.token_file)
        assert demo.info.customer.email in said.stderr
        assert said.stdout == ""
        stored = json.loads((tmp_path / "sublet" / "credentials.json").read_text())
        assert stored["url"] == demo.info.url
        assert json.loads(demo.sublet("whoami", "--json").stdout)["user"]["email"] == demo.info.customer.email

    def test_sees_offers_allocations_and_ledger(self, demo: Demo) -> None:
        offers = listed(demo, "offers")
        assert "cpu-small" in [offer["sku"]["code"] for offer in offers]
        assert "cpu-small" in demo.sublet("offers").stdout
        name = f"cli-{uuid4().hex[:6]}"
        launched = demo.sublet("launch", "cpu-small", "--name", name)
        try:
            for step in fake_names.STEPS["provision"]:
                assert f"done    {step.replace('_', ' ')}" in launched.stderr
            mine = next(one for one in listed(demo, "ls") if one["name"] == name)
            assert (mine["state"], mine["node"]["name"]) == ("active", demo.info.node.name)
            # What ends within its first second costs nothing, and the ledger has nothing to say of it.
            until("use", lambda: json.loads(demo.sublet("show", name, "--json").stdout)["delivered_seconds"] > 0)
        finally:
            demo.sublet("release", name, "--yes")
        ended = next(one for one in listed(demo, "ls", "--all", "--state", "released") if one["name"] == name)
        proof = json.loads(demo.sublet("show", ended["id"], "--json").stdout)["evidence"]
        assert {check["name"] for check in proof["checks"]} == set(fake_names.EVIDENCE)
        charged = until(
            "the charge", lambda: [one for one in listed(demo, "ledger", "--all") if name in one["description"]]
        )
        assert {one["kind"] for one in charged} == {"usage"}
        assert [one["id"].rpartition("-")[0] for one in charged] == [one["entry_id"] for one in charged]

    def test_reads_events_and_does_not_wait_for_more(self, demo: Demo) -> None:
        name = f"cli-{uuid4().hex[:6]}"
        begin = demo.sublet("events", "--no-follow").stderr
        after = begin.split("--after ")[1].split()[0]
        demo.sublet("launch", "cpu-small", "--name", name)
        demo.sublet("release", name, "--yes")
        lines = demo.sublet("events", "--no-follow", "--after", after, "--json").stdout.splitlines()
        told = [event["type"] for event in map(json.loads, lines) if event["data"].get("name") == name]
        assert told == [
            f"allocation.{state}" for state in ("created", "provisioning", "active", "releasing", "released")
        ]
        shown = demo.sublet("events", "--no-follow", "--after", after, "--type", "allocation.").stdout
        assert [line.split()[1] for line in shown.splitlines() if name in line] == told


class TestOperator:
    def test_sees_nodes_and_takes_one_out_of_use(self, demo: Demo) -> None:
        name = demo.info.node.name

        def changed(command: str) -> dict[str, Any]:
            found: dict[str, Any] = json.loads(
                demo.sublet("admin", "node", command, name, "--json", operator=True).stdout
            )
            return found

        node = next(one for one in listed(demo, "admin", "node", "ls", operator=True) if one["name"] == name)
        assert node["state"] == "ready"
        assert name in demo.sublet("admin", "node", "show", name, operator=True).stdout
        assert [item["name"] for item in changed("show")["enrolment"]] == list(fake_names.ENROLMENT)
        try:
            assert "takes no new allocations" in demo.sublet("admin", "node", "cordon", name, operator=True).stderr
            assert changed("show")["state"] == "cordoned"
        finally:
            assert changed("uncordon")["state"] == "ready"

    def test_sees_skus_prices_and_that_the_books_agree(self, demo: Demo) -> None:
        skus = {sku["id"]: sku["code"] for sku in listed(demo, "admin", "sku", "ls", operator=True)}
        assert "cpu-small" in skus.values()
        prices = listed(demo, "admin", "price", "ls", operator=True)
        assert {price["sku_id"] for price in prices} <= set(skus)
        told = json.loads(demo.sublet("admin", "reconcile", "--json", operator=True, check=False).stdout)
        assert tuple(check["name"] for check in told["checks"]) == fake_names.CHECKS
        broken = [check for check in told["checks"] if not check["ok"] and check["name"] != "unmetered time"]
        assert broken == []

    def test_has_commands_that_a_customer_may_not_use(self, demo: Demo) -> None:
        for kind in ("node", "sku", "price"):
            assert demo.sublet("admin", kind, "ls", check=False).returncode == 4
