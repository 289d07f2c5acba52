"""After a release nothing is left, and a run that died in the middle can be repeated."""

import asyncio
import json
from typing import Any

import pytest

from tests.node.conftest import Enrolled
from tests.node.control_plane import Channel, Refused, Tenant
from tests.node.test_limits import run_as

pytestmark = [pytest.mark.anyio, pytest.mark.node]

LITTER = """
echo hello > note; echo x > /tmp/t; echo x > /var/tmp/v; echo x > /dev/shm/s; mkdir -p /dev/shm/deep/er
touch "/dev/shm/deep/$(printf 'no\\377text\\033')"; ln -s /etc /dev/shm/deep/link
(setsid sleep 600 </dev/null >/dev/null 2>&1 &)
(trap '' TERM HUP INT; setsid sleep 600 </dev/null >/dev/null 2>&1 &)
python3 - <<'END'
import ctypes
libc = ctypes.CDLL(None)
print(libc.shmget(4711, 4096, 0o1600) >= 0, libc.semget(4712, 1, 0o1600) >= 0, libc.msgget(4713, 0o1600) >= 0)
END
"""


# The owner opens its home and its other places to everybody and hands them over to whoever asks for them, by a socket
# in a folder of the node that anybody may write to. Names that are no files do not lead from one login to another.
HAND_OVER = """python3 - <<'END'
import os, socket
folders = [os.path.expanduser("~"), "/tmp", "/var/tmp", "/dev/shm", "/run/lock"]
with socket.create_server("/var/crash/{name}", family=socket.AF_UNIX) as server:
    os.chmod("/var/crash/{name}", 0o777)
    print("ready", flush=True)
    for folder in folders: os.chmod(folder, 0o1777)
    opened = [os.open(folder, os.O_RDONLY | os.O_DIRECTORY) for folder in folders]
    socket.send_fds(server.accept()[0], [b"x"], opened)
END
"""
TAKE_AND_FILL = """python3 - <<'END'
import os, socket
with socket.socket(socket.AF_UNIX) as client:
    client.connect("/var/crash/{name}")
    for folder in socket.recv_fds(client, 1, 9)[1]:
        for fill in (
            lambda: os.close(os.open("planted", os.O_CREAT | os.O_WRONLY, dir_fd=folder)),
            lambda: os.mkdir("planted", dir_fd=folder),
            lambda: os.symlink("/", "planted", dir_fd=folder),
            lambda: os.link("own", "planted", dst_dir_fd=folder),
            lambda: os.rename("own", "planted", dst_dir_fd=folder),
            lambda: os.close(os.open(".", os.O_TMPFILE | os.O_WRONLY, dir_fd=folder)),
        ):
            try: fill()
            except OSError: continue
            print("planted")
END
"""


