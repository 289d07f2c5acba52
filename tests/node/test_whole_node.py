"""An allocation that has a whole node may be in the node's own network: alone there, and denied what others are."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.node.conftest import Enrolled
from tests.node.control_plane import Channel, Refused, Tenant
from tests.node.test_limits import run_as

pytestmark = [pytest.mark.anyio, pytest.mark.node]

NETWORK = "readlink /proc/self/ns/net"
KNOCK = "python3 -Sc 'import socket; socket.create_connection((\"127.0.0.1\", {port}), 3)' 2>&1 | tail -1"
LISTEN = (
    "python3 -Sc 'import socket, sys; s = socket.create_server((\"0.0.0.0\", 18077)); print(1, flush=True); {then}'"
)


@pytest.fixture(autouse=True)
async def nobody(north: Enrolled) -> AsyncIterator[None]:
    """Nobody is on the node, before and after."""
    async with north.control.protocol(north.node) as channel:
        await empty(channel)
        yield
        await empty(channel)


async def empty(channel: Channel) -> None:
    for one in (await channel.ask("observe"))["allocations"]:
        subject = {name: one[name] for name in ("allocation", "login", "uid")}
        assert (await channel.ask("release", subject, generation=2_000_000))["clean"] is True


def limits(observed: dict[str, Any]) -> dict[str, bool]:
    return {entry["limit"]: entry["enforced"] for entry in observed["enforced"]}


class TestTheNodesNetwork:
    async def test_is_joined_by_every_session_and_left_without_a_trace(self, north: Enrolled, channel: Channel) -> None:
        tenant = Tenant()
        observed = await channel.ask("apply", tenant.desired(node_network=True), generation=1)
        assert limits(observed) == dict.fromkeys(("cpu", "memory", "tasks", "devices", "disk", "node_network"), True)
        nodes = (await north.node.run_as_root("sh", "-c", NETWORK)).text
        interfaces = (await north.node.run_as_root("ls", "/sys/class/net")).text
        assert await run_as(north, tenant, f"{NETWORK}; ls /sys/class/net") == (f"{nodes}\n{interfaces}\n", 0)
        # What listens is reached as the node is, and ends with the release.
        certificate = north.control.user_certificate(tenant.login)
        async with (
            north.control.login(north.node, tenant.login, *certificate) as ssh,
            ssh.create_process(LISTEN.format(then="sys.stdin.read()")) as server,
        ):
            assert await server.stdout.readline() == "1\n"
            ask = "exec 3<>/dev/tcp/127.0.0.1/18077 && echo reached"
            assert (await north.node.run_as_root("bash", "-c", ask)).text == "reached"
            evidence = await channel.ask("release", tenant.subject, generation=2)
        assert [check for check in evidence["checks"] if not check["clean"]] == []
        listening = await north.node.run_as_root("sh", "-c", "ss -Htln | grep -c :18077", check=False)
        assert listening.text == "0"

    async def test_lets_nobody_reach_what_is_denied(self, north: Enrolled, channel: Channel) -> None:
        tenant = Tenant()
        await channel.ask("apply", tenant.desired(node_network=True), generation=1)
        for port in (north.node.port, 18080):
            said, _ = await run_as(north, tenant, KNOCK.format(port=port))
            assert "ConnectionRefusedError" in said
        # Those are there for root: a listener for the one that is denied, sshd for the other.
        listener = LISTEN.replace("18077", "18080").replace("0.0.0.0", "127.0.0.1").format(then="s.accept()")
        ask = (
            f"timeout 20 {listener} & {KNOCK.format(port=north.node.port)}; sleep 0.5; {KNOCK.format(port=18080)}; wait"
        )
        assert (await north.node.run_as_root("sh", "-c", ask)).text == "1"

    async def test_is_not_given_beside_others(self, north: Enrolled, channel: Channel) -> None:
        other, tenant = Tenant(), Tenant()
        await channel.ask("apply", other.desired(), generation=1)
        with pytest.raises(Refused) as refused:
            await channel.ask("apply", tenant.desired(node_network=True), generation=1)
        assert (refused.value.code, refused.value.retryable) == ("not_alone", True)
        # Whoever was refused keeps nobody else away, and may come with a network of its own.
        assert (await channel.ask("apply", other.desired(), generation=2))["login_open"] is True
        assert limits(await channel.ask("apply", tenant.desired(), generation=2)).get("node_network") is None
        nodes = (await north.node.run_as_root("sh", "-c", NETWORK)).text
        assert await run_as(north, tenant, NETWORK) != (f"{nodes}\n", 0)

    async def test_keeps_everybody_else_away(self, north: Enrolled, channel: Channel) -> None:
        tenant, other = Tenant(), Tenant()
        await channel.ask("apply", tenant.desired(node_network=True), generation=1)
        with pytest.raises(Refused, match="not_alone"):
            await channel.ask("apply", other.desired(), generation=1)
        again = await channel.ask("apply", tenant.desired(node_network=True), generation=2)
        assert limits(again)["node_network"] is True
        await channel.ask("release", tenant.subject, generation=3)
        assert (await channel.ask("apply", other.desired(), generation=2))["login_open"] is True

    async def test_is_not_given_where_nothing_tells_who_sends(self, north: Enrolled, channel: Channel) -> None:
        tenant = Tenant()
        await north.node.run_as_root("nft", "rename", "chain", "inet", "sublet", "output", "elsewhere")
        try:
            with pytest.raises(Refused, match="firewall_unavailable"):
                await channel.ask("apply", tenant.desired(node_network=True), generation=1)
        finally:
            await north.node.run_as_root("nft", "rename", "chain", "inet", "sublet", "elsewhere", "output")
        assert limits(await channel.ask("apply", tenant.desired(node_network=True), generation=2))["node_network"]

    async def test_is_asked_for_by_yes_or_no(self, channel: Channel) -> None:
        with pytest.raises(Refused, match="bad_request"):
            await channel.ask("apply", Tenant().desired(node_network="yes"), generation=1)
