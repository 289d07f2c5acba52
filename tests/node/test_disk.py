"""What one allocation stores is limited, takes nothing from another, and is gone with its release."""

import re
from typing import Any

import pytest

from tests.node.conftest import Enrolled
from tests.node.control_plane import Channel, Refused, Tenant
from tests.node.test_limits import run_as

pytestmark = [pytest.mark.anyio, pytest.mark.node]

GIB = 1 << 30
LIMIT = GIB  # what tenants of these tests get
# Reserving takes no time; what is written then is not reserved.
FILL = "fallocate -l 960M big; head -c 200M /dev/zero > rest; rm -f small; head -c 1M /dev/zero > small"
FULL = "Disk quota exceeded"

# What an owner of a folder can do with the kernel alone: make subvolumes, set them read-only, make snapshots.
SUBVOLUMES = """
import fcntl, os, struct, sys
def call(folder, number, argument):
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.ioctl(descriptor, number, argument)
    os.close(descriptor)
def subvolume(folder, name):
    call(folder, 0x5000940E, bytearray(struct.pack("q", 0) + name.encode().ljust(4088, b"\\0")))
def snapshot(source, folder, name):
    head = struct.pack("qQQ4Q", os.open(source, os.O_RDONLY), 0, 2, 0, 0, 0, 0)
    call(folder, 0x50009417, bytearray(head + name.encode().ljust(4040, b"\\0")))
def read_only(folder):
    call(folder, 0x4008941A, struct.pack("Q", 2))
"""
NESTED = f"""python3 - <<'END'
{SUBVOLUMES}
subvolume(".", "outer"); os.makedirs("outer/deep/er"); subvolume("outer/deep/er", "inner\\nname")
inner = "outer/deep/er/inner\\nname"
END
"""


def disk_of(observed: dict[str, Any]) -> dict[str, Any]:
    """What an apply said of the disk."""
    [entry] = [entry for entry in observed["enforced"] if entry["limit"] == "disk"]
    return dict(entry)


def limits(disk_gib: int) -> dict[str, int]:
    """Limits with so much disk."""
    return {"cpu_percent": 100, "memory_mib": 256, "tasks_max": 64, "disk_gib": disk_gib}


def unclean(evidence: dict[str, Any]) -> dict[str, str]:
    """The checks that found something, with what."""
    return {check["name"]: check["detail"] for check in evidence["checks"] if not check["clean"]}


async def stored(enrolled: Enrolled, tenant: Tenant, command: str = FILL) -> str:
    """What programs say that store more than may be."""
    said, _ = await run_as(enrolled, tenant, command)
    return said


