"""Out of an allocation's network one way leads, as far as the node's firewall lets it; and nothing leads in."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh
import pytest

from tests.node.conftest import Enrolled
from tests.node.control_plane import Tenant
from tests.node.test_limits import run_as
from tests.node.test_network import ASK_BY_NAME, FETCH, connection_of, get, notebook_of

pytestmark = [pytest.mark.anyio, pytest.mark.node]

# Another network beyond the node, in which a server answers whoever reaches it. It knows no way to allocations.
OUTSIDE = """
ip netns add outside && ip link add out0 type veth peer name eth0 netns outside
ip addr add 203.0.113.1/24 dev out0; ip addr add 192.168.77.1/24 dev out0; ip addr add 2001:db8:77::1/64 dev out0 nodad
ip link set out0 up; ip -n outside link set lo up; ip -n outside link set eth0 up
ip -n outside addr add 203.0.113.7/24 dev eth0; ip -n outside addr add 192.168.77.7/24 dev eth0
ip -n outside addr add 2001:db8:77::7/64 dev eth0 nodad
"""
ECHO = """
import socket, threading
def serve(connection, address):
    with connection: connection.sendall(address[0].encode())
with socket.create_server(("::", 18091), family=socket.AF_INET6, dualstack_ipv6=True) as server:
    while True: threading.Thread(target=serve, args=server.accept()).start()
"""
# Each datagram to another port is one more connection that the kernel remembers.
MOST_CONNECTIONS = 4096
FILL = """python3 -Sc '
import contextlib, socket
sending = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number in range(5000):
    with contextlib.suppress(OSError):
        sending.sendto(b"x", ("192.168.77.7", 20_000 + number))
'"""


def reach(*addresses: str) -> str:
    """A command that tells, of each address at which the outside's server answers, what the server saw."""
    code = """
import socket, sys
for address in sys.argv[1:]:
    try:
        with socket.create_connection((address, 18091), 2) as one: print(address, one.recv(99).decode())
    except OSError: pass
"""
    return f"python3 -c '{code}' {' '.join(addresses)}"


