"""What a customer publishes is reached by a port of the node, from outside and by neighbours; and nothing else is."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.node.conftest import Enrolled
from tests.node.control_plane import Channel, Refused, Tenant
from tests.node.test_limits import run_as
from tests.node.test_way_out import OUTSIDE

pytestmark = [pytest.mark.anyio, pytest.mark.node]

NODE = ("203.0.113.1", "2001:db8:77::1")
PAGES = {"protocol": "tcp", "port": 8080, "node_port": 30001}
SHELL = {"protocol": "udp", "port": 60001, "node_port": 30002}  # as mosh has it
QUIET = 0.3  # so long, in s, silence is taken for a refusal
SERVE = """
import socket, threading
pages = socket.create_server(("::", 8080), family=socket.AF_INET6, dualstack_ipv6=True)
shell = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); shell.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
shell.bind(("::", 60001))
def echo():
    while True:
        said, whose = shell.recvfrom(2000); shell.sendto(said + b" " + whose[0].encode(), whose)
threading.Thread(target=echo, daemon=True).start()
def serve(one, address):
    with one:
        while said := one.recv(2000): one.sendall(said + b" " + address[0].encode())
print("ready", flush=True)
while True: threading.Thread(target=serve, args=pages.accept(), daemon=True).start()
"""
KNOCK = """
import json, socket, sys
for kind, address, port in json.loads(sys.argv[1]):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as one:
        one.settimeout(float(sys.argv[2]))
        try:
            one.connect((address, port)); one.send(b"hello"); print(kind, address, port, one.recv(99).decode())
        except OSError as error: print(kind, address, port, type(error).__name__)
"""
# One connection that is open meanwhile: a line in is a word to the server, a line out is its answer.
STAY = """
import socket, sys
with socket.create_connection(("203.0.113.1", 30001), 2) as one:
    for line in sys.stdin:
        try: one.sendall(b"still"); print(one.recv(99).decode().split()[0], flush=True)
        except OSError as error: print(type(error).__name__, flush=True); break
"""

# Somebody outside who answers whoever sent something first, for ever.
STRANGER = """
import select, socket
ends = [socket.socket(family, socket.SOCK_DGRAM) for family in (socket.AF_INET, socket.AF_INET6)]
for end, address in zip(ends, ("203.0.113.7", "2001:db8:77::7")): end.bind((address, 9999))
known = {}
while True:
    for end in select.select(ends, [], [], 0.05)[0]: known[end] = end.recvfrom(99)[1]
    for end, whose in known.items(): end.sendto(b"the stranger", whose)
"""
# Waits at the port that it would be known by, and says hello first if it is told to.
GREET = """
import socket, sys
for family, address in ((socket.AF_INET, "203.0.113.7"), (socket.AF_INET6, "2001:db8:77::7")):
    with socket.socket(family, socket.SOCK_DGRAM) as one:
        one.bind(("", 60001)); one.settimeout(1)
        try:
            if sys.argv[1:]: one.sendto(b"hello", (address, 9999))
            print("heard", one.recv(99).decode())
        except TimeoutError: print("nothing")
"""
RELEASE_WITHOUT_FORGETTING = """
import json, sys
sys.path.insert(0, "/usr/local/sbin/sublet-node")
from sublet_node import connections, release, store
connections.forget = lambda addresses: None
print(json.dumps(release.release(store.Store(), {subject}, 2)))
"""


def knock(*places: tuple[str, str, int], seconds: float = 3) -> str:
    """A command that says hello to each (protocol, address, port), and what came back."""
    return f"python3 -c '{KNOCK}' '{json.dumps(places)}' {seconds}"


def published(*ports: int) -> list[tuple[str, str, int]]:
    """Both protocols at both addresses of the node, by these ports or by those that are published."""
    pairs = [("tcp", port) for port in ports] + [("udp", port) for port in ports]
    return [(kind, address, port) for kind, port in pairs or [("tcp", 30001), ("udp", 30002)] for address in NODE]


@asynccontextmanager
async def serving(enrolled: Enrolled, tenant: Tenant) -> AsyncIterator[None]:
    """The customer's servers, in their network, and out of reach of what ends the customer's own processes."""
    run = (
        "systemd-run",
        "--unit=served",
        "--quiet",
        f"--property=NetworkNamespacePath=/run/sublet/pins/net/{tenant.login}",
    )
    await enrolled.node.run_as_root(*run, "python3", "-c", SERVE)
    try:
        yield
    finally:
        await enrolled.node.run_as_root("systemctl", "stop", "served", check=False)


@pytest.fixture
async def outside(north: Enrolled) -> AsyncIterator[Enrolled]:
    """The node with another network beyond it."""
    await north.node.run_as_root("sh", "-ec", OUTSIDE)
    try:
        yield north
    finally:
        await north.node.run_as_root("sh", "-c", "ip netns del outside; ip link del out0", check=False)


async def from_outside(enrolled: Enrolled, *places: tuple[str, str, int], seconds: float = 3) -> list[str]:
    """What somebody beyond the node gets."""
    asked = ("ip", "netns", "exec", "outside", "sh", "-c", knock(*places, seconds=seconds))
    return (await enrolled.node.run_as_root(*asked)).text.splitlines()


async def until_served(enrolled: Enrolled) -> None:
    """Wait until the customer's servers answer from outside."""
    async with asyncio.timeout(20):
        while "hello" not in (await from_outside(enrolled, ("tcp", NODE[0], 30001)))[0]:
            await asyncio.sleep(0.05)


