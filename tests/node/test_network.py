"""Each allocation has a network of its own, whatever its sessions do, and one way out of it."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import pytest

from tests.node.conftest import Enrolled
from tests.node.control_plane import Channel, Tenant
from tests.node.test_limits import run_as

pytestmark = [pytest.mark.anyio, pytest.mark.node]

JUPYTER = """exec python3 -c '
import http.server, socket, threading
names = socket.create_server("\\0notebook", family=socket.AF_UNIX)
pages = http.server.HTTPServer(("127.0.0.1", 8888), http.server.SimpleHTTPRequestHandler)
print("ready", flush=True)
pages.serve_forever()
' 2>/dev/null"""
FETCH = "python3 -c 'import urllib.request as u; print(u.urlopen(\"http://127.0.0.1:8888/page\").read().decode())'"
ASK_BY_NAME = (
    "python3 -c 'import socket; print(socket.socket(socket.AF_UNIX).connect_ex(\"\\0notebook\"))'"  # 111: nobody there
)


@pytest.fixture
async def neighbour(channel: Channel, tenant: Tenant) -> AsyncIterator[Tenant]:
    """Another allocation on the node; both are there."""
    made = Tenant()
    await channel.ask("apply", tenant.desired(), generation=1)
    await channel.ask("apply", made.desired(), generation=1)
    yield made
    assert (await channel.ask("release", made.subject, generation=2))["clean"] is True


@asynccontextmanager
async def connection_of(enrolled: Enrolled, tenant: Tenant) -> AsyncIterator[asyncssh.SSHClientConnection]:
    """A customer's own SSH connection."""
    credentials = enrolled.control.user_certificate(tenant.login)
    async with enrolled.control.login(enrolled.node, tenant.login, *credentials) as connection:
        yield connection


@asynccontextmanager
async def notebook_of(enrolled: Enrolled, tenant: Tenant) -> AsyncIterator[None]:
    """While it lasts, the customer serves a page at 127.0.0.1:8888 and a name that is no file."""
    await run_as(enrolled, tenant, "echo hello of mine > page")
    async with connection_of(enrolled, tenant) as connection:
        process = await connection.create_process(JUPYTER)
        assert await asyncio.wait_for(process.stdout.readline(), 20) == "ready\n"
        yield
        process.terminate()
        await asyncio.wait_for(process.wait_closed(), 10)


async def get(port: int, *, by_socks: bool = False) -> bytes:
    """What the page at port 8888 of an allocation comes to, over a port here that leads there."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        if by_socks:
            writer.write(b"\x05\x01\x00" + b"\x05\x01\x00\x01\x7f\x00\x00\x01" + (8888).to_bytes(2, "big"))
        writer.write(b"GET /page HTTP/1.0\r\n\r\n")
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()


class TestOwnNetwork:
    async def test_is_shared_by_all_sessions_of_one_login_and_nobody_else(
        self, north: Enrolled, tenant: Tenant, neighbour: Tenant
    ) -> None:
        async with notebook_of(north, tenant):
            assert (await run_as(north, tenant, FETCH))[0] == "hello of mine\n\n"
            assert await run_as(north, tenant, ASK_BY_NAME) == ("0\n", 0)
            said, status = await run_as(north, neighbour, FETCH)
            assert "Connection refused" in said
            assert status != 0
            assert await run_as(north, neighbour, ASK_BY_NAME) == ("111\n", 0)
            listed = "cat /proc/net/tcp /proc/net/unix; ls /sys/class/net"
            assert ":22B8" in (await run_as(north, tenant, listed))[0], "port 8888 as the kernel lists it"
            said, _ = await run_as(north, neighbour, listed)
            assert ":22B8" not in said
            assert "notebook" not in said
            assert said.endswith("eth0\nlo\n")
            async with notebook_of(north, neighbour):
                assert (await run_as(north, neighbour, FETCH))[0] == "hello of mine\n\n"

    async def test_is_where_every_kind_of_forwarding_ends(
        self, north: Enrolled, tenant: Tenant, neighbour: Tenant
    ) -> None:
        async with (
            notebook_of(north, tenant),
            connection_of(north, tenant) as own,
            connection_of(north, neighbour) as other,
        ):
            for connection, page in ((own, b"hello of mine"), (other, b"")):
                local = await connection.forward_local_port("127.0.0.1", 0, "127.0.0.1", 8888)  # ssh -L
                socks = await connection.forward_socks("127.0.0.1", 0)  # ssh -D
                assert page in await get(local.get_port())
                assert page in await get(socks.get_port(), by_socks=True)
            back = await self._listen_here()
            remote = await own.forward_remote_port(
                "127.0.0.1", 0, "127.0.0.1", back.sockets[0].getsockname()[1]
            )  # ssh -R
            ask = f"exec 3<>/dev/tcp/127.0.0.1/{remote.get_port()} && head -c4 <&3"
            try:
                assert await run_as(north, tenant, ask) == ("here", 0)
                assert "Connection refused" in (await run_as(north, neighbour, ask))[0]
            finally:
                back.close()

    @staticmethod
    async def _listen_here() -> asyncio.Server:
        async def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"here")
            await writer.drain()
            writer.close()

        return await asyncio.start_server(say, "127.0.0.1", 0)

    async def test_takes_files_and_an_agent_along(
        self, north: Enrolled, tenant: Tenant, neighbour: Tenant, tmp_path: Path
    ) -> None:
        (tmp_path / "sent").write_text("by scp")
        async with connection_of(north, tenant) as connection:
            await asyncssh.scp(str(tmp_path / "sent"), (connection, "sent"))
            async with connection.start_sftp_client() as sftp:
                async with sftp.open("sent") as file:
                    assert await file.read() == "by scp"
                assert await sftp.listdir("/home") == [".", "..", tenant.login]

        with tempfile.TemporaryDirectory() as folder:
            agent = await asyncio.create_subprocess_exec("ssh-agent", "-D", "-a", f"{folder}/agent")
            try:
                async with asyncio.timeout(10):
                    while not os.path.exists(f"{folder}/agent"):
                        await asyncio.sleep(0.02)
                key, certificate = north.control.user_certificate(tenant.login)
                async with asyncssh.connect_agent(f"{folder}/agent") as client:
                    await client.add_keys([key])
                async with asyncssh.connect(
                    *(north.node.address, north.node.port),
                    username=tenant.login,
                    client_keys=[(key, certificate)],
                    known_hosts=north.control.known_hosts,
                    agent_path=f"{folder}/agent",
                    agent_forwarding=True,
                    config=None,
                ) as connection:
                    said = await connection.run("ssh-add -L")
                    assert str(said.stdout).split()[:2] == key.export_public_key().decode().split()[:2]
            finally:
                agent.terminate()
                await agent.wait()

    async def test_keeps_all_its_ports_to_itself(self, north: Enrolled, tenant: Tenant, neighbour: Tenant) -> None:
        take = """