class TestWayOut:
    @pytest.fixture
    async def outside(self, pair: tuple[Enrolled, Enrolled], helper: Path) -> AsyncIterator[Enrolled]:
        """A node with another network beyond it; enrolled as before again in the end."""
        south = pair[1]
        await south.node.run_as_root("sh", "-ec", OUTSIDE)
        await south.node.run_as_root(
            *("systemd-run", "--unit=outside", "--quiet", "ip", "netns", "exec", "outside", "python3", "-c", ECHO)
        )
        try:
            async with asyncio.timeout(10):
                while "203.0.113.7" not in (await south.node.run_as_root("sh", "-c", reach("203.0.113.7"))).text:
                    await asyncio.sleep(0.05)
            yield south
        finally:
            await south.node.run_as_root("systemctl", "stop", "outside")
            await south.node.run_as_root("sh", "-c", "ip netns del outside; ip link del out0", check=False)
            # Allowed again is only what is named; without any, what was named before stays.
            await south.control.enrol(south.node, helper, deny=("127.0.0.1:18080",), allow=("192.0.2.99",))

    async def test_leads_to_the_world_and_by_default_to_nothing_private(self, outside: Enrolled, helper: Path) -> None:
        tenant, everything = Tenant(), ("203.0.113.7", "2001:db8:77::7", "192.168.77.7", "192.168.77.1", "203.0.113.1")
        async with outside.control.protocol(outside.node) as channel:
            await channel.ask("apply", tenant.desired(), generation=1)
            world = "203.0.113.7 ::ffff:203.0.113.1\n2001:db8:77::7 2001:db8:77::1\n"
            assert await run_as(outside, tenant, reach(*everything)) == (world, 0), "under the node's own address"
            used = next(
                one for one in (await channel.ask("usage"))["allocations"] if one["allocation"] == tenant.allocation
            )
            assert 300 < used["network_out_bytes"] < 20_000
            assert 300 < used["network_in_bytes"] < 20_000
            seen = next(
                one for one in (await channel.ask("observe"))["allocations"] if one["allocation"] == tenant.allocation
            )
            ways = ("network_in_bytes", "network_out_bytes")
            assert all(used[way] <= seen[way] < 20_000 for way in ways), "both count the same link"

            await outside.control.enrol(
                outside.node,
                helper,
                deny=("203.0.113.0/24", "192.168.77.7:22"),
                allow=("192.168.77.0/24", "203.0.113.7"),
            )
            allowed = "2001:db8:77::7 2001:db8:77::1\n192.168.77.7 ::ffff:192.168.77.1\n"
            assert await run_as(outside, tenant, reach(*everything)) == (allowed, 0), (
                "what is denied by name counts first"
            )
            found = {entry["name"]: entry for entry in (await channel.ask("probe"))["capabilities"]}
            assert found["network_deny"]["enforced"], found["network_deny"]["detail"]
            assert (await channel.ask("release", tenant.subject, generation=2))["clean"] is True

    async def test_counts_what_is_allowed_by_name_among_the_connections_of_a_link(
        self, outside: Enrolled, helper: Path
    ) -> None:
        await outside.control.enrol(outside.node, helper, deny=("127.0.0.1:18080",), allow=("192.168.77.7",))
        tenant, count = Tenant(), ("cat", "/proc/sys/net/netfilter/nf_conntrack_count")
        async with outside.control.protocol(outside.node) as channel:
            await channel.ask("apply", tenant.desired(), generation=1)
            before = int((await outside.node.run_as_root(*count)).text)
            assert await run_as(outside, tenant, FILL) == ("", 0)
            made = int((await outside.node.run_as_root(*count)).text) - before
            assert MOST_CONNECTIONS // 2 < made < MOST_CONNECTIONS + 200
            assert (await channel.ask("release", tenant.subject, generation=2))["clean"] is True

    async def test_leads_nobody_in(self, outside: Enrolled) -> None:
        tenant, other = Tenant(), Tenant()
        async with outside.control.protocol(outside.node) as channel:
            for one in (tenant, other):
                await channel.ask("apply", one.desired(), generation=1)
            async with connection_of(outside, tenant) as connection:
                process = await connection.create_process(f"exec python3 -c '{ECHO}'")
                own, _ = await run_as(outside, tenant, "ip -o addr show dev eth0 scope global | awk '{print $4}'")
                addresses = [line.partition("/")[0] for line in own.split()]
                assert len(addresses) == 2
                async with asyncio.timeout(20):
                    while (await run_as(outside, tenant, reach(*addresses)))[0].count("\n") < 2:
                        await asyncio.sleep(0.05)
                # Those beyond the node know the way, and so does the neighbour.
                ways = (
                    "ip -n outside route add default via 203.0.113.1;"
                    "ip -n outside -6 route add default via 2001:db8:77::1"
                )
                await outside.node.run_as_root("sh", "-c", ways)
                beyond = ("ip", "netns", "exec", "outside", "sh", "-c", reach(*addresses))
                assert (await outside.node.run_as_root(*beyond)).text == ""
                assert await run_as(outside, other, reach(*addresses)) == ("", 0)
                process.terminate()
            for one in (tenant, other):
                assert (await channel.ask("release", one.subject, generation=2))["clean"] is True

    async def test_is_said_to_be_shut_by_a_firewall_of_the_owner(self, outside: Enrolled, helper: Path) -> None:
        strict = "nft 'table ip owner { chain FORWARD { type filter hook forward priority 0; policy drop; }; }'"
        await outside.node.run_as_root("sh", "-c", strict)
        try:
            said = await outside.control.enrol(outside.node, helper, deny=("127.0.0.1:18080",))
        finally:
            await outside.node.run_as_root("nft", "delete", "table", "ip", "owner")
        assert "WARNING: this machine's own firewall forwards only what its rules name (FORWARD of ip owner)" in said
        assert "sblt*" in said

    async def test_is_no_way_through_the_node_for_others(self, outside: Enrolled) -> None:
        # Somebody beyond the cable with a default route, who takes the node for a router.
        beyond = (
            "ip netns add beyond; ip link add out1 type veth peer name eth0 netns beyond; ip link set out1 up;"
            "ip addr add 198.51.100.1/24 dev out1; ip route add default via 198.51.100.9 dev out1 metric 5000;"
            "ip -n beyond link set eth0 up; ip -n beyond addr add 198.51.100.9/24 dev eth0;"
            "ip -n beyond route add default via 198.51.100.1;"
            "ip -n outside route add 198.51.100.0/24 via 203.0.113.1"
        )
        ask = ("ip", "netns", "exec", "beyond", "sh", "-c", reach("203.0.113.7"))
        await outside.node.run_as_root("sh", "-c", beyond)
        try:
            assert (await outside.node.run_as_root(*ask)).text == "203.0.113.7 ::ffff:198.51.100.9", (
                "before it is known"
            )
            await outside.node.run_as_root("/usr/local/sbin/sublet-node", "boot")
            assert (await outside.node.run_as_root(*ask)).text == ""
        finally:
            await outside.node.run_as_root("sh", "-c", "ip netns del beyond; ip link del out1", check=False)
            await outside.node.run_as_root("/usr/local/sbin/sublet-node", "boot")


