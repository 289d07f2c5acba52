"""A login sees nothing of others, and one that cannot be confined does not get in."""

import asyncssh
import pytest

from tests.node.conftest import Enrolled
from tests.node.control_plane import Channel, Tenant
from tests.node.test_limits import run_as

pytestmark = [pytest.mark.anyio, pytest.mark.node]

MODULE = "/usr/local/lib/sublet/pam_sublet.so"


async def gets_in(enrolled: Enrolled, tenant: Tenant) -> bool:
    """Whether the customer can do anything at all with a connection."""
    for terminal in (None, "xterm"):
        try:
            credentials = enrolled.control.user_certificate(tenant.login)
            async with enrolled.control.login(enrolled.node, tenant.login, *credentials) as connection:
                if "inside" in str((await connection.run("echo inside", term_type=terminal)).stdout):
                    return True
                async with connection.start_sftp_client() as sftp:
                    if "etc" in await sftp.listdir("/"):
                        return True
        except (asyncssh.Error, OSError):
            continue
    return False


async def capabilities(channel: Channel) -> dict[str, tuple[bool, str]]:
    """What the node says it can enforce of confinement."""
    found = (await channel.ask("probe"))["capabilities"]
    wanted = ("hidepid", "private_tmp")
    return {entry["name"]: (entry["enforced"], entry["detail"]) for entry in found if entry["name"] in wanted}


