"""Publishing ports from the command line."""

import json
from typing import Any

from tests.cli.running import Cli


class TestPort:
    def test_is_published_listed_and_withdrawn(self, cli: Cli, web: dict[str, Any]) -> None:
        cli.as_operator()
        refused = cli.run("port", "publish", "web", "8080")
        assert refused.exit_code == 5
        assert "The operator gives no ports on its node" in refused.stderr
        assert "none" in cli.run("admin", "node", "show", "node-a").stdout
        given = cli.run("admin", "node", "ports", "node-a", "30000-30099")
        assert "On node-a customers may publish by its ports 30000-30099." in given.stderr
        assert "30000-30099" in cli.run("admin", "node", "show", "node-a").stdout

        assert cli.run("port", "publish", "web", "8080").stdout == "10.0.0.1:30000\n"
        made = json.loads(cli.run("port", "publish", "web", "60001/udp", "--json").stdout)
        assert (made["port"], made["protocol"], made["node_port"]) == (60001, "udp", 30001)
        web["ports"][0] |= {"state": "refused", "refusal": "The node has something else at that port."}
        listed = cli.run("port", "ls", "web").stdout
        assert "8080/tcp" in listed
        assert "60001/udp" in listed
        assert "8080/tcp at 10.0.0.1:30000 (refused)" in cli.run("show", "web").stdout

        missing = cli.run("port", "withdraw", "web", "60001")
        assert missing.exit_code == 3
        assert "60001/tcp of web is not published. Nothing was changed." in missing.stderr
        assert json.loads(cli.run("port", "withdraw", "web", "60001/udp", "--json").stdout)["state"] == "closing"
        cli.run("admin", "node", "ports", "node-a", "none")
        assert cli.api.world.nodes[web["node"]["id"]]["ports"] is None

    def test_is_a_number_with_a_protocol(self, cli: Cli, web: dict[str, Any]) -> None:
        for wrong in ("0", "65536", "80/sctp", "http"):
            assert cli.run("port", "publish", "web", wrong).exit_code == 2
        assert cli.run("admin", "node", "ports", "node-a", "30000").exit_code == 2
        assert "no published port" in cli.run("port", "ls", "web").stderr
