"""What the kernel has once for the whole machine cannot be used up by one allocation."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.node.conftest import Enrolled
from tests.node.control_plane import Channel, Tenant
from tests.node.test_limits import run_as

pytestmark = [pytest.mark.anyio, pytest.mark.node]

TERMINALS = """
import os, resource
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
held = []
try:
    while len(held) < 8000: held.append(os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY))
except OSError: pass
"""
SEGMENTS = """
import ctypes
libc, held = ctypes.CDLL(None), []
for make in (lambda: libc.shmget(0, 4096, 0o1600), lambda: libc.semget(0, 1, 0o1600), lambda: libc.msgget(0, 0o1600)):
    while len(held) < 40000 and make() >= 0: held.append(1)
"""
ONE_OF_EACH = """python3 -c 'import ctypes, os; libc = ctypes.CDLL(None); print(
libc.shmget(0, 4096, 0o1600) >= 0, libc.semget(0, 1, 0o1600) >= 0, libc.msgget(0, 0o1600) >= 0)'"""
LOCKS = """
import os
held = []
for place in ("/run/lock", "/dev/shm"):
    with open(place + "/big", "wb", buffering=0) as big:
        try:
            for _ in range(16): held.append(big.write(bytes(1 << 20)))
        except OSError: pass
try:
    for number in range(40000): open(f"/dev/shm/{number}", "x").close()
except OSError: pass
"""


@asynccontextmanager
async def hogging(enrolled: Enrolled, tenant: Tenant, hog: str) -> AsyncIterator[int]:
    """Let a customer take all that it can get, and hold it meanwhile; how many pieces that was."""
    code = f"{hog}\nprint(len(held), flush=True)\ninput()"
    credentials = enrolled.control.user_certificate(tenant.login)
    async with enrolled.control.login(enrolled.node, tenant.login, *credentials) as connection:
        process = await connection.create_process(f"exec python3 -c '{code}'")
        said = await asyncio.wait_for(process.stdout.readline(), 60)
        assert said.strip().isdigit(), await process.stderr.read()
        yield int(said)
        process.stdin.write("\n")
        await process.wait()


@pytest.fixture
async def neighbour(channel: Channel, tenant: Tenant) -> AsyncIterator[Tenant]:
    """Another allocation on the node; both are there."""
    made = Tenant()
    await channel.ask("apply", tenant.desired(), generation=1)
    await channel.ask("apply", made.desired(), generation=1)
    yield made
    assert (await channel.ask("release", made.subject, generation=2))["clean"] is True


class TestHogs:
    async def test_of_terminals_leave_some_for_others(self, north: Enrolled, tenant: Tenant, neighbour: Tenant) -> None:
        async with hogging(north, tenant, TERMINALS) as count:
            assert 0 < count <= 128
            credentials = north.control.user_certificate(neighbour.login)
            async with north.control.login(north.node, neighbour.login, *credentials) as connection:
                done = await connection.run("tty; test -t 0 && echo a terminal", term_type="xterm")
        assert "a terminal" in str(done.stdout)

    async def test_of_system_v_objects_leave_some_for_others(
        self, north: Enrolled, tenant: Tenant, neighbour: Tenant
    ) -> None:
        async with hogging(north, tenant, SEGMENTS) as count:
            assert count > 4096, "it took as many as the kernel has"
            assert await run_as(north, neighbour, ONE_OF_EACH) == ("True True True\n", 0)
            assert (await north.node.run_as_root("sh", "-c", ONE_OF_EACH)).text == "True True True"
            await north.node.run_as_root("ipcrm", "--all")
            assert await run_as(north, tenant, "test $(ipcs -s | wc -l) -gt 1000") == ("", 0), "in all its sessions"

    async def test_of_shared_memory_and_locks_fill_their_own(
        self, north: Enrolled, channel: Channel, tenant: Tenant, neighbour: Tenant
    ) -> None:
        async with hogging(north, tenant, LOCKS):
            await channel.ask("apply", tenant.desired(), generation=1)
            write = "for place in /run/lock /var/lock /dev/shm; do ls $place; echo x > $place/mine || exit; done"
            assert await run_as(north, neighbour, write) == ("mine\n", 0)
            seen = await north.node.run_as_root("sh", "-c", "ls -d /dev/shm/big /run/lock/big; true", check=False)
            assert seen.text == ""

    async def test_share_a_place_of_the_login_between_its_sessions(
        self, north: Enrolled, tenant: Tenant, neighbour: Tenant
    ) -> None:
        assert await run_as(north, tenant, "echo kept > /dev/shm/note") == ("", 0)
        assert await run_as(north, tenant, "cat /dev/shm/note") == ("kept\n", 0)
        assert "No such file" in (await run_as(north, neighbour, "cat /dev/shm/note"))[0]

    async def test_come_back_after_a_boot_although_one_record_is_damaged(
        self, north: Enrolled, tenant: Tenant, neighbour: Tenant
    ) -> None:
        damaged = "/var/lib/sublet/allocations/al_a.json"
        # Places in memory, namespaces and links are gone after a boot.
        await north.node.run_as_root("umount", "--recursive", "--lazy", "/run/sublet/logins", "/run/sublet/pins")
        await north.node.write_file(damaged, b"{")
        try:
            done = await north.node.run_as_root("/usr/local/sbin/sublet-node", "boot", check=False)
        finally:
            await north.node.run_as_root("rm", damaged)
        assert done.status == 1
        assert b"al_a.json is damaged" in done.stderr
        assert await run_as(north, tenant, "echo in") == ("in\n", 0)
        assert await run_as(north, neighbour, "echo in") == ("in\n", 0)

    async def test_make_no_namespaces_that_would_have_more_of_everything(
        self, north: Enrolled, tenant: Tenant, neighbour: Tenant
    ) -> None:
        for kind in ("--user", "--user --mount", "--user --ipc", "--user --net"):
            said, status = await run_as(north, tenant, f"unshare {kind} true")
            assert status != 0
            assert "Operation not permitted" in said

    @pytest.mark.parametrize("terminal", [None, "xterm"])
    async def test_open_a_bounded_number_of_files(
        self, north: Enrolled, tenant: Tenant, neighbour: Tenant, terminal: str | None
    ) -> None:
        credentials = north.control.user_certificate(tenant.login)
        async with north.control.login(north.node, tenant.login, *credentials) as connection:
            done = await connection.run("ulimit -Hn; ulimit -Hc", term_type=terminal)
        assert str(done.stdout).split() == ["16384", "0"], "and dumps no memory"
        assert (await north.node.run_as_root("cat", "/etc/sysctl.d/10-sublet.conf")).text.count("= ") == 3