import os, resource, socket
resource.setrlimit(resource.RLIMIT_NOFILE, (16384, 16384))
held = []
for part in range(2):
    if os.fork() == 0: break
else: input(); os._exit(0)
for port in range(32768 + part * 14200, 32768 + (part + 1) * 14200):
    held.append(socket.socket()); held[-1].bind(("", port))
print("taken", flush=True); input()
"""
        connect = "exec 3<>/dev/tcp/127.0.0.1/22 && head -c3 <&3"
        async with connection_of(north, tenant) as connection:
            process = await connection.create_process(f"exec python3 -c '{take}'")
            for _ in range(2):
                assert await asyncio.wait_for(process.stdout.readline(), 60) == "taken\n", await process.stderr.read()
            assert (await north.node.run_as_root("bash", "-c", connect)).text == "SSH"
            serve = "import socket; s = socket.create_server((str(), 40000)); socket.create_connection(s.getsockname())"
            serve = f"python3 -c '{serve}'"
            assert await run_as(north, neighbour, serve) == ("", 0)
            process.stdin.write("\n\n\n")

    async def test_makes_no_sockets_to_the_machine_beneath(
        self, north: Enrolled, tenant: Tenant, neighbour: Tenant
    ) -> None:
        ask = (
            "python3 -c 'import ctypes, os, socket; libc = ctypes.CDLL(None, use_errno=True)\n"
            'try: socket.socket(40, socket.SOCK_STREAM); print("made")\n'
            "except OSError as error: print(error.strerror)\n"
            "libc.syscall(425, 1, None); print(os.strerror(ctypes.get_errno()))'"
        )
        made, ring = (await north.node.run_as_root("sh", "-c", ask)).text.splitlines()
        refused, no_ring = (await run_as(north, tenant, ask))[0].splitlines()
        assert refused == "Address family not supported by protocol"
        assert ring == "Bad address"
        assert no_ring == ("Function not implemented" if made == "made" else ring)
        for terminal in (None, "xterm"):
            async with connection_of(north, tenant) as connection:
                done = await connection.run(
                    "ss -V >/dev/null; python3 -c 'import socket; socket.socket()' && echo ok", term_type=terminal
                )
                assert "ok" in str(done.stdout)

    async def test_asks_the_servers_behind_the_nodes_own_stub_for_names(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        """As systemd-resolved leaves it: its stub listens on the node's own loopback."""
        place = "/run/systemd/resolve"
        resolved = (
            f"mkdir -p {place}; echo nameserver 127.0.0.53 > {place}/stub-resolv.conf;"
            f"echo nameserver 10.9.8.7 > {place}/resolv.conf; mv /etc/resolv.conf /root/resolv.conf;"
            f"ln -s ..{place}/stub-resolv.conf /etc/resolv.conf"
        )
        await north.node.run_as_root("sh", "-c", resolved)
        try:
            await channel.ask("apply", tenant.desired(), generation=1)
            assert await run_as(north, tenant, "cat /etc/resolv.conf") == ("nameserver 10.9.8.7\n", 0)
            rules = (await north.node.run_as_root("nft", "list", "chain", "inet", "sublet", "through_links")).text
            assert 'iifname "sblt*" ip daddr 10.9.8.7 udp dport 53 accept' in rules
            other = f"echo nameserver 10.9.8.8 > {place}/new; mv {place}/new {place}/resolv.conf"
            await north.node.run_as_root("sh", "-c", other)
            assert await run_as(north, tenant, "cat /etc/resolv.conf") == ("nameserver 10.9.8.8\n", 0)
        finally:
            await north.node.run_as_root("sh", "-c", f"mv /root/resolv.conf /etc/resolv.conf; rm -r {place}")
            await channel.ask("apply", tenant.desired(), generation=1)


