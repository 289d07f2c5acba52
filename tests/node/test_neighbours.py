"""One tenant cannot spoil it for another: beside each abuser a neighbour gets done what it is there for.

The bound is stated once: everything that the neighbour does succeeds, within `AT_MOST_SECONDS` (0.3 s on a quiet
machine). What the abuser itself gets is bounded beside, by what only the node's own limit explains.
"""

import asyncio
import contextlib
import json
import shlex
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tests.node.conftest import Enrolled
from tests.node.control_plane import Channel, Tenant
from tests.node.test_limits import run_as

pytestmark = [pytest.mark.anyio, pytest.mark.node]

PROGRAMS = Path(__file__).parent / "neighbours"
WORKS, SPOILS = ((PROGRAMS / name).read_text() for name in ("works.py", "spoils.py"))
AT_MOST_SECONDS = 10.0
MIB = 1 << 20
FORCED = 80 << 10
LIMITS = {"cpu_percent": 100, "memory_mib": 128, "tasks_max": 64, "disk_gib": 1}
MOST_SESSIONS, MOST_CONNECTIONS, MOST_OPEN, MOST_STREAMS, MOST_LOG = 64, 4096, 16384, 1024, 16 * MIB


@dataclass(frozen=True)
class Street:
    """Two allocations on a node: one that spoils, and its neighbour, who is in."""

    enrolled: Enrolled
    channel: Channel
    abuser: Tenant
    neighbour: Tenant
    abusers: asyncssh.SSHClientConnection
    neighbours: asyncssh.SSHClientConnection

    @asynccontextmanager
    async def spoiled(self, what: str) -> AsyncIterator[int]:
        """As long as the abuser has all that it could get of one thing; how much that was."""
        process = await self.abusers.create_process(f"python3 -c {shlex.quote(SPOILS)} {what}")
        said = await asyncio.wait_for(process.stdout.readline(), 50)
        assert said.strip().isdigit(), (said, await process.stderr.read())
        try:
            yield int(said)
        finally:
            process.stdin.write_eof()
            await process.wait()

    async def work(self) -> None:
        """Let the neighbour do what it is there for; it succeeds, in time."""
        done = await asyncio.wait_for(self.neighbours.run(f"python3 -c {shlex.quote(WORKS)}"), 60)
        failed, seconds = json.loads(str(done.stdout))
        assert failed == {}
        assert seconds < AT_MOST_SECONDS

    async def usage(self) -> dict[str, dict[str, Any]]:
        """What the node says that each of them uses, by login."""
        by_id = {entry["allocation"]: entry for entry in (await self.channel.ask("usage"))["allocations"]}
        return {tenant.login: by_id[tenant.allocation] for tenant in (self.abuser, self.neighbour)}

    async def root(self, command: str) -> str:
        """What the node's own administrator sees."""
        return (await self.enrolled.node.run_as_root("bash", "-c", command)).text

    def group(self, tenant: Tenant) -> str:
        """Where the kernel counts a login's memory."""
        return f"/sys/fs/cgroup/memory/user.slice/user-{tenant.uid}.slice"


@pytest.fixture(scope="module")
async def street(pair: tuple[Enrolled, Enrolled]) -> AsyncIterator[Street]:
    """One for all tests here; at the end both are released, and nothing is left of either."""
    north, abuser, neighbour = pair[0], Tenant(), Tenant()
    async with contextlib.AsyncExitStack() as stack:
        channel = await stack.enter_async_context(north.control.protocol(north.node))
        inside = []
        for tenant in (abuser, neighbour):
            await channel.ask("apply", tenant.desired(limits=LIMITS), generation=1)
            credentials = north.control.user_certificate(tenant.login)
            inside.append(await stack.enter_async_context(north.control.login(north.node, tenant.login, *credentials)))
        yield Street(north, channel, abuser, neighbour, *inside)
        for tenant in (abuser, neighbour):
            evidence = await channel.ask("release", tenant.subject, generation=1_000_000)
            assert [check for check in evidence["checks"] if not check["clean"]] == []
    left = await north.node.run_as_root("bash", "-c", f"ls -d /run/log/journal/*{abuser.login}", check=False)
    assert left.text == ""