def standing(allocations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is observed of allocations, without what goes on counting by itself: the kernel's own packets too."""
    return [{name: value for name, value in one.items() if not name.startswith("network_")} for one in allocations]


async def facts(enrolled: Enrolled, tenant: Tenant) -> list[str]:
    """What the node's own tools still find of a tenant, by other means than the helper's."""
    look = f"""
    ps -eo uid= | grep -w {tenant.uid}; getent passwd {tenant.login}; getent group {tenant.login}
    find / -xdev -uid {tenant.uid} -not -path '/proc/*' 2>/dev/null; find /dev /run -uid {tenant.uid} 2>/dev/null
    ls -d /sys/fs/cgroup/*/user.slice/user-{tenant.uid}.slice /home/{tenant.login} 2>/dev/null
    ipcs -c | grep -w {tenant.login}; ipcs -c | grep -w {tenant.uid}
    grep -rl --exclude='*-' {tenant.login} /etc /var/spool 2>/dev/null; getfacl -pn /dev/nvidia* | grep -w {tenant.uid}
    find /etc /run /var -name '*{tenant.uid}*' -o -name '*{tenant.login}*' | grep -v /run/systemd/users
    """
    return (await enrolled.node.run_as_root("bash", "-c", look, check=False)).text.split()


class TestRelease:
    async def test_leaves_nothing_of_the_uid(self, north: Enrolled, channel: Channel) -> None:
        tenant = Tenant()
        await channel.ask("apply", tenant.desired(gpus=[north.node.gpus[1].uuid]), generation=1)
        said, _ = await run_as(north, tenant, LITTER)
        assert said == "True True True\n"
        await north.node.run_as_root(
            *(
                "sh",
                "-c",
                f"echo '* * * * * true' | crontab -u {tenant.login} - ; loginctl enable-linger {tenant.login}",
            )
        )
        async with north.control.login(
            north.node, tenant.login, *north.control.user_certificate(tenant.login)
        ) as connection:
            shell = await connection.create_process("cat", term_type="xterm")
            assert await facts(north, tenant) != []
            evidence = await channel.ask("release", tenant.subject, generation=2)
            await asyncio.wait_for(shell.wait_closed(), 5)
        assert [check for check in evidence["checks"] if not check["clean"]] == []
        assert evidence["clean"] is True
        names = "access sessions processes slice account home files cron ipc keys startup gpu held memory network"
        assert [check["name"] for check in evidence["checks"]] == names.split()
        assert [fact for fact in await facts(north, tenant) if "/var/lib/sublet/" not in fact] == []

    async def test_is_not_kept_by_what_another_login_put_into_its_folders(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        other = Tenant()
        await channel.ask("apply", tenant.desired(), generation=1)
        await channel.ask("apply", other.desired(), generation=1)
        await north.node.run_as_root("mkdir", "-p", "-m", "1777", "/var/crash")
        folder = f"/var/crash/{other.login}"
        assert await run_as(north, other, f"mkdir -m 0777 {folder}") == ("", 0)
        assert await run_as(north, tenant, f"mkdir {folder}/mine; echo x > {folder}/mine/file") == ("", 0)
        evidence = await channel.ask("release", other.subject, generation=2)
        assert [check for check in evidence["checks"] if not check["clean"]] == []

    async def test_leaves_nothing_in_a_home_that_its_owner_opened_and_handed_over(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        leaving = Tenant()
        await north.node.run_as_root("mkdir", "-p", "-m", "1777", "/var/crash")
        await channel.ask("apply", tenant.desired(), generation=1)
        await channel.ask("apply", leaving.desired(), generation=1)
        owner = north.control.user_certificate(tenant.login)
        async with north.control.login(north.node, tenant.login, *owner) as connection:
            process = await connection.create_process(HAND_OVER.format(name=tenant.login))
            assert await asyncio.wait_for(process.stdout.readline(), 10) == "ready\n"
            said, _ = await run_as(north, leaving, f"touch own; {TAKE_AND_FILL.format(name=tenant.login)}")
            await asyncio.wait_for(process.wait(), 10)
        assert said == ""
        evidence = await channel.ask("release", leaving.subject, generation=2)
        assert [check for check in evidence["checks"] if not check["clean"]] == []
        found = await north.node.run_as_root("find", "/home", "/var", "/run", "/dev/shm", "-uid", str(leaving.uid))
        assert found.text == ""

    async def test_does_not_search_what_other_allocations_store(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        leaving, log, stray = Tenant(), "/root/searched", f"/home/stray-{tenant.token}"
        await channel.ask("apply", tenant.desired(), generation=1)
        await channel.ask("apply", leaving.desired(), generation=1)
        many = "mkdir -p many/files; touch /tmp/a /var/tmp/b /dev/shm/c /run/lock/d"
        assert await run_as(north, tenant, many) == ("", 0)
        left = f"mkdir -m 0777 {stray} && touch {stray}/file && chown {leaving.uid} {stray}/file"
        await north.node.run_as_root("sh", "-c", left)
        # Notes each search, with every place that it comes to.
        watch = (
            '#!/bin/sh\nplaces=; for word; do case $word in /*) places="$places $word";; esac; done\n'
            f"/usr/bin/find $places -xdev >>{log} 2>/dev/null\n"
            'exec /usr/bin/find "$@"\n'
        )
        await north.node.write_file("/usr/local/bin/find", watch.encode(), mode=0o755)
        try:
            evidence = await channel.ask("release", leaving.subject, generation=2)
            searched = (await north.node.run_as_root("cat", log)).text.split()
        finally:
            await north.node.run_as_root("rm", "-rf", "/usr/local/bin/find", log, stray)
        assert evidence["clean"] is True
        assert f"{stray}/file" in searched, "a home that is nobody's is searched"
        places = ("/a", "/b", "/c", "/d", "many/files")
        assert [place for place in searched if place.endswith(places) and tenant.login in place] == []
        kept = "cd /; ls -d tmp/a var/tmp/b dev/shm/c run/lock/d ~/many/files | wc -l"
        assert await run_as(north, tenant, kept) == ("5\n", 0)

    async def test_searches_what_others_store_where_it_cannot_be_walled_off(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        leaving, home = Tenant(), f"/home/{tenant.login}"
        # An overlay is a file system that cannot be shown to one login alone.
        overlay = "mount -t overlay -o lowerdir=/run/lay/l,upperdir=/run/lay/u,workdir=/run/lay/w none"
        await north.node.run_as_root("sh", "-c", f"mkdir -p {home} /run/lay/l /run/lay/u /run/lay/w; {overlay} {home}")
        try:
            await channel.ask("apply", tenant.desired(), generation=1)
            await channel.ask("apply", leaving.desired(), generation=1)
            assert await run_as(north, tenant, "mkdir -m 0777 open; pwd") == (f"{home}\n", 0)
            await north.node.run_as_root("umount", "--lazy", home)
            plant = f"mkdir -p {home}/open && touch {home}/open/planted && chown {leaving.uid} {home}/open/planted"
            await north.node.run_as_root("sh", "-c", plant)
            assert (await channel.ask("release", leaving.subject, generation=2))["clean"] is True
            assert (await north.node.run_as_root("ls", f"{home}/open")).text == ""
        finally:
            await north.node.run_as_root("sh", "-c", f"umount {home}; rm -rf /run/lay", check=False)

    async def test_of_one_is_not_held_up_by_the_damaged_record_of_another(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        damaged = "/var/lib/sublet/allocations/al_damaged.json"
        await channel.ask("apply", tenant.desired(), generation=1)
        await north.node.write_file(damaged, b"{")
        try:
            assert (await channel.ask("release", tenant.subject, generation=2))["clean"] is True
        finally:
            await north.node.run_as_root("rm", damaged)

    async def test_is_refused_with_a_damaged_record_which_is_listed_and_changes_nothing_else(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        spoiled = Tenant()
        record = f"/var/lib/sublet/allocations/{spoiled.allocation}.json"
        for one in (tenant, spoiled):
            await channel.ask("apply", one.desired(), generation=1)
        before = await channel.ask("observe")
        await north.node.run_as_root("sh", "-c", f"mv {record} /root/record; echo '{{' > {record}")
        try:
            seen = await channel.ask("observe")
            assert [one["allocation"] for one in seen["unreadable"]] == [spoiled.allocation]
            assert record in seen["unreadable"][0]["detail"]
            others = [one for one in before["allocations"] if one["allocation"] != spoiled.allocation]
            assert standing(seen["allocations"]) == standing(others)
            assert seen["unknown"] == before["unknown"], "whoever cannot be read is no stranger"
            with pytest.raises(Refused) as refused:
                await channel.ask("release", spoiled.subject, generation=2)
            assert refused.value.code == "state_unreadable"
            assert (await channel.ask("apply", tenant.desired(), generation=2))["login_open"] is True
        finally:
            await north.node.run_as_root("mv", "/root/record", record)
        assert (await channel.ask("release", spoiled.subject, generation=2))["clean"] is True

    async def test_removes_its_journal_and_leaves_what_else_the_system_keeps(
        self, north: Enrolled, channel: Channel
    ) -> None:
        tenant, kept = Tenant(), "/var/lib/systemd/coredump/core.sh.999.boot.{uid}.1.zst"
        kept = kept.format(uid=tenant.uid)
        await channel.ask("apply", tenant.desired(), generation=1)
        assert await run_as(north, tenant, "logger mine") == ("", 0)
        # Of an earlier version, which let logins write to the node's own journal.
        earlier = f"setpriv --reuid {tenant.uid} --clear-groups logger mine"
        await north.node.run_as_root("sh", "-c", earlier)
        its_own = f"ls -d /run/log/journal/*.{tenant.login}; systemctl list-units --all | grep @{tenant.login}"
        journald = "/proc/$(systemctl show -P MainPID systemd-journald)/fd"
        of_the_node = f"ls /var/log/journal/*/user-{tenant.uid}*; ls -l {journald} | grep {tenant.uid}"
        look = f"{its_own}; {of_the_node}"
        await north.node.run_as_root("sh", "-c", f"mkdir -p {kept.rpartition('/')[0]}; touch {kept}; sync; logger ours")
        for part in (its_own, of_the_node):
            assert (await north.node.run_as_root("sh", "-c", part, check=False)).text != ""
        assert (await channel.ask("release", tenant.subject, generation=2))["clean"] is True
        assert (await north.node.run_as_root("sh", "-c", look, check=False)).text == ""
        await north.node.run_as_root("sh", "-c", f"rm {kept} && logger still && journalctl --sync")
        log = (await north.node.run_as_root("journalctl", "-n", "50", "--output=cat")).text
        assert ("still" in log, "mine" in log) == (True, False), "what others log goes on"

    async def test_can_be_repeated_and_proves_it_again(self, channel: Channel, tenant: Tenant) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        assert (await channel.ask("release", tenant.subject, generation=2))["clean"] is True
        assert (await channel.ask("release", tenant.subject, generation=2))["clean"] is True

    async def test_of_what_was_never_here_is_clean(self, channel: Channel) -> None:
        assert (await channel.ask("release", Tenant().subject, generation=1))["clean"] is True

    async def test_a_search_that_could_not_see_everything_is_not_clean(self, north: Enrolled, channel: Channel) -> None:
        tenant = Tenant()
        await channel.ask("apply", tenant.desired(), generation=1)
        blind = b'#!/bin/sh\n/usr/bin/find "$@"\necho "find: \'/run/bad\': Input/output error" >&2\nexit 1\n'
        await north.node.write_file("/usr/local/bin/find", blind, mode=0o755)
        try:
            evidence = await channel.ask("release", tenant.subject, generation=2)
        finally:
            await north.node.run_as_root("rm", "/usr/local/bin/find")
        unclean = [check for check in evidence["checks"] if not check["clean"]]
        assert [check["name"] for check in unclean] == ["files"]
        assert "/run/bad" in unclean[0]["detail"]
        assert (await channel.ask("release", tenant.subject, generation=3))["clean"] is True

    async def test_a_gpu_given_by_a_run_that_failed_after_it_is_looked_at_too(
        self, north: Enrolled, channel: Channel
    ) -> None:
        tenant, gpu = Tenant(), north.node.gpus[0]
        samples = "/usr/local/share/sublet-demo/nvidia-smi.json"
        before = (await north.node.run_as_root("cat", samples)).stdout
        busy = json.loads(before)
        busy["gpus"][0]["memory.used"] = "21000"
        await north.node.write_file("/usr/local/bin/systemctl", b"#!/bin/sh\nexit 9\n", mode=0o755)
        try:
            with pytest.raises(Refused):
                await channel.ask("apply", tenant.desired(gpus=[gpu.uuid]), generation=1)
        finally:
            await north.node.run_as_root("rm", "/usr/local/bin/systemctl")
        await north.node.write_file(samples, json.dumps(busy).encode())
        try:
            evidence = await channel.ask("release", tenant.subject, generation=2)
        finally:
            await north.node.write_file(samples, before)
        assert [check["name"] for check in evidence["checks"] if not check["clean"]] == ["gpu"]
        assert (await channel.ask("release", tenant.subject, generation=3))["clean"] is True

    async def test_touches_nothing_of_another_account_with_the_uid(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        script = (
            f"useradd -m -u {tenant.uid} somebody && runuser -u somebody -- sh -c 'echo mine > /home/somebody/note; "
            "sleep 600 >/dev/null 2>&1 </dev/null &'"
        )
        await north.node.run_as_root("sh", "-c", script)
        try:
            for verb, params in (("apply", tenant.desired()), ("release", tenant.subject)):
                with pytest.raises(Refused) as refused:
                    await channel.ask(verb, params, generation=1)
                assert refused.value.code == "account_taken"
            kept = await north.node.run_as_root("sh", "-c", "cat /home/somebody/note; pgrep -c -u somebody")
            assert kept.text.split() == ["mine", "1"]
        finally:
            await north.node.run_as_root("sh", "-c", "pkill -KILL -u somebody; sleep 0.2; userdel -r somebody 2>&1")


class TestObservation:
    async def test_shows_what_nobody_ordered(self, north: Enrolled, channel: Channel) -> None:
        stranger = Tenant()
        await north.node.run_as_root("useradd", "-M", "-u", str(stranger.uid), stranger.login)
        try:
            seen = await channel.ask("observe")
            assert {"login": stranger.login, "uid": stranger.uid} in seen["unknown"]
        finally:
            await north.node.run_as_root("userdel", stranger.login)

    async def test_shows_that_an_account_was_taken_away_by_hand(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        await north.node.run_as_root("userdel", tenant.login)
        seen = await channel.ask("observe")
        mine = next(entry for entry in seen["allocations"] if entry["allocation"] == tenant.allocation)
        assert mine["state"] == "absent"
        await channel.ask("apply", tenant.desired(), generation=1)
        assert await run_as(north, tenant, "whoami") == (f"{tenant.login}\n", 0)

    async def test_usage_counts_what_was_used(self, north: Enrolled, channel: Channel, tenant: Tenant) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        await run_as(north, tenant, "head -c 5000000 /dev/zero > big; for i in $(seq 20000); do :; done")
        usage = await channel.ask("usage")
        mine = next(entry for entry in usage["allocations"] if entry["allocation"] == tenant.allocation)
        assert mine["cpu_seconds"] > 0
        assert mine["disk_bytes"] >= 5_000_000

    async def test_unreadable_records_are_an_error(self, north: Enrolled, channel: Channel) -> None:
        await north.node.run_as_root("mv", "/var/lib/sublet/allocations", "/var/lib/sublet/away")
        try:
            with pytest.raises(Refused) as refused:
                await channel.ask("observe")
            assert refused.value.code == "state_unreadable"
        finally:
            await north.node.run_as_root("mv", "/var/lib/sublet/away", "/var/lib/sublet/allocations")
