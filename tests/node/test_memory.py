"""Memory that a login used is not given out again while anybody still holds it."""

import asyncio
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.node.conftest import Enrolled
from tests.node.control_plane import Channel, Tenant
from tests.node.test_cooperating import unclean
from tests.node.test_limits import run_as

pytestmark = [pytest.mark.anyio, pytest.mark.node]

LOCK = """
import ctypes, os, time
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
place = libc.mmap(None, ctypes.c_size_t(4194304), 1, 1, os.open("/mnt/read", os.O_RDONLY), ctypes.c_long(0))
assert libc.mlock(ctypes.c_void_p(place), ctypes.c_size_t(4194304)) == 0
time.sleep(600)
"""

# Its journald ends first, as at a release. A line that comes meanwhile begins both again, and one of the session that
# has just ended may still be on its way, so both are ended until the group is gone.
WITHOUT_GROUP = """
for _ in $(seq 50); do
  systemctl stop 'systemd-journald*@{login}.*'; systemctl stop user-{uid}.slice
  test -e /sys/fs/cgroup/memory/user.slice/user-{uid}.slice || exit 0
done; exit 1
"""

# The kernel's files in a unified hierarchy, which these nodes do not have; and what the check says of them.
UNIFIED = """
import sys; from pathlib import Path
sys.path.insert(0, "/usr/local/sbin/sublet-node")
from sublet_node import cgroups, memory
cgroups.ROOT = Path("/run/unified")
parent = cgroups.ROOT / "user.slice"
own, other = parent / "user-4200000.slice", parent / "user-4200001.slice"
def group(folder, current, **stat):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.stat").write_text("".join(f"{name} {value}\\n" for name, value in stat.items()))
    (folder / "memory.current").write_text(f"{current}\\n")
    (folder / "memory.swap.current").write_text("0\\n")
cgroups.ROOT.mkdir(); (cgroups.ROOT / "cgroup.controllers").write_text("memory")
group(own, 9 << 20, anon=0, file=8 << 20, shmem=0)
group(other, 5 << 20, anon=4 << 20, file=1 << 20, shmem=1 << 20)
memory.note(4200000)
print(memory.left(4200000), (own / "memory.high").exists())
group(own, 9 << 20, anon=0, file=8 << 20, shmem=4 << 20)
print(memory.left(4200000), memory.prove(4200000), (own / "memory.high").read_text())
def remove():
    for file in own.iterdir(): file.unlink()
    own.rmdir()
remove()
group(parent, 7 << 20, anon=6 << 20, file=1 << 20, shmem=1 << 20)
print(memory.left(4200000))
group(own, 0, anon=0, file=0, shmem=0); memory.note(4200000)
print(memory.prove(4200000), memory.left(4200000))
remove(); memory.forget(4200000); print(memory.left(4200000))
group(own, 0, anon=0, file=0, shmem=0)
memory.note(4200000)
print(memory.left(4200000), memory.prove(4200000)); remove(); print(memory.left(4200000))
"""


@asynccontextmanager
async def filled(enrolled: Enrolled, tenant: Tenant) -> AsyncIterator[None]:
    """A file in memory that is not the login's, and into which it has put 3 MiB, for as long as the block lasts."""
    place = "/mnt/shared"
    make = f"mkdir {place} && mount -t tmpfs none {place} && touch {place}/file && chmod 0666 {place}/file"
    await enrolled.node.run_as_root("sh", "-c", make)
    try:
        assert await run_as(enrolled, tenant, f"head -c 3145728 /dev/zero > {place}/file") == ("", 0)
        yield
    finally:
        await enrolled.node.run_as_root("sh", "-c", f"umount {place} && rmdir {place}")


def said(evidence: dict[str, Any]) -> str:
    """What the check of memory says."""
    return next(str(check["detail"]) for check in evidence["checks"] if check["name"] == "memory")


class TestMemory:
    async def test_that_is_charged_to_a_login_keeps_its_control_group_and_its_release_from_being_clean(
        self, north: Enrolled, channel: Channel
    ) -> None:
        tenant = Tenant()
        await channel.ask("apply", tenant.desired(), generation=1)
        async with filled(north, tenant):
            for _ in range(2):
                evidence = await channel.ask("release", tenant.subject, generation=2)
                assert unclean(evidence) == ["slice", "memory"]
                assert said(evidence) == "Left: 3 MiB charged to its control group"
        assert unclean(await channel.ask("release", tenant.subject, generation=2)) == []

    async def test_that_a_group_held_which_is_gone_by_now_is_found_in_what_its_parent_counts(
        self, north: Enrolled, channel: Channel
    ) -> None:
        tenant = Tenant()
        await channel.ask("apply", tenant.desired(), generation=1)
        async with filled(north, tenant):
            await north.node.run_as_root("sh", "-c", WITHOUT_GROUP.format(login=tenant.login, uid=tenant.uid))
            evidence = await channel.ask("release", tenant.subject, generation=2)
            assert unclean(evidence) == ["memory"]
            assert said(evidence) == "Left: 3 MiB held by control groups that are gone, its own among them"
        assert unclean(await channel.ask("release", tenant.subject, generation=2)) == []

    async def test_that_only_copies_a_file_is_nobodys_though_somebody_keeps_it_there(
        self, north: Enrolled, channel: Channel
    ) -> None:
        tenant = Tenant()
        await channel.ask("apply", tenant.desired(), generation=1)
        # Written and dropped: whoever reads it first is charged for the copy, which a program of the node then locks.
        make = "head -c 4194304 /dev/urandom > /mnt/read; dd of=/mnt/read oflag=nocache conv=notrunc,fdatasync count=0"
        lock = f"setsid python3 -c {shlex.quote(LOCK)} >/dev/null 2>&1 </dev/null & echo $!"
        await north.node.run_as_root("sh", "-c", f"{make} 2>/dev/null")
        locker = ""
        try:
            assert await run_as(north, tenant, "cat /mnt/read > /dev/null") == ("", 0)
            locker = (await north.node.run_as_root("sh", "-c", lock)).text
            group = f"/sys/fs/cgroup/memory/user.slice/user-{tenant.uid}.slice/memory.stat"
            locked = ("sed", "-n", "s/^total_unevictable //p", group)
            deadline = asyncio.get_running_loop().time() + 10
            while int((await north.node.run_as_root(*locked)).text) < 3 << 20:  # the kernel counts in batches
                assert asyncio.get_running_loop().time() < deadline
            assert unclean(await channel.ask("release", tenant.subject, generation=2)) == []
        finally:
            await north.node.run_as_root("sh", "-c", f"kill {locker}; rm /mnt/read")

    async def test_is_counted_likewise_in_the_unified_hierarchy(self, north: Enrolled) -> None:
        try:
            said = (await north.node.run_as_root("python3", "-c", UNIFIED)).text
        finally:
            await north.node.run_as_root("rm", "-r", "/run/unified")
        assert said.splitlines() == [
            "[] False",
            "['5 MiB charged to its control group'] False max",
            "['2 MiB held by control groups that are gone, its own among them']",
            "True ['2 MiB held by control groups that are gone, its own among them']",
            "[]",
            "[] True",
            "[]",
        ]