class TestNeighbourOf:
    async def test_who_turns_all_processors_has_its_share(self, street: Street) -> None:
        """Both want all there is: one may have a tenth of a processor, the other a whole one.

        Whatever else runs on the machine, the one gets no more than its tenth, and the other no less than that one.
        """
        small = {**LIMITS, "cpu_percent": 10}
        await street.channel.ask("apply", street.abuser.desired(limits=small), generation=1)
        try:
            async with street.spoiled("processors"), asyncio.timeout(30):
                turning = await street.neighbours.create_process("exec timeout 20 sh -c 'while :; do :; done'")
                began, before = asyncio.get_running_loop().time(), await street.usage()
                used: dict[str, float] = {}
                while sum(used.values()) < 1.0:
                    await asyncio.sleep(0.2)
                    now = await street.usage()
                    used = {login: now[login]["cpu_seconds"] - before[login]["cpu_seconds"] for login in now}
                seconds = asyncio.get_running_loop().time() - began
                turning.terminate()
                assert used[street.abuser.login] < 0.15 * seconds + 0.05
                assert used[street.neighbour.login] > 0.7 * used[street.abuser.login]
                await street.work()
        finally:
            await street.channel.ask("apply", street.abuser.desired(limits=LIMITS), generation=1)

    async def test_who_takes_all_memory_keeps_its_own(self, street: Street) -> None:
        async with street.spoiled("memory") as killed:
            await street.work()
        assert killed >= 5
        most = int(await street.root(f"cat {street.group(street.abuser)}/memory.max_usage_in_bytes"))
        assert most <= LIMITS["memory_mib"] * MIB

    async def test_who_fills_the_buffers_of_connections_has_buffers(self, street: Street) -> None:
        most = LIMITS["memory_mib"] * MIB // 16
        async with street.spoiled("buffers") as filled:
            counted = int(await street.root(f"cat {street.group(street.abuser)}/memory.kmem.tcp.usage_in_bytes"))
            # Each end of a connection gets a little whatever the limit says.
            assert most // 2 < counted < most + 2 * 120 * FORCED
            assert filled < counted, "what nobody counts is nowhere"
            await street.work()

    async def test_whose_buffers_have_no_limit_has_no_limit_of_memory_and_the_node_says_so(
        self, street: Street
    ) -> None:
        file = f"{street.group(street.abuser)}/memory.kmem.tcp.limit_in_bytes"
        none = "echo 9223372036854771712 >/run/none; mount --bind /run/none"
        await street.root(f"{none} {file} && mount -o remount,bind,ro {file}")
        try:
            applied = await street.channel.ask("apply", street.abuser.desired(limits=LIMITS), generation=1)
        finally:
            await street.root(f"umount {file}; rm /run/none")
        assert [one["limit"] for one in applied["enforced"] if not one["enforced"]] == ["memory"]
        applied = await street.channel.ask("apply", street.abuser.desired(limits=LIMITS), generation=1)
        assert [one for one in applied["enforced"] if not one["enforced"]] == []

    async def test_who_starts_all_it_can_starts_some(self, street: Street) -> None:
        async with street.spoiled("tasks") as made:
            assert 0 < made < LIMITS["tasks_max"]
            await street.work()

    async def test_who_opens_all_it_can_opens_some(self, street: Street) -> None:
        async with street.spoiled("descriptors") as opened:
            assert 0 < opened <= MOST_OPEN
            await street.work()

    async def test_who_watches_all_it_can_watches_some(self, street: Street) -> None:
        most = int(await street.root("cat /proc/sys/fs/inotify/max_user_instances"))
        async with street.spoiled("watches") as count:
            assert 0 < count <= most
            await street.work()

    async def test_who_binds_every_port_connects(self, street: Street) -> None:
        async with street.spoiled("ports") as bound:
            assert bound > 28_000
            await street.work()
            bind = "import socket; [socket.socket().bind(('', 0)) for _ in range(100)]"
            await street.root(f"python3 -c {shlex.quote(bind)}")

    async def test_who_makes_the_kernel_remember_connections_is_remembered(self, street: Street) -> None:
        count = "cat /proc/sys/net/netfilter/nf_conntrack_count"
        before = int(await street.root(count))
        async with street.spoiled("connections"):
            now = int(await street.root(count))
            assert MOST_CONNECTIONS // 2 < now - before < MOST_CONNECTIONS + 200
            await street.work()
            assert 0 < int(await street.root(count)) - now < 100, "what the neighbour sent is among them"

    async def test_who_writes_all_it_can_writes_some(self, street: Street) -> None:
        """By writes that go to the disk at once: of others these control groups do not say whose they are."""
        node, place, most = street.enrolled.node, "/etc/sublet/node.json", 8
        before = (await node.run_as_root("cat", place)).stdout
        await node.write_file(place, json.dumps({**json.loads(before), "io_mib": most}).encode())
        try:
            applied = await street.channel.ask("apply", street.abuser.desired(limits=LIMITS), generation=1)
            [entry] = [one for one in applied["enforced"] if one["limit"] == "io"]
            assert (entry["value"], entry["enforced"]) == ("8 MiB/s", True)
            assert "not limited with version 1" in entry["detail"]
            found = {one["name"]: one["enforced"] for one in (await street.channel.ask("probe"))["capabilities"]}
            assert (found["io"], found["buffered_writes"]) == (True, False)
            write = "dd if=/dev/zero of=written bs=1M count=16 oflag=direct 2>&1; rm written"
            began = asyncio.get_running_loop().time()
            writing = asyncio.create_task(run_as(street.enrolled, street.abuser, write))
            await street.work()
            assert "16777216 bytes" in (await writing)[0]
            assert asyncio.get_running_loop().time() - began > 16 / most * 0.75
        finally:
            await node.write_file(place, before)
        applied = await street.channel.ask("apply", street.abuser.desired(limits=LIMITS), generation=1)
        assert [one for one in applied["enforced"] if one["limit"] == "io"] == []
        found = {one["name"]: one["enforced"] for one in (await street.channel.ask("probe"))["capabilities"]}
        assert (found["io"], found["buffered_writes"]) == (False, False), "nobody asked for it"

    async def test_who_floods_the_log_is_heard_and_so_is_the_node(self, street: Street) -> None:
        abuser, neighbour = street.abuser.login, street.neighbour.login
        async with street.spoiled("lines") as sent:
            assert sent > 30 * MIB
            await street.channel.ask("apply", street.neighbour.desired(limits=LIMITS), generation=1)
            await street.work()
            log = "journalctl --quiet --no-pager --output=cat"
            await street.root("logger -t of-the-node heard; journalctl --sync")
            assert "forged" not in await street.root(f"{log} -t sublet-node -n 500; {log} -n 500")
            assert "heard" in await street.root(f"{log} -t of-the-node -n 5")
            assert "apply" in await street.root(f"{log} -t sublet-node -n 5")
            assert "says something" in await street.root(
                f"journalctl --namespace={neighbour} --sync; {log} --namespace={neighbour}"
            )
            assert "forged" in await street.root(f"{log} --namespace={abuser} -n 50")
            size = int((await street.root(f"du -sB1 /run/log/journal/*.{abuser}")).split()[0])
            assert size <= MOST_LOG + MIB
            lines = int(await street.root(f"{log} --namespace={abuser} SYSLOG_IDENTIFIER=sublet-node | wc -l"))
            assert lines <= 5000
            open_ones = f"ls /proc/$(systemctl show -P MainPID systemd-journald@{abuser})/fd | wc -l"
            assert int(await street.root(open_ones)) <= MOST_STREAMS