class TestOthers:
    async def test_are_not_told_of_by_sockets_files_or_control_groups(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        other = Tenant()
        await channel.ask("apply", tenant.desired(), generation=1)
        await channel.ask("apply", other.desired(), generation=1)
        records = "/var/lib/wtmpdb /var/lib/lastlog"
        await north.node.run_as_root(
            "sh", "-c", f"mkdir -p {records}; for place in {records}; do echo {other.login} >$place/db; done"
        )
        ask = (
            "find /sys/fs/cgroup /run/systemd /run/dbus /run/user; cat /sys/fs/cgroup/*/cgroup.procs;"
            f"cat /var/lib/wtmpdb/db /var/lib/lastlog/db; ls -d /sys/fs/cgroup/*/user.slice/user-{tenant.uid}.slice"
        )
        try:
            await run_as(north, other, "sleep 300 </dev/null >/dev/null 2>&1 &")
            told = (await north.node.run_as_root("bash", "-c", ask, check=False)).text
            for thing in (f"user-{other.uid}.slice", other.login, "io.system.ManagedOOM", "system.slice"):
                assert thing in told, "there is something that could be told"
            said, _ = await run_as(north, tenant, ask)
        finally:
            await north.node.run_as_root("rm", "-r", *records.split())
            assert (await channel.ask("release", other.subject, generation=2))["clean"] is True
        for thing in (str(other.uid), other.login, "ManagedOOM", "userdb", "system.slice", "init.scope"):
            assert thing not in said
        assert f"/memory/user.slice/user-{tenant.uid}.slice" in said, "its own limits can be read"

    async def test_are_not_told_of_by_lists_of_accounts_and_keys(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        other = Tenant()
        key = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
        await channel.ask("apply", tenant.desired(), generation=1)
        # With this the node's lists of accounts are other files than those that were hidden.
        await channel.ask("apply", other.desired(authorized_keys=[f"{key} somebody@example.org"]), generation=1)
        ask = f"getent passwd; getent group; id {other.login}; grep -rs -e {other.login} -e somebody@example.org /etc"
        try:
            told = (await north.node.run_as_root("sh", "-c", ask, check=False)).text
            assert "somebody@example.org" in told
            said, _ = await run_as(north, tenant, f"{ask}; find /etc /run /var/lib -name '*{other.login}*'")
        finally:
            assert (await channel.ask("release", other.subject, generation=2))["clean"] is True
        assert "somebody@example.org" not in said
        assert said.count(other.login) == 1, "only the answer that there is no such user names it"
        assert said.count(f"{tenant.login}:x:{tenant.uid}:") == 2, "it knows itself"

    async def test_are_not_told_of_after_the_bus_was_started_again(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        ask = "echo ready; read go; busctl --timeout=2 list || echo no bus"
        credentials = north.control.user_certificate(tenant.login)
        async with north.control.login(north.node, tenant.login, *credentials) as connection:
            process = await connection.create_process(ask)
            assert await process.stdout.readline() == "ready\n"
            await north.node.run_as_root("systemctl", "restart", "dbus.socket", "dbus.service")
            process.stdin.write("\n")
            assert await process.stdout.readline() == "no bus\n"


class TestConfinement:
    async def test_by_a_damaged_module_does_not_count_and_lets_nobody_in(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        current = (await north.node.run_as_root("cat", MODULE)).stdout
        assert {enforced for enforced, _ in (await capabilities(channel)).values()} == {True}
        await north.node.write_file(MODULE, current[: len(current) // 2], mode=0o755)
        try:
            for enforced, detail in (await capabilities(channel)).values():
                assert not enforced
                assert detail.endswith("or is from an earlier version. Run enrol again.")
            assert not await gets_in(north, tenant)
        finally:
            await north.node.write_file(MODULE, current, mode=0o755)
        assert {enforced for enforced, _ in (await capabilities(channel)).values()} == {True}
        assert await gets_in(north, tenant)

    @pytest.mark.parametrize(
        "broken",
        [
            f"mv {MODULE} /root/away",
            "umount /run/sublet/pins/net/LOGIN",
            "umount /run/sublet/pins/ipc/LOGIN",
            "umount /run/sublet/pins/mnt/LOGIN",
            "umount /run/sublet/pins/mnt/LOGIN; mount --bind /proc/1/ns/net /run/sublet/pins/mnt/LOGIN",
            "umount --recursive --lazy /run/sublet/pins",
        ],
    )
    async def test_that_fails_lets_nobody_in(
        self, north: Enrolled, channel: Channel, tenant: Tenant, broken: str
    ) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        assert await gets_in(north, tenant)
        await north.node.run_as_root("sh", "-c", broken.replace("LOGIN", tenant.login))
        try:
            assert not await gets_in(north, tenant)
        finally:
            await north.node.run_as_root("sh", "-c", f"test -e {MODULE} || mv /root/away {MODULE}")
        await channel.ask("apply", tenant.desired(), generation=1)
        assert await gets_in(north, tenant)

    async def test_without_the_control_group_that_limits_it_lets_nobody_in(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        """systemd-logind makes it; a session that PAM lets go on without one has no limits, and every GPU."""
        await channel.ask("apply", tenant.desired(), generation=1)
        logind = "systemd-logind.service"
        await north.node.run_as_root("sh", "-c", f"systemctl mask -q --runtime {logind}; systemctl stop {logind}")
        try:
            assert not await gets_in(north, tenant)
        finally:
            await north.node.run_as_root(
                "sh", "-c", f"systemctl unmask -q --runtime {logind}; systemctl start {logind}"
            )
        assert await gets_in(north, tenant)
        shown, _ = await run_as(north, tenant, "cat /proc/self/cgroup")
        assert f"/user-{tenant.uid}.slice/" in shown

    @pytest.mark.parametrize(
        "lost",
        [
            "umount --lazy /run/sublet/logins/LOGIN/memory/shm /run/sublet/logins/LOGIN/memory",
            "umount --lazy /run/sublet/logins/LOGIN/pts",
            "umount --recursive --lazy /run/sublet/logins",
        ],
    )
    async def test_shows_places_anew_that_the_node_has_lost(
        self, north: Enrolled, channel: Channel, tenant: Tenant, lost: str
    ) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        await north.node.run_as_root("sh", "-c", lost.replace("LOGIN", tenant.login))
        await channel.ask("apply", tenant.desired(), generation=1)
        devices = "stat -c %d /dev/shm /dev/pts"
        own = f"cd /run/sublet/logins/{tenant.login}; stat -c %d memory/shm pts"
        shown, _ = await run_as(north, tenant, devices)
        assert shown.strip() == (await north.node.run_as_root("sh", "-c", own)).text

    async def test_says_in_the_nodes_log_why_somebody_gets_no_session(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        await north.node.run_as_root("umount", f"/run/sublet/pins/ipc/{tenant.login}")
        assert not await gets_in(north, tenant)
        log = (await north.node.run_as_root("journalctl", "-t", "sshd", "-n", "40", "--no-pager")).text
        assert f"sublet: {tenant.login} gets no session" in log
        assert "System V objects" in log

    async def test_forwards_nothing_for_whom_it_gives_no_session(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        listen = "import socket, time; s = socket.create_server(('127.0.0.1', 18097)); time.sleep(60)"
        await north.node.run_as_root("systemd-run", "--unit=of-the-node", "--quiet", "python3", "-c", listen)
        await north.node.run_as_root("umount", f"/run/sublet/pins/mnt/{tenant.login}")
        try:
            async with north.control.login(
                north.node, tenant.login, *north.control.user_certificate(tenant.login)
            ) as connection:
                with pytest.raises(asyncssh.ChannelOpenError):
                    await connection.open_connection("127.0.0.1", 18097)
                with pytest.raises(asyncssh.ChannelListenError):
                    await connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", 1)
        finally:
            await north.node.run_as_root("systemctl", "stop", "of-the-node")