ANSWERED_OUTSIDE = [
    "tcp 203.0.113.1 30001 hello ::ffff:203.0.113.7",
    "tcp 2001:db8:77::1 30001 hello 2001:db8:77::7",
    "udp 203.0.113.1 30002 hello ::ffff:203.0.113.7",
    "udp 2001:db8:77::1 30002 hello 2001:db8:77::7",
]


def refused(*lines: str) -> bool:
    """Whether each was refused, at once or by silence."""
    return all(line.endswith("Error") for line in lines)


class TestPublished:
    async def test_is_reached_from_outside_and_by_neighbours_and_nothing_else_is(
        self, outside: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        other = Tenant()
        await channel.ask("apply", other.desired(), generation=1)
        observed = await channel.ask("apply", tenant.desired(ports=[PAGES, SHELL]), generation=1)
        assert [(port["node_port"], port["open"], port["why"]) for port in observed["ports"]] == [
            (30001, True, ""),
            (30002, True, ""),
        ]
        async with serving(outside, tenant):
            await until_served(outside)
            assert await from_outside(outside, *published()) == ANSWERED_OUTSIDE
            said = (await run_as(outside, other, knock(*published())))[0].splitlines()
            assert [line.split()[3] for line in said] == ["hello"] * 4, said
            said = (await run_as(outside, tenant, knock(*published())))[0].splitlines()
            assert [line.split()[3] for line in said] == ["hello"] * 4, said
            # The other protocol of each, a port beside them, and the login's own addresses.
            own, _ = await run_as(outside, tenant, "ip -o addr show dev eth0 scope global | awk '{print $4}'")
            direct = [
                (kind, line.partition("/")[0], port)
                for line in own.split()
                for kind, port in (("tcp", 8080), ("udp", 60001))
            ]
            closed = [("udp", NODE[0], 30001), ("tcp", NODE[0], 30002), *published(30003, 8080, 60001)]
            assert refused(*await from_outside(outside, *closed, seconds=QUIET))
            assert refused(*(await run_as(outside, other, knock(*closed, *direct, seconds=QUIET)))[0].splitlines())
            ways = (
                "ip -n outside route add default via 203.0.113.1; ip -n outside -6 route add default via 2001:db8:77::1"
            )
            await outside.node.run_as_root("sh", "-c", ways)
            assert refused(*await from_outside(outside, *direct, seconds=QUIET))
            used = {one["allocation"]: one for one in (await channel.ask("usage"))["allocations"]}
            assert "ports" not in used[other.allocation]
            counted = used[tenant.allocation]["ports"]
            assert [port["node_port"] for port in counted] == [30001, 30002]
            assert all(100 < port[way] < 20_000 for port in counted for way in ("in_bytes", "out_bytes")), counted

            await self._closes_and_opens(outside, channel, tenant)

            # As a boot would, and after somebody wiped the firewall.
            await outside.node.run_as_root("nft", "delete", "table", "inet", "sublet")
            await outside.node.run_as_root("/usr/local/sbin/sublet-node", "boot")
            assert await from_outside(outside, *published()) == ANSWERED_OUTSIDE
            await outside.node.run_as_root("nft", "flush", "map", "inet", "sublet", "leads_tcp_4")
            assert refused(*await from_outside(outside, ("tcp", NODE[0], 30001)))
            await channel.ask("apply", tenant.desired(ports=[PAGES, SHELL]), generation=4)
            assert await from_outside(outside, *published()) == ANSWERED_OUTSIDE

            await channel.ask("apply", tenant.desired(ports=[SHELL]), generation=5)
            assert refused(*await from_outside(outside, ("tcp", NODE[0], 30001), ("tcp", NODE[1], 30001)))
            assert (await from_outside(outside, ("udp", NODE[0], 30002)))[0].split()[3] == "hello"
        for one in (other, tenant):
            assert (await channel.ask("release", one.subject, generation=9))["clean"] is True
        table = (await outside.node.run_as_root("nft", "list", "table", "inet", "sublet")).text
        assert "3000" not in table

    @staticmethod
    async def _closes_and_opens(outside: Enrolled, channel: Channel, tenant: Tenant) -> None:
        """Suspension closes what was open before as well; the customer's server is there all the time."""
        run = ("ip", "netns", "exec", "outside", "timeout", "20", "python3", "-c", STAY)
        script = (
            f"mkfifo /run/words; {' '.join(run[:-1])} '{STAY}' </run/words >/run/answers 2>&1 & exec 3>/run/words; "
        )
        script += "echo >&3; sleep 0.5; while [ ! -e /run/closed ]; do sleep 0.05; done; echo >&3; wait"
        await outside.node.run_as_root("systemd-run", "--unit=stays", "--quiet", "sh", "-c", script)
        try:
            async with asyncio.timeout(10):
                while "still" not in (await outside.node.run_as_root("cat", "/run/answers", check=False)).text:
                    await asyncio.sleep(0.05)
            observed = await channel.ask("apply", tenant.desired(state="suspended", ports=[PAGES, SHELL]), generation=2)
            assert [(port["open"], port["why"]) for port in observed["ports"]] == [(False, "suspended")] * 2
            assert refused(*await from_outside(outside, *published(), seconds=QUIET))
            await outside.node.run_as_root("touch", "/run/closed")
            async with asyncio.timeout(10):
                while len((await outside.node.run_as_root("cat", "/run/answers")).text.splitlines()) < 2:
                    await asyncio.sleep(0.05)
            answers = (await outside.node.run_as_root("cat", "/run/answers")).text.split()
            assert answers[0] == "still"
            assert answers[1] != "still"
        finally:
            await outside.node.run_as_root("systemctl", "stop", "stays", check=False)
            await outside.node.run_as_root("rm", "-f", "/run/words", "/run/answers", "/run/closed")
        await channel.ask("apply", tenant.desired(ports=[PAGES, SHELL]), generation=3)
        assert await from_outside(outside, *published()) == ANSWERED_OUTSIDE

    async def test_is_refused_where_the_node_has_something_else(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        other, ssh = Tenant(), {"protocol": "tcp", "port": 22, "node_port": 30009}
        listen = "import socket, time; s = socket.create_server((str(), 30009)); time.sleep(600)"
        await north.node.run_as_root("systemd-run", "--unit=own", "--quiet", "python3", "-c", listen)
        try:
            async with asyncio.timeout(10):
                while "30009" not in (await north.node.run_as_root("ss", "-ltn")).text:
                    await asyncio.sleep(0.05)
            await channel.ask("apply", tenant.desired(ports=[PAGES]), generation=1)
            observed = await channel.ask("apply", other.desired(ports=[PAGES, ssh, SHELL]), generation=1)
        finally:
            await north.node.run_as_root("systemctl", "stop", "own")
        assert [(port["open"], port["why"]) for port in observed["ports"]] == [
            (False, "taken"),
            (False, "taken"),
            (True, ""),
        ]
        too_many = [{**PAGES, "node_port": 31000 + number} for number in range(17)]
        for wrong in (too_many, [PAGES, PAGES], [{**PAGES, "node_port": 80}], [{**PAGES, "protocol": "sctp"}]):
            with pytest.raises(Refused, match="bad_request"):
                await channel.ask("apply", other.desired(ports=wrong), generation=2)
        assert (await channel.ask("release", other.subject, generation=3))["clean"] is True

    async def test_that_is_left_makes_a_release_not_clean(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(ports=[PAGES, SHELL]), generation=1)
        deaf = b'#!/bin/sh\n[ "$1" = -f ] && exec cat >/dev/null\nexec /usr/sbin/nft "$@"\n'
        await north.node.write_file("/usr/local/sbin/nft", deaf, mode=0o755)
        try:
            observed = await channel.ask("apply", tenant.desired(ports=[SHELL]), generation=2)
            assert [(port["open"], port["why"]) for port in observed["ports"]] == [(False, "failed")]
            with pytest.raises(Refused, match="command_failed: nftables was told, and does not show it"):
                await channel.ask("apply", tenant.desired(state="suspended", ports=[SHELL]), generation=2)
            evidence = await channel.ask("release", tenant.subject, generation=2)
        finally:
            await north.node.run_as_root("rm", "/usr/local/sbin/nft")
        left = [check for check in evidence["checks"] if not check["clean"]]
        assert [check["name"] for check in left] == ["network"]
        assert "port 30001/tcp of the node still leads to" in left[0]["detail"]
        assert "30001" in (await north.node.run_as_root("nft", "list", "table", "inet", "sublet")).text
        assert (await channel.ask("release", tenant.subject, generation=3))["clean"] is True
        assert "30001" not in (await north.node.run_as_root("nft", "list", "table", "inet", "sublet")).text

    async def test_is_not_to_be_had_where_nothing_leads_in(self, plain: Enrolled) -> None:
        tenant = Tenant()
        async with plain.control.protocol(plain.node) as channel:
            observed = await channel.ask("apply", tenant.desired(ports=[PAGES]), generation=1)
            assert [(port["open"], port["why"]) for port in observed["ports"]] == [(False, "no_network")]
            found = {entry["name"]: entry for entry in (await channel.ask("probe"))["capabilities"]}
            assert not found["published_ports"]["enforced"]
            assert not found["network_rate"]["enforced"]
            assert (await channel.ask("release", tenant.subject, generation=2))["clean"] is True

    async def test_leads_no_stranger_of_its_last_customer_to_the_next(
        self, outside: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        before = Tenant()
        node, addresses = outside.node, "ip -o addr show dev eth0 scope global | awk '{print $4}'"
        run = ("systemd-run", "--unit=stranger", "--quiet", "ip", "netns", "exec", "outside", "python3", "-c", STRANGER)
        await node.run_as_root(*run)
        try:
            await channel.ask("apply", before.desired(), generation=1)
            said, _ = await run_as(outside, before, f"python3 -c '{GREET}' hello")
            assert said == "heard the stranger\n" * 2, "by IPv4 and by IPv6"
            had, _ = await run_as(outside, before, addresses)
            forgetful = RELEASE_WITHOUT_FORGETTING.format(subject=before.subject)
            evidence = json.loads((await node.run_as_root("python3", "-c", forgetful)).text)
            left = [check for check in evidence["checks"] if not check["clean"]]
            assert [check["name"] for check in left] == ["network"], "looked at again, whoever was to forget them"
            assert "2 connections of" in left[0]["detail"]
            evidence = await channel.ask("release", before.subject, generation=3)
            assert evidence["clean"] is True
            await channel.ask("apply", tenant.desired(), generation=1)
            assert (await run_as(outside, tenant, addresses))[0] == had, "the very addresses"
            assert (await run_as(outside, tenant, f"python3 -c '{GREET}'"))[0] == "nothing\n" * 2
        finally:
            await node.run_as_root("systemctl", "stop", "stranger", check=False)


class TestRate:
    async def test_is_kept_both_ways(self, outside: Enrolled, channel: Channel, tenant: Tenant) -> None:
        bits, size = 20_000_000, 3_000_000
        limits = {**tenant.desired()["limits"], "network_bits_per_second": bits}
        observed = await channel.ask("apply", tenant.desired(limits=limits, ports=[PAGES]), generation=1)
        [network] = [entry for entry in observed["enforced"] if entry["limit"] == "network"]
        assert network["enforced"], network
        hog = f"""
import socket, time
with socket.create_server(("", 8080)) as server:
    print("ready", flush=True)
    one, _ = server.accept()
    data, got, start = b"x" * 65536, 0, time.monotonic()
    while got < {size}: got += len(one.recv(65536))
    into, sent, start = got * 8 / (time.monotonic() - start), 0, time.monotonic()
    while sent < {size}: sent += one.send(data)
    one.shutdown(1); one.recv(1); print(int(into), int(sent * 8 / (time.monotonic() - start)))
"""
        peer = f"""
import socket
with socket.create_connection(("203.0.113.1", 30001), 20) as one:
    one.sendall(b"x" * {size})
    while one.recv(65536): pass
"""
        measured = await self._measure(outside, tenant, hog, peer)
        assert all(0.6 * bits < found < 1.1 * bits for found in measured), measured
        await channel.ask("apply", tenant.desired(ports=[PAGES]), generation=2)
        measured = await self._measure(outside, tenant, hog, peer)
        assert all(found > 2 * bits for found in measured), "without a limit"
        found = {entry["name"]: entry for entry in (await channel.ask("probe"))["capabilities"]}
        for name in ("own_network", "published_ports", "network_rate"):
            assert found[name]["enforced"], found[name]

    @staticmethod
    async def _measure(enrolled: Enrolled, tenant: Tenant, hog: str, peer: str) -> list[int]:
        credentials = enrolled.control.user_certificate(tenant.login)
        async with enrolled.control.login(enrolled.node, tenant.login, *credentials) as connection:
            process: Any = await connection.create_process(f"exec python3 -c '{hog}'")
            assert await asyncio.wait_for(process.stdout.readline(), 20) == "ready\n"
            await enrolled.node.run_as_root("ip", "netns", "exec", "outside", "python3", "-c", peer)
            return [int(word) for word in (await asyncio.wait_for(process.stdout.readline(), 20)).split()]
