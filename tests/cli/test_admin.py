"""The operator's commands."""

import json

from sublet.cli.exits import Exit
from tests.cli.running import Cli
from tests.client.fake_names import CHECKS, join_command
from tests.client.fake_shapes import usd


class TestNode:
    def test_add_prints_how_it_joins(self, operator: Cli) -> None:
        result = operator.run("admin", "node", "add", "node-b", "10.0.0.2", "--port", "2222", "--label", "zone=b")
        assert result.exit_code == 0
        assert result.stdout == join_command("https://sublet.example.org", "sublet_join_first") + "\n"
        assert "the token in it works once" in result.stderr
        assert "sublet admin node show node-b" in result.stderr
        body = operator.api.calls("POST", "/admin/nodes")[0].body
        assert body == {"name": "node-b", "address": "10.0.0.2", "port": 2222, "labels": {"zone": "b"}}

    def test_add_gives_scripts_id_or_json(self, operator: Cli) -> None:
        said = json.loads(operator.run("admin", "node", "add", "node-b", "10.0.0.2", "--json").stdout)
        assert said["join"]["token"] == "sublet_join_first"
        identifier = operator.run("admin", "node", "add", "node-c", "10.0.0.3", "-q").stdout.strip()
        assert operator.api.world.nodes[identifier]["name"] == "node-c"

    def test_ls_shows_what_is_taken_and_what_is_enforced(self, operator: Cli) -> None:
        operator.api.world.join(operator.api.world.add_node("loose", "10.0.0.9"), enforced=False)
        lines = operator.run("admin", "node", "ls").stdout.splitlines()
        assert lines[1].split()[:4] == ["node-a", "ready", "10.0.0.1:22", "0/8"]
        assert "not enforced" in lines[2]

    def test_show_lists_what_is_still_to_be_done(self, operator: Cli) -> None:
        operator.run("admin", "node", "add", "node-b", "10.0.0.2")
        shown = operator.run("admin", "node", "show", "node-b").stdout
        assert "accepting work" in shown
        assert "Run it on the machine as root." in shown

    def test_show_names_what_is_nobodys(self, operator: Cli) -> None:
        operator.api.world.strangers = [{"login": "al-x", "uid": 200123, "since": "2026-01-01T00:00:00Z"}]
        shown = operator.run("admin", "node", "show", "node-a").stdout
        assert "NOBODY'S" in shown
        assert "al-x" in shown

    def test_show_names_what_is_given_to_nobody_and_why(self, operator: Cli) -> None:
        part = {"vcpu": 2, "memory_mib": 2048, "disk_gib": 10, "gpus": 1}
        why = {"reason": "Something is left: processes", "since": "2026-01-01T00:00:00Z"}
        operator.api.world.kept = [{"allocation_id": "al_0000000000000001", **part, **why}]
        shown = operator.run("admin", "node", "show", "node-a").stdout
        assert "al_0000000000000001" in shown
        assert "Something is left: processes" in shown
        assert json.loads(operator.run("admin", "node", "show", "node-a", "--json").stdout)["kept"][0]["gpus"] == 1

    def test_cordon_and_uncordon_by_name(self, operator: Cli) -> None:
        node = next(iter(operator.api.world.nodes.values()))
        assert "takes no new allocations" in operator.run("admin", "node", "cordon", "node-a").stderr
        assert node["state"] == "cordoned"
        assert operator.run("admin", "node", "uncordon", node["id"]).exit_code == 0
        assert node["state"] == "ready"

    def test_stop_drain_says_when_what_was_suspended_goes_on(self, operator: Cli) -> None:
        node = next(iter(operator.api.world.nodes.values()))
        because = ("--reason", "a fan")
        for state, then in (("draining", "is resumed."), ("quarantined", "is resumed once the node takes part again.")):
            node["state"] = state
            said = operator.run("admin", "node", "stop-drain", "node-a", *because).stderr
            assert said.endswith(f"what the drain had suspended {then}\n"), said

    def test_what_was_mistyped_is_corrected_or_removed(self, operator: Cli) -> None:
        node = next(iter(operator.api.world.nodes.values()))
        right = ("--name", "node-b", "--address", "2001:db8::7", "--port", "2222")
        assert "node-b is at [2001:db8::7]:2222" in operator.run("admin", "node", "change", "node-a", *right).stderr
        assert operator.api.calls("PATCH", f"/admin/nodes/{node['id']}")[0].body == {
            "name": "node-b",
            "address": "2001:db8::7",
            "port": 2222,
        }
        assert operator.run("admin", "node", "change", "node-b").exit_code == 2
        assert "node-b is removed" in operator.run("admin", "node", "rm", "node-b").stderr
        assert operator.run("admin", "node", "show", "node-b").exit_code == 3

    def test_join_token_replaces_the_first(self, operator: Cli) -> None:
        assert "join_second" in operator.run("admin", "node", "join-token", "node-a").stdout

    def test_unknown_exits_with_3(self, operator: Cli) -> None:
        assert operator.run("admin", "node", "cordon", "nobody").exit_code == 3
        assert operator.run("admin", "node", "cordon", "nd_nobody").exit_code == 3

    def test_is_refused_to_customers_with_4(self, cli: Cli) -> None:
        result = cli.run("admin", "node", "ls")
        assert result.exit_code == 4
        assert "platform role" in result.stderr


