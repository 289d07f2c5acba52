"""An allocation that has a whole node may be in the node's own network: alone there, and denied what others are."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sublet_sandbox.nodes.commands import run
from tests.node.conftest import Enrolled
from tests.node.control_plane import Channel, Refused, Tenant
from tests.node.test_limits import run_as

pytestmark = [pytest.mark.anyio, pytest.mark.node]

NETWORK = "readlink /proc/self/ns/net"
KNOCK = "python3 -Sc 'import socket; socket.create_connection((\"127.0.0.1\", {port}), 3)' 2>&1 | tail -1"
LISTEN = (
    "python3 -Sc 'import socket, sys; s = socket.create_server((\"0.0.0.0\", 18077)); print(1, flush=True); {then}'"
)
# Each datagram to another port is one more connection that the kernel remembers.
MOST_CONNECTIONS = 8192
FILL = """python3 -Sc '
import contextlib, socket
sending = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number in range(9000):
    with contextlib.suppress(OSError):
        sending.sendto(b"x", ("127.0.0.1", 20_000 + number))
'"""
SEND_TO_MANY = """python3 -Sc '
import errno, socket, sys
for address in sys.argv[1:]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sending = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET:
        sending.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    else:
        sending.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex("eth0"))
    try:
        sending.sendto(b"x", (address, 9))
        print(address, "sent")
    except OSError as error:
        print(address, errno.errorcode[error.errno])
' {addresses}"""
SEND_OTHERWISE = """python3 -Sc '
import errno, socket
for kind, protocol in ((socket.SOCK_DGRAM, socket.IPPROTO_ICMP), (socket.SOCK_RAW, socket.IPPROTO_ICMP)):
    try:
        sending = socket.socket(socket.AF_INET, kind, protocol)
        sending.connect(("{address}", 0))
        sending.send(bytes((8, 0, 0xF7, 0xFF, 0, 0, 0, 0)))
        print("sent")
    except OSError as error:
        print(errno.errorcode[error.errno])
'"""

FIND = """python3 -Sc '
import socket
address = socket.getaddrinfo("{address}", 9, socket.AF_INET6, socket.SOCK_STREAM)[0][4]
finding = socket.socket(socket.AF_INET6)
finding.settimeout(10)
finding.connect(address)
' 2>&1 | tail -1"""


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


def _somebody_in(network: str) -> str:
    """The process id, as this machine counts, of somebody in a network namespace."""
    for link in Path("/proc").glob("[0-9]*/ns/net"):
        with contextlib.suppress(OSError):
            if str(link.readlink()) == network:
                return link.parts[2]
    raise AssertionError("nobody is in the node's network")


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


def knock(address: str, port: int) -> str:
    """What becomes of a connection from outside; nothing where it is made."""
    try:
        socket.create_connection((address, port), 3).close()
    except OSError as error:
        return type(error).__name__
    return ""