class TestSshd:
    async def test_lets_in_who_comes_from_elsewhere_while_one_address_keeps_it_waiting(self, street: Street) -> None:
        node, control = street.enrolled.node, street.enrolled.control
        elsewhere = "198.18.255.254"
        cable = (await _machine("ip", "-o", "route", "get", node.address)).split(" dev ")[1].split()[0]
        await _machine("ip", "address", "add", f"{elsewhere}/32", "dev", cable)
        waiting = []
        try:
            for _ in range(420):
                one = socket.socket()
                one.setblocking(False)
                waiting.append(one)
                with contextlib.suppress(BlockingIOError):
                    one.connect((node.address, 22))
            await street.root("for _ in $(seq 100); do [ $(pgrep -c sshd) -gt 40 ] && exit 0; sleep 0.05; done; exit 1")
            for _ in range(6):
                key, certificate = control.user_certificate(street.neighbour.login)
                async with asyncssh.connect(
                    node.address,
                    local_addr=(elsewhere, 0),
                    username=street.neighbour.login,
                    client_keys=[(key, certificate)],
                    known_hosts=control.known_hosts,
                    agent_path=None,
                    config=None,
                    connect_timeout=AT_MOST_SECONDS,
                ) as connection:
                    assert (await connection.run("true")).returncode == 0
        finally:
            for one in waiting:
                one.close()
            await _machine("ip", "address", "del", f"{elsewhere}/32", "dev", cable)

    async def test_whose_owner_lets_one_address_keep_it_waiting_is_said_to(self, street: Street) -> None:
        async def bounded() -> bool:
            found = (await street.channel.ask("probe"))["capabilities"]
            return next(bool(one["enforced"]) for one in found if one["name"] == "ssh_startups")

        assert await bounded()
        # In some versions of sshd the first such line counts, in others the last.
        owners = [f"/etc/ssh/sshd_config.d/{number}-owner.conf" for number in ("00", "99")]
        for owner in owners:
            await street.enrolled.node.write_file(owner, b"PerSourceMaxStartups none\n")
        try:
            assert not await bounded()
        finally:
            await street.root(f"rm {' '.join(owners)}")

    async def test_gives_a_login_so_many_sessions_and_others_theirs(self, street: Street) -> None:
        place = f"/sys/fs/cgroup/systemd/user.slice/user-{street.abuser.uid}.slice"
        have = int(await street.root(f"ls -d {place}/session-*.scope | wc -l"))
        more = " ".join(f"{place}/session-planted{number}.scope" for number in range(MOST_SESSIONS - have))
        await street.root(f"mkdir {more}")
        try:
            assert not await _gets_in(street, street.abuser)
            assert await _gets_in(street, street.neighbour)
            log = await street.root("journalctl -t sshd -n 40 --no-pager")
            assert f"sublet: {street.abuser.login} gets no session, for it has {MOST_SESSIONS} already" in log
            await street.root(f"rmdir {more.split()[0]}")
            assert await _gets_in(street, street.abuser)
        finally:
            await street.root(f"rmdir {more} 2>/dev/null; true")


class TestRings:
    async def test_of_io_uring_are_nobodys_for_what_they_hold_is_not_seen(self, street: Street) -> None:
        ring = "import ctypes; print(ctypes.CDLL(None).syscall(425, 8, ctypes.create_string_buffer(120)))"
        assert str((await street.neighbours.run(f"python3 -c {shlex.quote(ring)}")).stdout) == "-1\n"
        assert int(await street.root(f"python3 -c {shlex.quote(ring)}")) > 0, "the node's own programs have some"


async def _gets_in(street: Street, tenant: Tenant) -> bool:
    control = street.enrolled.control
    try:
        async with control.login(
            street.enrolled.node, tenant.login, *control.user_certificate(tenant.login)
        ) as connection:
            return "inside" in str((await connection.run("echo inside")).stdout)
    except (asyncssh.Error, OSError):
        return False


async def _machine(*argv: str) -> str:
    """What a program on this machine, outside of all nodes, prints."""
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0, argv
    return output.decode()
