"""A login sees a machine of its own: nothing of other logins, of the node's people, or of what listens on the node."""

import asyncio
import re

import asyncssh
import pytest

from tests.node.conftest import Enrolled
from tests.node.control_plane import Channel, Tenant
from tests.node.test_limits import run_as

pytestmark = [pytest.mark.anyio, pytest.mark.node]

# What other programs may take or give back meanwhile on the file system that the tests' nodes share with the machine.
OTHERS_GIB, OTHERS_INODES = 2, 50_000
MAY_HAVE_JOBS = """
import ctypes, sys

pam = ctypes.CDLL("libpam.so.0")
service, *logins = sys.argv[1:]
for login in logins:
    handle = ctypes.c_void_p()
    talk = (ctypes.c_void_p * 2)()  # nothing is asked
    assert pam.pam_start(service.encode(), login.encode(), talk, ctypes.byref(handle)) == 0
    print("no" if pam.pam_acct_mgmt(handle, 0) else "yes")
    pam.pam_end(handle, 0)
"""
"""Asks PAM what a service asks before each job, about each login."""


class TestIsolation:
    async def test_systemd_tells_nothing_of_other_logins(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        other = Tenant()
        await channel.ask("apply", tenant.desired(), generation=1)
        await channel.ask("apply", other.desired(), generation=1)
        processes = "org.freedesktop.systemd1.Manager GetUnitProcesses s"
        ask = (
            f"busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 {processes} user-{other.uid}.slice;"
            f"systemctl status user-{other.uid}.slice; loginctl list-sessions; who; last; lastlog | grep -v Never;"
            "cat /run/systemd/sessions/* /run/systemd/users/*"
        )
        try:
            await run_as(north, other, "sh -c 'sleep 300; : --password=hunter2' </dev/null >/dev/null 2>&1 &")
            told = (await north.node.run_as_root("systemctl", "status", f"user-{other.uid}.slice")).stdout
            assert b"hunter2" in told, "there is something that could be told"
            said, _ = await run_as(north, tenant, ask)
            assert "hunter2" not in said
            assert other.login not in said
            assert "127.0.0.1" not in said
        finally:
            assert (await channel.ask("release", other.subject, generation=2))["clean"] is True

    async def test_another_home_cannot_be_read(self, north: Enrolled, channel: Channel, tenant: Tenant) -> None:
        other = Tenant()
        await channel.ask("apply", tenant.desired(), generation=1)
        await channel.ask("apply", other.desired(), generation=1)
        try:
            await run_as(north, other, "echo secret > note; chmod 644 note; sleep 300 </dev/null >/dev/null 2>&1 &")
            said, _ = await run_as(
                north, tenant, f"cat /home/{other.login}/note; ls /home/{other.login}; ps axo user:20"
            )
            assert said.count("No such file or directory") == 2
            assert other.login not in re.sub(r"'?/home/\S+", "", said)
        finally:
            evidence = await channel.ask("release", other.subject, generation=2)
        assert [check for check in evidence["checks"] if not check["clean"]] == []

    async def test_a_setuid_file_changes_nobody(self, north: Enrolled, channel: Channel, tenant: Tenant) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        plant = f"cp /usr/bin/id /home/{tenant.login}/ && chmod 6755 /home/{tenant.login}/id"
        await north.node.run_as_root("sh", "-c", plant)
        assert await run_as(north, tenant, "./id -u") == (f"{tenant.uid}\n", 0)

    async def test_there_is_no_sudo_and_no_shared_tmp(self, north: Enrolled, channel: Channel, tenant: Tenant) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        await north.node.run_as_root("touch", "/tmp/of-the-node")
        said, status = await run_as(north, tenant, "sudo -n id")
        assert status != 0
        assert "password is required" in said
        assert await run_as(north, tenant, "touch /tmp/mine; ls /tmp") == ("mine\n", 0)

    async def test_scheduled_jobs_do_not_run_outside_the_limits_and_those_of_the_nodes_people_do(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        person, numbered = f"person-{tenant.token[:8]}", Tenant().uid
        await north.node.run_as_root("useradd", "--uid", str(numbered), person)
        try:
            for service in ("cron", "atd"):
                asked = await north.node.run_as_root("python3", "-c", MAY_HAVE_JOBS, service, tenant.login, person)
                assert asked.text.split() == ["no", "yes"], service
        finally:
            await north.node.run_as_root("userdel", person)
        assert (await run_as(north, tenant, "systemctl --user status"))[1] != 0

    async def test_what_listens_on_the_node_is_out_of_reach(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        listen = "import socket,time\ns=[socket.create_server(('0.0.0.0',p)) for p in (18080,18443,18090)]"
        await north.node.run_as_root(
            "systemd-run", "--unit=listener", "--quiet", "python3", "-c", f"{listen}\ntime.sleep(120)"
        )
        everywhere = f"127.0.0.1 100.96.0.1 {north.node.address}"
        ask = (
            f"for a in {everywhere}; do for p in 18080 18443 18090; do "
            "(exec 3<>/dev/tcp/$a/$p) 2>/dev/null && echo $p open; done; done; true"
        )
        try:
            async with asyncio.timeout(10):
                while (await north.node.run_as_root("bash", "-c", ask)).text.count("open") < 9:
                    await asyncio.sleep(0.05)
            assert await run_as(north, tenant, ask) == ("", 0)
            async with north.control.login(
                north.node, tenant.login, *north.control.user_certificate(tenant.login)
            ) as connection:
                for address in everywhere.split():
                    with pytest.raises(asyncssh.ChannelOpenError):
                        await connection.open_connection(address, 18080)
        finally:
            await north.node.run_as_root("systemctl", "stop", "listener")

    async def test_the_nodes_own_sshd_cannot_be_filled_from_within(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        every_address = "127.0.0.1 127.9.9.9 $(hostname -I)"
        ask = f"for a in {every_address}; do (exec 3<>/dev/tcp/$a/22) 2>/dev/null && echo open; done; true"
        assert "open" in (await north.node.run_as_root("bash", "-c", ask)).text
        assert await run_as(north, tenant, ask) == ("", 0)

    async def test_probe_reports_all_of_it_as_tried(self, channel: Channel) -> None:
        observed = await channel.ask("probe")
        capabilities = {entry["name"]: entry["enforced"] for entry in observed["capabilities"]}
        for name in ("network_buffers", "buffered_writes", "io"):
            assert not capabilities.pop(name), "not wholly with these control groups, and not asked for"
        assert observed["limits_enforced"] is True
        assert observed["mode"] == "systemd"
        assert len(observed["gpus"]) == 2
        names = (
            "cpu",
            "memory",
            "tasks",
            "devices",
            "disk_quota",
            "hidepid",
            "private_tmp",
            "network_deny",
            "own_network",
            "own_log",
            "ssh_startups",
            "network_rate",
            "published_ports",
        )
        assert capabilities == dict.fromkeys(names, True)

    async def test_observe_reports_what_is_free_where_the_homes_are(self, north: Enrolled, channel: Channel) -> None:
        before, seen = await _homes(north), await channel.ask("observe")
        after = await _homes(north)
        gib = sorted(blocks * size >> 30 for blocks, size, _, _ in (before, after))
        assert gib[0] - OTHERS_GIB <= seen["disk_free_gib"] <= gib[1] + OTHERS_GIB
        if before[3] == 0:  # btrfs, for one, makes inodes as it needs them
            assert seen["inodes_free"] is None
        else:
            inodes = sorted((before[2], after[2]))
            assert inodes[0] - OTHERS_INODES <= seen["inodes_free"] <= inodes[1] + OTHERS_INODES

    async def test_probes_at_the_same_time_do_not_spoil_each_other(self, north: Enrolled) -> None:
        await north.node.run_as_root("rm", "-f", "/run/sublet/capabilities.json")

        async def probe() -> bool:
            async with north.control.protocol(north.node) as channel:
                return bool((await channel.ask("probe"))["limits_enforced"])

        assert await asyncio.gather(*(probe() for _ in range(4))) == [True] * 4


async def _homes(north: Enrolled) -> list[int]:
    """Free blocks, their size, free inodes and inodes in all, as the node's own `stat` sees the homes."""
    return [int(word) for word in (await north.node.run_as_root("stat", "-fc", "%a %S %d %c", "/home")).text.split()]