class TestNodeThatMakesNoLinks:
    async def test_keeps_servers_on_loopback_to_their_owners_and_says_what_is_shared(
        self, pair: tuple[Enrolled, Enrolled], helper: Path
    ) -> None:
        south, tenant, other = pair[1], Tenant(), Tenant()
        none = b'#!/bin/sh\ncase "$*$(cat)" in *veth*) echo "Unknown device type" >&2; exit 2;; esac\n'
        await south.node.write_file("/usr/local/bin/ip", none, mode=0o755)
        try:
            said = await south.control.enrol(south.node, helper, deny=("127.0.0.1:18080",))
            assert "WARNING: ip -batch - ended with status 2: Unknown device type" in said
            async with south.control.protocol(south.node) as channel:
                for one in (tenant, other):
                    await channel.ask("apply", one.desired(), generation=1)
                found = {entry["name"]: entry for entry in (await channel.ask("probe"))["capabilities"]}
                assert not found["own_network"]["enforced"]
                assert "ports, abstract sockets and lists of connections are shared" in found["own_network"]["detail"]
                assert found["network_deny"]["enforced"], found["network_deny"]["detail"]
                # What nftables has is made anew, by a boot for one, with those who are here.
                for _ in range(2):
                    async with notebook_of(south, tenant), connection_of(south, other) as connection:
                        assert (await run_as(south, tenant, FETCH))[0] == "hello of mine\n\n"
                        assert "124" in (await run_as(south, other, f"timeout 2 {FETCH}; echo $?"))[0]
                        with pytest.raises((TimeoutError, asyncssh.ChannelOpenError)):
                            await asyncio.wait_for(connection.open_connection("127.0.0.1", 8888), 2)
                        assert await run_as(south, other, ASK_BY_NAME) == ("0\n", 0), "that is shared"
                    await south.node.run_as_root("/usr/local/sbin/sublet-node", "boot")
                for one in (tenant, other):
                    assert (await channel.ask("release", one.subject, generation=2))["clean"] is True
            table = (await south.node.run_as_root("nft", "list", "table", "inet", "sublet")).text
            assert str(tenant.uid) not in table
        finally:
            await south.node.run_as_root("rm", "/usr/local/bin/ip")
            await south.control.enrol(south.node, helper, deny=("127.0.0.1:18080",))


class TestNodeWithoutRoot:
    async def test_gives_networks_out_of_which_nothing_leads(self, plain: Enrolled) -> None:
        tenant, other = Tenant(), Tenant()
        async with plain.control.protocol(plain.node) as channel:
            for one in (tenant, other):
                await channel.ask("apply", one.desired(), generation=1)
            async with notebook_of(plain, tenant):
                assert (await run_as(plain, tenant, FETCH))[0] == "hello of mine\n\n"
                assert "Connection refused" in (await run_as(plain, other, FETCH))[0]
                assert await run_as(plain, other, ASK_BY_NAME) == ("111\n", 0)
                async with connection_of(plain, tenant) as connection:
                    local = await connection.forward_local_port("127.0.0.1", 0, "127.0.0.1", 8888)
                    assert b"hello of mine" in await get(local.get_port())
            found = {entry["name"]: entry for entry in (await channel.ask("probe"))["capabilities"]}
            assert found["own_network"]["enforced"], found["own_network"]["detail"]
            for one in (tenant, other):
                assert (await channel.ask("release", one.subject, generation=2))["clean"] is True
            assert "sblt" not in (await plain.node.run_as_root("ip", "-br", "link")).text