class TestSkuAndPrice:
    def test_a_sku_is_defined_priced_and_on_offer(self, operator: Cli) -> None:
        arguments = ("--vcpu", "4", "--memory", "512MiB", "--disk", "10", "--gpu", "A100", "--label", "zone=a")
        assert operator.run("admin", "sku", "add", "tiny", *arguments).exit_code == 0
        body = operator.api.calls("POST", "/admin/skus")[0].body
        assert (body["memory_mib"], body["gpu_count"], body["node_labels"]) == (512, 1, {"zone": "a"})
        terms = ("--suspended-claim", "4h", "--suspended", "0.01", "--disk", "0.001")
        priced = operator.run("admin", "price", "set", "tiny", "0.0500", "--currency", "USD", *terms)
        assert "tiny costs 0.05 USD/h" in priced.stderr
        assert "suspended 0.01 USD/h with its place for 4 hours, then 0.001 USD/h for its disk alone" in priced.stderr
        assert "tiny" in operator.run("offers").stdout

    def test_a_sku_can_ask_for_gpus_of_any_model(self, operator: Cli) -> None:
        operator.run("admin", "sku", "add", "any", "--vcpu", "1", "--memory", "1", "--disk", "1", "--gpus", "2")
        body = operator.api.calls("POST", "/admin/skus")[0].body
        assert (body["gpu_count"], body.get("gpu_model"), body["memory_mib"]) == (2, None, 1024)

    def test_a_sku_can_take_a_whole_node_and_its_network(self, operator: Cli) -> None:
        arguments = ("--vcpu", "4", "--memory", "1", "--disk", "1", "--whole-node", "--node-network")
        operator.run("admin", "sku", "add", "fabric", *arguments)
        body = operator.api.calls("POST", "/admin/skus")[0].body
        assert (body["whole_node"], body["node_network"]) == (True, True)

    def test_a_price_can_begin_later(self, operator: Cli) -> None:
        operator.run(
            *("admin", "price", "set", "cpu-small", "1", "--suspended-claim", "always", "--suspended", "0.1"),
            *("--currency", "USD"),
            *("--effective-at", "2030-01-01T00:00+02:00"),
        )
        assert operator.api.calls("POST", "/admin/prices")[0].body["effective_at"] == "2030-01-01T00:00:00+02:00"

    def test_prices_are_listed_by_code(self, operator: Cli) -> None:
        lines = operator.run("admin", "price", "ls", "--sku", "gpu-a100").stdout.splitlines()
        assert [line.split()[0] for line in lines] == ["SKU", "gpu-a100"]

    def test_a_sku_goes_off_and_on_offer(self, operator: Cli) -> None:
        assert operator.run("admin", "sku", "deactivate", "cpu-small").exit_code == 0
        assert "cpu-small" not in operator.run("offers").stdout
        assert "no" in operator.run("admin", "sku", "ls").stdout.splitlines()[1].split()
        operator.run("admin", "sku", "activate", "cpu-small")
        assert "cpu-small" in operator.run("offers").stdout

    def test_what_cannot_be_a_rate_or_a_size_is_refused(self, operator: Cli) -> None:
        shape = ("--vcpu", "1", "--disk", "1")
        terms = ("--suspended-claim", "always", "--suspended", "0", "--currency", "USD")
        for rate in ("-1", "1e2"):
            assert operator.run("admin", "price", "set", "cpu-small", rate, *terms).exit_code == 2
        for claim in ("0h", "4", "4d", "sometimes"):
            refused = operator.run("admin", "price", "set", "cpu-small", "1", *terms, "--suspended-claim", claim)
            assert "is not none, always, or hours such as 4h" in refused.stderr
        unsaid = operator.run("admin", "price", "set", "cpu-small", "1", "--suspended", "0", "--currency", "USD")
        assert (unsaid.exit_code, "--suspended-claim" in unsaid.stderr) == (2, True)
        assert operator.run("admin", "sku", "add", "x", *shape, "--memory", "much").exit_code == 2
        assert operator.run("admin", "sku", "add", "x", *shape, "--memory", "1", "--label", "zone").exit_code == 2


