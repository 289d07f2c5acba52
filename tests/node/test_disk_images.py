"""Where the file system of the homes has no quotas, each allocation stores in an image file of its own."""

from collections.abc import AsyncIterator

import pytest

from tests.node.conftest import Enrolled
from tests.node.control_plane import Channel, Refused, Tenant
from tests.node.test_disk import FILL, disk_of, disk_quota, limits, on_homes, unclean, used
from tests.node.test_limits import run_as

pytestmark = [pytest.mark.anyio, pytest.mark.node]

FULL = "No space left on device"
LOOPS = "mknod /dev/loop-control c 10 237; for i in $(seq 0 63); do mknod -m 660 /dev/loop$i b 7 $i; done; "
# What is mounted in these homes is not to appear where they come from, too.
APART = "mount --make-private /home && mount --make-shared /home"
ELSEWHERE = f"mkdir -p /var/lib/homes && mount --bind /var/lib/homes /home && {APART} && rm -f /run/sublet/disk.json"
BACK = "umount -R /home; rm -rf /var/lib/homes /dev/loop* /run/sublet/disk.json"


@pytest.fixture(scope="module")
async def south(pair: tuple[Enrolled, Enrolled]) -> AsyncIterator[Enrolled]:
    """The second node, with homes on its overlay, which has no quotas, and with the machine's loop devices."""
    node = pair[1].node
    await node.run_as_root("sh", "-c", LOOPS + ELSEWHERE)
    try:
        yield pair[1]
    finally:
        await node.run_as_root("sh", "-c", BACK)


@pytest.fixture
async def channel(south: Enrolled) -> AsyncIterator[Channel]:
    """The node protocol on it."""
    async with south.control.protocol(south.node) as channel:
        yield channel


@pytest.fixture
async def tenant(channel: Channel) -> AsyncIterator[Tenant]:
    """An allocation with a home of 1 GiB, released at the end."""
    made = Tenant()
    entry = disk_of(await channel.ask("apply", made.desired(limits=limits(1)), generation=1))
    assert (entry["value"], entry["enforced"]) == ("1 GiB", True)
    yield made
    assert unclean(await channel.ask("release", made.subject, generation=1_000_000)) == {}


class TestAnImage:
    async def test_is_what_the_node_says_that_it_uses_and_why(self, channel: Channel) -> None:
        entry = await disk_quota(channel)
        assert entry["enforced"] is True
        assert "(an image file for each allocation)" in entry["detail"]
        assert "Not simple quotas of btrfs: /home is not on btrfs; not user quotas: " in entry["detail"]

    async def test_ends_a_hog_and_leaves_room_for_a_neighbour(
        self, south: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        neighbour = Tenant()
        await channel.ask("apply", neighbour.desired(limits=limits(1)), generation=1)
        try:
            said, status = await run_as(south, tenant, f"cd /tmp; {FILL}; cd; head -c 1M /dev/zero > more")
            assert said.count(FULL) >= 2
            assert status != 0
            assert 0.9 * (1 << 30) < await used(channel, tenant) <= 1 << 30
            assert await run_as(south, neighbour, "head -c 50M /dev/zero > mine; stat -c %s mine") == ("52428800\n", 0)
        finally:
            evidence = await channel.ask("release", neighbour.subject, generation=2)
        assert unclean(evidence) == {}

    async def test_bounds_how_many_files_there_are(self, south: Enrolled, tenant: Tenant) -> None:
        count = "python3 -c 'import os; print(os.statvfs(\".\").f_files)'"
        said, _ = await run_as(south, tenant, count)
        assert int(said) == 1 << 16

    async def test_is_mounted_again_after_a_boot(self, south: Enrolled, channel: Channel, tenant: Tenant) -> None:
        assert await run_as(south, tenant, "echo kept > note") == ("", 0)
        home = f"/home/{tenant.login}"
        gone = f"umount -R /run/sublet/logins; umount {home} /home/.sublet/{tenant.login}; ls {home}"
        assert (await south.node.run_as_root("sh", "-c", gone)).text == ""
        await south.node.run_as_root("/usr/local/sbin/sublet-node", "boot")
        assert await run_as(south, tenant, "cat note") == ("kept\n", 0)
        assert disk_of(await channel.ask("apply", tenant.desired(limits=limits(1)), generation=2))["enforced"] is True

    async def test_that_cannot_grow_while_it_is_used_keeps_its_size_and_says_so(
        self, south: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        """The kernel asks for CAP_SYS_RESOURCE, which not even root has on these nodes."""
        assert await run_as(south, tenant, "echo kept > note") == ("", 0)
        entry = disk_of(await channel.ask("apply", tenant.desired(limits=limits(2)), generation=2))
        assert (entry["requested"], entry["value"], entry["enforced"]) == ("2 GiB", "1 GiB", False)
        assert await run_as(south, tenant, "cat note; head -c 5M /dev/zero > more") == ("kept\n", 0)

    async def test_is_not_searched_for_folders_that_anybody_may_write_to(self, south: Enrolled, tenant: Tenant) -> None:
        """These are the owner's, and how many a customer has opened would crowd them out."""
        assert await run_as(south, tenant, "mkdir -m 0777 open") == ("", 0)
        find = "from sublet_node import enrolment\nprint(enrolment.find_open_places())"
        assert tenant.login not in await on_homes(south, find)

    async def test_is_not_made_over_a_home_that_is_there(self, south: Enrolled, channel: Channel) -> None:
        tenant = Tenant()
        await south.node.run_as_root("mkdir", f"/home/{tenant.login}")
        entry = disk_of(await channel.ask("apply", tenant.desired(limits=limits(1)), generation=1))
        assert (entry["value"], entry["enforced"]) == (None, False)
        assert unclean(await channel.ask("release", tenant.subject, generation=2)) == {}


class TestItsRelease:
    async def test_leaves_no_image_mount_or_loop_device_also_while_others_are_logged_in(
        self, south: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        leaving = Tenant()
        await channel.ask("apply", leaving.desired(limits=limits(1)), generation=1)
        other = south.control.user_certificate(tenant.login)
        async with south.control.login(south.node, tenant.login, *other) as connection:
            stays = await connection.create_process("cat")  # whose session began when the image was mounted
            assert await run_as(south, leaving, "echo x > note") == ("", 0)
            assert unclean(await channel.ask("release", leaving.subject, generation=2)) == {}
            look = "ls -A /home /home/.sublet; cat /sys/block/loop*/loop/backing_file /proc/*/mountinfo"
            found = await south.node.run_as_root("sh", "-c", look, check=False)
            assert leaving.login not in found.text
            stays.stdin.write_eof()
            await stays.wait()

    async def test_waits_for_whoever_holds_it(self, south: Enrolled, channel: Channel) -> None:
        tenant = Tenant()
        await channel.ask("apply", tenant.desired(limits=limits(1)), generation=1)
        assert await run_as(south, tenant, "echo x > big") == ("", 0)
        keep = f"exec sleep 600 < /home/{tenant.login}/big"
        await south.node.run_as_root("systemd-run", "--quiet", "--unit=keeper", "sh", "-c", keep)
        try:
            with pytest.raises(Refused) as refused:
                await channel.ask("release", tenant.subject, generation=2)
            assert (refused.value.code, refused.value.retryable) == ("home_held", True)
        finally:
            await south.node.run_as_root("systemctl", "stop", "keeper")
        assert unclean(await channel.ask("release", tenant.subject, generation=2)) == {}