class TestRestart:
    async def test_puts_networks_back_as_a_boot_would(
        self, north: Enrolled, channel: Channel, tenant: Tenant, neighbour: Tenant
    ) -> None:
        # The kernel takes a link away by itself, a little after the last mount of its network: some are gone by then.
        wipe = (
            "umount --recursive --lazy /run/sublet/pins /run/sublet/logins; nft delete table inet sublet;"
            "for link in $(ip -o link | grep -o 'sblt[0-9]*'); do ip link del $link || ! ip link show $link; done"
        )
        try:
            await north.node.run_as_root("sh", "-c", wipe)
        finally:
            await north.node.run_as_root("/usr/local/sbin/sublet-node", "boot")
        async with notebook_of(north, tenant):
            assert (await run_as(north, tenant, FETCH))[0] == "hello of mine\n\n"
            assert "Connection refused" in (await run_as(north, neighbour, FETCH))[0]
        found = {entry["name"]: entry["enforced"] for entry in (await channel.ask("probe"))["capabilities"]}
        assert found["own_network"]
        assert found["network_deny"]

    async def test_puts_them_back_before_anybody_can_come_in_after_a_power_loss(
        self, pair: tuple[Enrolled, Enrolled]
    ) -> None:
        south, tenant, other = pair[1], Tenant(), Tenant()
        async with south.control.protocol(south.node) as channel:
            for one in (tenant, other):
                await channel.ask("apply", one.desired(), generation=1)
            await run_as(south, tenant, "true")
        await south.node.kill_power()
        await south.node.start()
        async with notebook_of(south, tenant):
            assert (await run_as(south, tenant, FETCH))[0] == "hello of mine\n\n"
            assert "Connection refused" in (await run_as(south, other, FETCH))[0]
        group = f"/sys/fs/cgroup/memory/user.slice/user-{tenant.uid}.slice"
        assert await run_as(south, tenant, f"test -e {group}/memory.limit_in_bytes") == ("", 0)
        async with south.control.protocol(south.node) as channel:
            found = {entry["name"]: entry for entry in (await channel.ask("probe"))["capabilities"]}
            assert found["network_deny"]["enforced"], found["network_deny"]["detail"]
            for one in (tenant, other):
                assert (await channel.ask("release", one.subject, generation=2))["clean"] is True

    async def test_gives_nobody_the_addresses_of_another(
        self, north: Enrolled, tenant: Tenant, neighbour: Tenant
    ) -> None:
        ask = "ip -o addr show dev eth0 | grep -v fe80"
        assert (await run_as(north, tenant, ask))[0] != (await run_as(north, neighbour, ask))[0]


class TestRelease:
    async def test_is_not_clean_while_somebody_holds_the_network(self, north: Enrolled, channel: Channel) -> None:
        tenant = Tenant()
        await channel.ask("apply", tenant.desired(), generation=1)
        hold = f"nsenter --net=/run/sublet/pins/net/{tenant.login} sleep 600"
        await north.node.run_as_root("systemd-run", "--unit=holder", "--quiet", "sh", "-c", f"exec {hold}")
        try:
            async with asyncio.timeout(10):
                while (
                    "sleep"
                    not in (
                        await north.node.run_as_root(
                            "sh", "-c", "ps -o comm= -p $(systemctl show -P MainPID holder)", check=False
                        )
                    ).text
                ):
                    await asyncio.sleep(0.05)
            evidence = await channel.ask("release", tenant.subject, generation=2)
            again = await channel.ask("release", tenant.subject, generation=3)
        finally:
            await north.node.run_as_root("systemctl", "stop", "holder")
        for seen in (evidence, again):
            assert [check["name"] for check in seen["checks"] if not check["clean"]] == ["held", "network"]
        assert "somebody still holds the network" in evidence["checks"][-1]["detail"]
        assert (await channel.ask("release", tenant.subject, generation=4))["clean"] is True
        assert f"sblt{tenant.uid}" not in (await north.node.run_as_root("ip", "-br", "link")).text