class TestALimit:
    async def test_is_shown_as_the_kernel_has_it(self, channel: Channel, tenant: Tenant) -> None:
        entry = disk_of(await channel.ask("apply", tenant.desired(limits=limits(3)), generation=1))
        assert (entry["requested"], entry["value"], entry["enforced"]) == ("3 GiB", "3 GiB", True)

    async def test_ends_a_hog_and_leaves_room_for_a_neighbour(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        neighbour = Tenant()
        await channel.ask("apply", tenant.desired(limits=limits(1)), generation=1)
        await channel.ask("apply", neighbour.desired(limits=limits(1)), generation=1)
        try:
            said, status = await run_as(north, tenant, FILL)
            assert FULL in said
            assert status != 0
            assert 0.9 * LIMIT < (await used(channel, tenant)) <= LIMIT
            assert await run_as(north, neighbour, "head -c 50M /dev/zero > mine; stat -c %s mine") == ("52428800\n", 0)
        finally:
            evidence = await channel.ask("release", neighbour.subject, generation=2)
        assert unclean(evidence) == {}

    @pytest.mark.parametrize("place", ["/tmp", "/var/tmp"])
    async def test_counts_what_is_stored_outside_the_home(
        self, north: Enrolled, channel: Channel, tenant: Tenant, place: str
    ) -> None:
        await channel.ask("apply", tenant.desired(limits=limits(1)), generation=1)
        said, _ = await run_as(north, tenant, f"cd {place}; {FILL}; cd; head -c 1M /dev/zero > more")
        assert said.count(FULL) >= 2
        assert (await used(channel, tenant)) <= LIMIT

    async def test_is_not_escaped_by_subvolumes(self, north: Enrolled, channel: Channel, tenant: Tenant) -> None:
        await channel.ask("apply", tenant.desired(limits=limits(1)), generation=1)
        said, _ = await run_as(north, tenant, f"{NESTED} cd outer/deep/er/inner*; {FILL}; cd; head -c 1M /dev/zero > x")
        assert said.count(FULL) >= 2
        assert 0.9 * LIMIT < (await used(channel, tenant)) <= LIMIT

    async def test_leaves_a_full_login_able_to_come_in_and_to_remove_files(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(limits=limits(1)), generation=1)
        to_the_last = "mkdir many; i=0; while : > many/$i; do i=$((i + 1)); [ $i -lt 20000 ] || break; done"
        assert (await stored(north, tenant, f"{FILL}; {to_the_last}")).count(FULL) >= 2
        again = disk_of(await channel.ask("apply", tenant.desired(limits=limits(1)), generation=2))
        assert again["enforced"] is True
        assert await run_as(north, tenant, "rm big rest && sync . && head -c 5M /dev/zero > next") == ("", 0)

    async def test_grows_while_it_is_used(self, north: Enrolled, channel: Channel, tenant: Tenant) -> None:
        await channel.ask("apply", tenant.desired(limits=limits(1)), generation=1)
        owner = north.control.user_certificate(tenant.login)
        async with north.control.login(north.node, tenant.login, *owner) as connection:
            assert FULL in str((await connection.run(FILL)).stderr)
            grown = disk_of(await channel.ask("apply", tenant.desired(limits=limits(2)), generation=2))
            assert (grown["value"], grown["enforced"]) == ("2 GiB", True)
            done = await connection.run("head -c 100M /dev/zero > more; stat -c %s more")
            assert (done.stdout, done.stderr) == ("104857600\n", "")

    async def test_holds_again_after_it_was_taken_away_by_hand(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        first = disk_of(await channel.ask("apply", tenant.desired(limits=limits(1)), generation=1))
        assert first["enforced"] is True
        await on_homes(north, f"btrfs.limit_group(homes, btrfs.group_of({tenant.uid}), None)")
        assert disk_of(await channel.ask("apply", tenant.desired(limits=limits(1)), generation=2))["enforced"] is True
        assert FULL in await stored(north, tenant)

    async def test_is_not_said_to_hold_for_a_home_that_was_made_without_one(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await north.node.run_as_root("mkdir", f"/home/{tenant.login}")
        entry = disk_of(await channel.ask("apply", tenant.desired(limits=limits(1)), generation=1))
        assert (entry["value"], entry["enforced"]) == (None, False)
        assert await run_as(north, tenant, "echo x > note; cat note") == ("x\n", 0)

    async def test_is_not_said_to_hold_for_a_home_that_was_exchanged_since(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        """The group and its limit are there; but what the login has now does not count in it."""
        home = f"/home/{tenant.login}"
        await channel.ask("apply", tenant.desired(limits=limits(1)), generation=1)
        await north.node.run_as_root("sh", "-c", f"mv {home} {home}.old && mkdir {home}")
        try:
            entry = disk_of(await channel.ask("apply", tenant.desired(limits=limits(1)), generation=2))
            assert (entry["value"], entry["enforced"]) == (None, False)
        finally:
            await north.node.run_as_root("rm", "-rf", f"{home}.old")


class TestUsage:
    async def test_counts_everything_that_is_stored(self, north: Enrolled, channel: Channel, tenant: Tenant) -> None:
        await channel.ask("apply", tenant.desired(limits=limits(1)), generation=1)
        write = "head -c 20M /dev/urandom"
        await run_as(north, tenant, f"{NESTED} {write} > /tmp/x; {write} > x; cd outer/deep/er/inner*; {write} > x")
        assert 60 << 20 <= await used(channel, tenant) < 70 << 20

    async def test_counts_subvolumes_of_a_home_without_a_limit(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await north.node.run_as_root("mkdir", f"/home/{tenant.login}")
        await channel.ask("apply", tenant.desired(limits=limits(1)), generation=1)
        write = "head -c 20M /dev/urandom > x; sync ."
        await run_as(north, tenant, f"{NESTED} {write}; cd outer/deep/er/inner*; {write}")
        assert 40 << 20 <= await used(channel, tenant) < 50 << 20


class TestRelease:
    async def test_removes_nested_and_read_only_subvolumes(self, north: Enrolled, channel: Channel) -> None:
        tenant = Tenant()
        await channel.ask("apply", tenant.desired(limits=limits(1)), generation=1)
        more = (
            f'{NESTED[: -len("END") - 1]}snapshot("outer", ".", "snap")\nread_only("outer")\n'
            'subvolume("/tmp", "elsewhere"); read_only("/tmp/elsewhere")\nEND\n'
        )
        said, _ = await run_as(north, tenant, more + "ls; touch outer/x")
        assert said.startswith("outer\nsnap\n")
        assert "Read-only file system" in said
        assert unclean(await channel.ask("release", tenant.subject, generation=2)) == {}
        assert await kernel_has(north, tenant) == ""

    async def test_of_a_full_home_is_clean(self, north: Enrolled, channel: Channel) -> None:
        tenant = Tenant()
        await channel.ask("apply", tenant.desired(limits=limits(1)), generation=1)
        assert FULL in await stored(north, tenant, f"{NESTED} {FILL}")
        assert f"1_{tenant.uid}" in await kernel_has(north, tenant)
        assert unclean(await channel.ask("release", tenant.subject, generation=2)) == {}
        assert await kernel_has(north, tenant) == ""

    async def test_of_a_home_without_a_limit_removes_subvolumes_too(self, north: Enrolled, channel: Channel) -> None:
        tenant, other = Tenant(), f"/home/other-{Tenant().token}"
        await north.node.run_as_root("sh", "-c", f"mkdir /home/{tenant.login} {other}")
        kept = f'python3 - <<"END"\n{SUBVOLUMES}\nsubvolume("{other}", "kept"); open("{other}/kept/x", "w")\nEND\n'
        await north.node.run_as_root("sh", "-c", kept)
        try:
            await channel.ask("apply", tenant.desired(limits=limits(1)), generation=1)
            assert (await run_as(north, tenant, f"{NESTED} head -c 1M /dev/zero > outer/x"))[1] == 0
            assert unclean(await channel.ask("release", tenant.subject, generation=2)) == {}
            assert (await north.node.run_as_root("ls", f"{other}/kept")).text == "x"
        finally:
            await north.node.run_as_root("rm", "-rf", other)

    async def test_removes_subvolumes_that_were_left_in_folders_of_others(
        self, north: Enrolled, channel: Channel
    ) -> None:
        tenant, other = Tenant(), Tenant()
        place = f"/home/open-{tenant.token}"
        await north.node.run_as_root("mkdir", "-m", "1777", place)
        await channel.ask("apply", tenant.desired(limits=limits(1)), generation=1)
        try:
            for owner in (tenant, other):
                make = f'subvolume("{place}", "of-{owner.uid}"); subvolume("{place}/of-{owner.uid}", "in\\nit")'
                as_it = ("setpriv", f"--reuid={owner.uid}", f"--regid={owner.uid}", "--clear-groups")
                await north.node.run_as_root(*as_it, "python3", "-c", f"{SUBVOLUMES}\n{make}")
            assert unclean(await channel.ask("release", tenant.subject, generation=2)) == {}
            assert (await north.node.run_as_root("ls", place)).text == f"of-{other.uid}"
        finally:
            await north.node.run_as_root("sh", "-c", f"rmdir {place}/of-*/* {place}/of-* {place}")

    async def test_removes_no_subvolume_behind_a_link_or_of_another(self, north: Enrolled) -> None:
        place = f"/home/open-{Tenant().token}"
        await on_homes(
            north,
            f"os.makedirs('{place}/real')\n"
            f"with btrfs.opened(Path('{place}/real')) as real: btrfs.create_subvolume(real, 'kept')\n"
            f"os.chown('{place}/real/kept', 200001, 200001); os.symlink('{place}/real', '{place}/link')\n"
            "from sublet_node.disk import trees\n"
            f"trees.remove_left_subvolume('{place}/link/kept', 200001)\n"
            f"trees.remove_left_subvolume('{place}/real/kept', 200002)",
        )
        try:
            assert (await north.node.run_as_root("ls", f"{place}/real")).text == "kept"
        finally:
            await north.node.run_as_root("sh", "-c", f"rmdir {place}/real/kept; rm -r {place}")

    async def test_touches_nothing_that_is_mounted_in_a_home(self, north: Enrolled, channel: Channel) -> None:
        tenant, mine = Tenant(), "/home/of-the-operator"
        await channel.ask("apply", tenant.desired(limits=limits(1)), generation=1)
        place = f"/home/{tenant.login}/shared"
        share = f"mkdir -p {mine} {place} && touch {mine}/precious && mount --bind {mine} {place}"
        await north.node.run_as_root("sh", "-c", share)
        try:
            assert unclean(await channel.ask("release", tenant.subject, generation=2)) == {}
            assert (await north.node.run_as_root("ls", mine)).text == "precious"
            await north.node.run_as_root("sh", "-c", share)  # and now no session ever saw it
            with pytest.raises(Refused, match=re.escape(f"{place} is mounted, so nothing in /home/{tenant.login}")):
                await channel.ask("release", tenant.subject, generation=2)
            await north.node.run_as_root("umount", place)
            assert unclean(await channel.ask("release", tenant.subject, generation=2)) == {}
            assert (await north.node.run_as_root("ls", mine)).text == "precious"
        finally:
            await north.node.run_as_root("sh", "-c", f"umount {place} 2>&1; rm -rf {mine}")

    async def test_is_not_clean_while_somebody_holds_what_was_deleted(self, north: Enrolled, channel: Channel) -> None:
        tenant = Tenant()
        await channel.ask("apply", tenant.desired(limits=limits(1)), generation=1)
        assert await run_as(north, tenant, "head -c 30M /dev/urandom > big; sync .") == ("", 0)
        keep = f"sleep 600 < /home/{tenant.login}/big"
        await north.node.run_as_root("systemd-run", "--quiet", "--unit=keeper", "sh", "-c", f"exec {keep}")
        try:
            found = unclean(await channel.ask("release", tenant.subject, generation=2))
            assert list(found) == ["home", "held"]
            assert re.search(r"Left: 3\d{7} bytes of it, deleted but still held by somebody", found["home"])
        finally:
            await north.node.run_as_root("systemctl", "stop", "keeper")
        assert unclean(await channel.ask("release", tenant.subject, generation=2)) == {}
        assert await kernel_has(north, tenant) == ""


class TestACapability:
    async def test_says_what_was_tried(self, north: Enrolled, channel: Channel) -> None:
        entry = await disk_quota(channel)
        assert entry["enforced"] is True
        assert "a place for 16 MiB took no more (simple quotas of btrfs)" in entry["detail"]
        groups = await on_homes(north, "print(os.listdir(btrfs.group_files(homes, 0).parent))")
        assert "trial" not in (await north.node.run_as_root("ls", "/home/.sublet")).text
        assert "1_2000000001" not in groups

    @pytest.mark.parametrize(
        ("switch", "says"),
        [(2, "no quotas"), (1, "ordinary quotas, which a nested subvolume escapes")],
        ids=["without quotas", "with ordinary quotas"],
    )
    async def test_is_not_believed_from_the_name_of_the_file_system(
        self, north: Enrolled, channel: Channel, switch: int, says: str
    ) -> None:
        """Quotas of the whole file system are switched off, or on as ordinary ones, and back at the end."""
        await channel.ask("probe")
        await quotas(north, 2)
        try:
            if switch != 2:
                await quotas(north, switch)
            entry = await disk_quota(channel)
        finally:
            await quotas(north, 2)
            await quotas(north, 4)
        assert entry["enforced"] is False
        assert says in entry["detail"]
        assert (await disk_quota(channel))["enforced"] is True

    async def test_would_be_escaped_with_ordinary_quotas(self, north: Enrolled) -> None:
        """Which is why those are not used, and why the trial goes into a subvolume."""
        await quotas(north, 2)
        await quotas(north, 1)
        try:
            said = await on_homes(
                north,
                "from sublet_node.disk import simple_quotas, trial\n"
                "btrfs.quota_mode = lambda _: 'squota'\n"
                "print(trial.fault_of(simple_quotas.SIMPLE_QUOTAS))",
            )
        finally:
            await quotas(north, 2)
            await quotas(north, 4)
        assert re.search(r"\d+ bytes could be written where 16777216 are allowed", said)

    async def test_is_not_claimed_where_a_limit_does_not_hold(self, north: Enrolled, channel: Channel) -> None:
        """The kernel may show a limit and not keep it: here, because what was made does not count in the group."""
        said = await on_homes(
            north,
            "from sublet_node.disk import simple_quotas, trial\n"
            "make = btrfs.create_subvolume\n"
            "btrfs.create_subvolume = lambda folder, name, group=None: make(folder, name)\n"
            "simple_quotas._counts = lambda *_: True\n"
            "print(trial.fault_of(simple_quotas.SIMPLE_QUOTAS))",
        )
        assert re.search(r"\d+ bytes could be written where 16777216 are allowed", said)


async def disk_quota(channel: Channel) -> dict[str, Any]:
    """What a probe says of it."""
    [entry] = [one for one in (await channel.ask("probe"))["capabilities"] if one["name"] == "disk_quota"]
    return dict(entry)


async def used(channel: Channel, tenant: Tenant) -> int:
    """The bytes that the node says a tenant stores."""
    usage = await channel.ask("usage")
    return int(next(one["disk_bytes"] for one in usage["allocations"] if one["allocation"] == tenant.allocation))


async def on_homes(enrolled: Enrolled, statements: str) -> str:
    """Run Python on the node with the helper's own calls for btrfs, and `homes` opened."""
    head = (
        "import sys; sys.path.insert(0, '/usr/local/sbin/sublet-node')\nimport os\nfrom pathlib import Path\n"
        "from sublet_node.disk import btrfs\n"
    )
    opened = "homes = os.open('/home', os.O_RDONLY)\n"
    return (await enrolled.node.run_as_root("python3", "-c", f"{head}{opened}{statements}")).text


async def quotas(enrolled: Enrolled, switch: int) -> None:
    """Switch quotas of the homes: 1 on, 2 off, 4 on as simple ones."""
    await on_homes(
        enrolled,
        "import fcntl, struct\n"
        f"fcntl.ioctl(homes, 3 << 30 | 16 << 16 | 0x94 << 8 | 40, bytearray(struct.pack('QQ', {switch}, 0)))",
    )


async def kernel_has(enrolled: Enrolled, tenant: Tenant) -> str:
    """What is left of a tenant's group and of its members, by the kernel's own files."""
    kept = f"/home/.sublet/{tenant.login}"
    groups = "btrfs.group_files(homes, 0).parent"  # of this file system: other nodes of this machine have theirs
    return await on_homes(
        enrolled,
        f"there = [{groups} / '1_{tenant.uid}', Path('{kept}')]\n"
        "print(*(path for path in there if path.exists()), end='')",
    )