def send_to_many_ports(address: str) -> None:
    """Each datagram to another port is one more connection that the kernel remembers, answered by nobody."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        for number in range(9000):
            with contextlib.suppress(OSError):
                sending.sendto(b"x", (address, 30_000 + number))


class TestWhatComesToIt:
    async def test_takes_a_share_of_the_connections_though_nothing_tells_whose_they_are(
        self, north: Enrolled, channel: Channel
    ) -> None:
        """Whoever begins them is outside, and the answer is a cookie: the kernel gives it without a socket."""
        tenant, node = Tenant(), north.node
        own = await asyncio.to_thread(_somebody_in, (await node.run_as_root("sh", "-c", NETWORK)).text)
        cookies = ("nsenter", "-t", own, "-n", "sysctl", "-q", "-w")
        await run(*cookies, "net.ipv4.tcp_syncookies=2")
        count = ("cat", "/proc/sys/net/netfilter/nf_conntrack_count")
        try:
            await channel.ask("apply", tenant.desired(node_network=True), generation=1)
            certificate = north.control.user_certificate(tenant.login)
            async with (
                north.control.login(node, tenant.login, *certificate) as ssh,
                ssh.create_process(LISTEN.format(then="sys.stdin.read()")) as server,
            ):
                assert await server.stdout.readline() == "1\n"
                assert await asyncio.to_thread(knock, node.address, 18077) == ""
                before = int((await node.run_as_root(*count)).text)
                await asyncio.to_thread(send_to_many_ports, node.address)
                made = int((await node.run_as_root(*count)).text) - before
                assert MOST_CONNECTIONS // 2 < made < MOST_CONNECTIONS + 200
                assert await asyncio.to_thread(knock, node.address, 18077) == "TimeoutError"
                assert await asyncio.to_thread(knock, node.address, node.port) == "", "sshd is reached all the same"
                assert (await node.run_as_root("sh", "-c", KNOCK.format(port=18077))).text == "", "and what is local"
            listed = ("nft", "list", "set", "inet", "sublet", "whole")
            assert "ipv6" in (await node.run_as_root(*listed)).text
            # Of a node that is nobody's as a whole it is not: its owner's own programs have no such bound.
            await channel.ask("apply", tenant.desired(node_network=True, state="suspended"), generation=2)
            assert "ipv6" not in (await node.run_as_root(*listed)).text
            await channel.ask("apply", tenant.desired(node_network=True), generation=3)
            await node.run_as_root("/usr/local/sbin/sublet-node", "boot")
            assert "ipv6" in (await node.run_as_root(*listed)).text, "and the table put anew has it"
            await channel.ask("release", tenant.subject, generation=4)
            assert "ipv6" not in (await node.run_as_root(*listed)).text
        finally:
            await run(*cookies, "net.ipv4.tcp_syncookies=1")

    async def test_is_bounded_where_an_earlier_helper_put_the_table(self, north: Enrolled, channel: Channel) -> None:
        tenant, node = Tenant(), north.node
        await channel.ask("apply", tenant.desired(), generation=1)
        earlier = "nft delete chain inet sublet to_whole_node && sed -i 's/^[0-9]* //' /run/sublet/around"
        await node.run_as_root("sh", "-c", earlier)
        await channel.ask("apply", tenant.desired(node_network=True), generation=2)
        listed = await node.run_as_root("nft", "list", "chain", "inet", "sublet", "to_whole_node")
        assert "over 8192 drop" in listed.text


class TestWhatItSends:
    async def test_takes_a_share_of_the_connections_that_the_kernel_remembers(
        self, north: Enrolled, channel: Channel
    ) -> None:
        tenant = Tenant()
        await channel.ask("apply", tenant.desired(node_network=True), generation=1)
        count = ("cat", "/proc/sys/net/netfilter/nf_conntrack_count")
        certificate = north.control.user_certificate(tenant.login)
        async with (
            north.control.login(north.node, tenant.login, *certificate) as ssh,
            ssh.create_process(LISTEN.format(then="sys.stdin.read()")) as server,
        ):
            assert await server.stdout.readline() == "1\n"
            ask = ("sh", "-c", f"{KNOCK.format(port=18077)}; {KNOCK.format(port=north.node.port)}")
            assert (await north.node.run_as_root(*ask)).text == "", "both are reached before"
            before = int((await north.node.run_as_root(*count)).text)
            filling = await ssh.run(FILL)
            assert (filling.returncode, filling.stderr) == (0, "")
            made = int((await north.node.run_as_root(*count)).text) - before
            assert MOST_CONNECTIONS // 2 < made < MOST_CONNECTIONS + 200
            # What others begin with its sockets is among them; what others have of their own is not.
            assert "TimeoutError" in (await north.node.run_as_root(*ask)).text
            assert "Error" not in (await north.node.run_as_root("sh", "-c", KNOCK.format(port=north.node.port))).text

    async def test_goes_to_one_whom_it_names_and_not_to_all_who_listen(self, north: Enrolled, channel: Channel) -> None:
        tenant, node = Tenant(), north.node
        await channel.ask("apply", tenant.desired(node_network=True), generation=1)
        await node.run_as_root("ip", "addr", "add", "203.0.113.5/29", "broadcast", "203.0.113.7", "dev", "eth0")
        try:
            many = ["224.0.0.1", "239.1.2.3", "255.255.255.255", "203.0.113.7", "ff02::1", "ff15::1"]
            command = SEND_TO_MANY.format(addresses=" ".join(many))
            said, _ = await run_as(north, tenant, command)
            assert said.splitlines() == [f"{address} EPERM" for address in many]
            # Nothing else keeps it from them: root sends.
            by_root = (await node.run_as_root("sh", "-c", command)).text
            assert by_root.splitlines() == [f"{address} sent" for address in many]
        finally:
            await node.run_as_root("ip", "addr", "del", "203.0.113.5/29", "dev", "eth0")

    async def test_reaches_no_neighbour_by_other_protocols(self, north: Enrolled, channel: Channel) -> None:
        tenant, node = Tenant(), north.node
        await channel.ask("apply", tenant.desired(node_network=True), generation=1)
        gateway = (await node.run_as_root("sh", "-c", "ip route show default | cut -d ' ' -f 3")).text
        own = await asyncio.to_thread(_somebody_in, (await node.run_as_root("sh", "-c", NETWORK)).text)
        # For everybody, as distributions have it; nodes here cannot set it themselves.
        await run("nsenter", "-t", own, "-n", "sysctl", "-q", "-w", "net.ipv4.ping_group_range=0 2147483647")
        command = SEND_OTHERWISE.replace("{address}", gateway)
        assert (await run_as(north, tenant, command))[0].split() == ["EPERM", "EPERM"]
        assert (await node.run_as_root("sh", "-c", command)).text.split()[0] == "sent", "root's is let through"

    async def test_does_not_keep_the_node_from_finding_its_neighbours(self, north: Enrolled, channel: Channel) -> None:
        """Whom IPv6 looks for by multicast, as it does for the node itself."""
        tenant, node = Tenant(), north.node
        await channel.ask("apply", tenant.desired(node_network=True), generation=1)
        gateway = (await node.run_as_root("sh", "-c", "ip route show default | cut -d ' ' -f 3")).text
        lines = (await run("ip", "-o", "addr")).text.splitlines()
        cable = next(line for line in lines if f" {gateway}/" in line).split()[1]
        listed = (await run("ip", "-6", "-o", "addr", "show", "dev", cable, "scope", "link")).text
        neighbour = listed.split()[3].partition("/")[0]
        await node.run_as_root("ip", "-6", "neigh", "flush", "dev", "eth0")
        find = FIND.format(address=f"{neighbour}%eth0")
        assert "ConnectionRefusedError" in (await node.run_as_root("sh", "-c", find)).text