class TestPlatform:
    def test_allocations_show_whose_and_since_when(self, operator: Cli) -> None:
        world = operator.api.world
        world.allocation("web", next(iter(world.skus.values())))
        line = operator.run("admin", "allocations").stdout.splitlines()[1]
        assert "Acme" in line
        assert "1 min 15 s" in line
        assert operator.run("admin", "allocations", "--state", "failed").stdout == ""

    def test_allocations_show_what_the_node_said_and_customers_do_not(self, operator: Cli) -> None:
        world = operator.api.world
        failed = world.allocation("web", next(iter(world.skus.values())))
        failed["failure"] = {"code": "node_unreachable", "message": "The node did not answer."}
        line = operator.run("admin", "allocations").stdout.splitlines()[1]
        assert "node_unreachable at connect to node: north cannot be reached at 192.0.2.7:22" in line
        assert "192.0.2.7:22" not in operator.run("show", failed["name"]).stdout

    def test_reconcile_agrees(self, operator: Cli) -> None:
        result = operator.run("admin", "reconcile")
        assert result.exit_code == 0
        assert f"All {len(CHECKS)} checks agree" in result.stderr

    def test_reconcile_exits_with_1_on_a_mismatch_and_shows_it(self, operator: Cli) -> None:
        operator.api.world.checks_ok = False
        result = operator.run("admin", "reconcile")
        assert result.exit_code == 1
        assert "(held 1.00 USD, open holds 2.500001 USD)" in " ".join(result.stdout.split())
        said = json.loads(operator.run("admin", "reconcile", "--json").stdout)
        amounts = [finding["amounts"] for check in said["checks"] for finding in check["findings"]]
        assert amounts == [{"held": usd("1.00"), "open holds": usd("2.500001")}]
        assert "Nothing was changed" in result.stderr


class TestQuarantineGpu:
    def test_keeps_it_from_customers_for_a_reason(self, operator: Cli) -> None:
        [node] = operator.api.world.nodes.values()
        result = operator.run("admin", "node", "quarantine-gpu", "node-a", "GPU-1", "--reason", "it errs")
        assert result.exit_code == 0
        assert "GPU-1 is quarantined" in result.stderr
        assert operator.api.calls("POST", f"/admin/nodes/{node['id']}/gpus/GPU-1/quarantine")[0].body == {
            "reason": "it errs"
        }
        why = {"code": "by_operator", "reason": "it errs", "at": "2026-01-01T00:00:00Z"}
        node["inventory"]["gpus"][0] |= {"state": "quarantined", "quarantine": why}
        assert "(quarantined: it errs)" in " ".join(operator.run("admin", "node", "show", "node-a").stdout.split())

    def test_says_that_a_reason_is_needed(self, operator: Cli) -> None:
        assert operator.run("admin", "node", "quarantine-gpu", "node-a", "GPU-1").exit_code == Exit.USAGE


class TestClearGpu:
    def test_gives_it_out_again_for_a_reason(self, operator: Cli) -> None:
        [node] = operator.api.world.nodes.values()
        node["inventory"]["gpus"][0]["state"] = "quarantined"
        assert "GPU-1 (quarantined)" in operator.run("admin", "node", "show", "node-a").stdout
        result = operator.run("admin", "node", "clear-gpu", "node-a", "GPU-1", "--reason", "reset it")
        assert (result.exit_code, node["inventory"]["gpus"][0]["state"]) == (0, "available")
        assert operator.api.calls("POST", f"/admin/nodes/{node['id']}/gpus/GPU-1/clear")[0].body == {
            "reason": "reset it"
        }

    def test_says_that_a_reason_is_needed(self, operator: Cli) -> None:
        assert operator.run("admin", "node", "clear-gpu", "node-a", "GPU-1").exit_code == Exit.USAGE


class TestWork:
    def test_ls_shows_what_does_not_come_to_its_end(self, operator: Cli) -> None:
        assert "All work comes to its end" in operator.run("admin", "work", "ls").stderr
        operator.api.world.leave_unfinished("top_up", "tu_1", "set_aside", attempts=1, last_error="interrupted")
        heading, line = operator.run("admin", "work", "ls").stdout.splitlines()
        assert heading.split()[:2] == ["KIND", "ID"]
        assert line.split()[:2] == ["top_up", "tu_1"]
        assert "set aside" in line
        assert json.loads(operator.run("admin", "work", "ls", "--json").stdout)[0]["last_error"] == "interrupted"

    def test_retry_takes_up_what_was_set_aside_and_says_when_it_was_not(self, operator: Cli) -> None:
        operator.api.world.leave_unfinished("top_up", "tu_1", "set_aside", attempts=1, last_error="interrupted")
        operator.api.world.leave_unfinished("tick", "settle", "failing", attempts=9, last_error="DataError")
        result = operator.run("admin", "work", "retry", "top_up", "tu_1")
        assert (result.exit_code, [one["id"] for one in operator.api.world.unfinished]) == (0, ["settle"])
        assert "will be taken up" in result.stderr
        said = operator.run("admin", "work", "retry", "tick", "settle", "--json")
        assert json.loads(said.stdout)["was_set_aside"] is False
        assert "Nothing was changed" in said.stderr
        assert operator.run("admin", "work", "retry", "tick", "none").exit_code == Exit.NOT_FOUND


class TestEvent:
    def test_ls_shows_what_was_set_aside(self, operator: Cli) -> None:
        assert "No event was set aside" in operator.run("admin", "event", "ls").stderr
        operator.api.world.set_event_aside("top_up.succeeded", "tu_1")
        line = operator.run("admin", "event", "ls").stdout.splitlines()[1]
        assert line.split()[:5] == ["7-40", "top_up.succeeded", "tu_1", "16", "DataError"]

    def test_replay_hands_it_out_again_once(self, operator: Cli) -> None:
        operator.api.world.set_event_aside("top_up.succeeded", "tu_1")
        operator.api.world.tell("allocation.active", "al_1", name="web", state="active")
        result = operator.run("admin", "event", "replay", "7-40")
        assert (result.exit_code, operator.api.world.set_aside) == (0, [])
        assert "will be handled again" in result.stderr
        said = operator.run("admin", "event", "replay", "7-0", "--json")
        assert json.loads(said.stdout)["state"] == "done"
        assert "Nothing was changed" in said.stderr
        assert operator.run("admin", "event", "replay", "7-99").exit_code == Exit.NOT_FOUND
