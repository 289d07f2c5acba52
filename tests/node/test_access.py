"""Who gets in, and as whom. Every refusal here is sshd's own."""

import asyncio
import base64
import time
from pathlib import Path

import asyncssh
import pytest

from sublet.fleet import krl
from tests.node.conftest import Enrolled
from tests.node.control_plane import Channel, ControlPlane, Refused, Tenant
from tests.node.test_limits import run_as

pytestmark = [pytest.mark.anyio, pytest.mark.node]


async def refused(enrolled: Enrolled, user: str, *credentials: object) -> bool:
    """True when sshd refuses these credentials for that user."""
    try:
        async with enrolled.control.login(enrolled.node, user, *credentials):  # type: ignore[arg-type]  # key, then certificate
            return False
    except asyncssh.PermissionDenied:
        return True


LIARS = """
import ctypes, os, sys, time

where = int(open("/proc/self/stat").read().rpartition(")")[2].split()[45])
title = ("sshd: " + sys.argv[2] + " ").encode()
for _ in range(8):
    if os.fork() == 0:
        mine = 0
        while True:
            while mine and os.waitpid(-1, os.WNOHANG)[0]:
                mine -= 1
            if mine < 4:
                mine += 1
                if os.fork() == 0:
                    ctypes.memmove(where, title, len(title))
                    time.sleep(600)
            time.sleep(0.001)
time.sleep(600)
"""
"""Processes that call themselves the login's sshd, and others that make a new one for each that is killed."""


class _Hesitant(asyncssh.SSHClient):
    """Somebody whom sshd knows by name, and who takes a minute to show a key."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def public_key_auth_requested(self) -> None:
        """Say that sshd has asked, and let it wait."""
        self.asked.set()
        await asyncio.sleep(60)


async def settled(channel: Channel) -> str:
    """What a login comes through, once sshd has read all anew: told alike ten times in a row."""
    told: list[str] = []
    while len(told) < 200 and (len(told) < 10 or len(set(told[-10:])) > 1):
        told.append((await channel.ask("observe"))["doors"])
        await asyncio.sleep(0.1)
    return told[-1]


class TestCustomerCertificates:
    async def test_the_own_principal_gets_in(self, north: Enrolled, channel: Channel, tenant: Tenant) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        assert await run_as(north, tenant, "whoami") == (f"{tenant.login}\n", 0)

    async def test_expired_wrong_rogue_and_early_ones_are_refused(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        issue, login = north.control.user_certificate, tenant.login
        rogue = asyncssh.generate_private_key("ssh-ed25519")
        assert await refused(north, login, *issue(login, after="-2m", before="-1s"))
        assert await refused(north, login, *issue(login, after="+1m", before="+2m"))
        assert await refused(north, login, *issue(Tenant().login))
        assert await refused(north, login, *issue(login, signer=rogue))
        assert await refused(north, login, *issue("sublet-control-nd_test"))
        assert not await refused(north, login, *issue(login))

    async def test_no_certificate_opens_root_or_the_control_account(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        for principal in (tenant.login, "sublet-control-nd_test", "root"):
            assert await refused(north, "root", *north.control.user_certificate(principal))
        for principal in (tenant.login, "sublet-control", "sublet-control-nd_another"):
            assert await refused(north, "sublet", *north.control.user_certificate(principal))

    async def test_a_revoked_certificate_is_refused_and_others_still_work(
        self, north: Enrolled, channel: Channel, tenant: Tenant, tmp_path: Path
    ) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        (tmp_path / "ca.pub").write_bytes(north.control.user_ca.export_public_key())
        (tmp_path / "spec").write_text("serial: 99\n")
        process = await asyncio.create_subprocess_exec(
            *("ssh-keygen", "-q", "-k", "-f", str(tmp_path / "krl"), "-s", str(tmp_path / "ca.pub")),
            str(tmp_path / "spec"),
        )
        assert await process.wait() == 0
        public = (await channel.ask("trust", await _trust(north)))["host_public_key"]
        north.control.revoked = (tmp_path / "krl").read_bytes()
        try:
            await channel.ask("trust", north.control.trust(public))
            assert await refused(north, tenant.login, *north.control.user_certificate(tenant.login, serial=99))
            assert not await refused(north, tenant.login, *north.control.user_certificate(tenant.login, serial=98))
        finally:
            north.control.revoked = b""
            await channel.ask("trust", north.control.trust(public))

    async def test_an_older_list_of_revoked_keys_never_replaces_a_newer_one_with_all_that_is_trusted_or_alone(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        public = (await channel.ask("trust", await _trust(north)))["host_public_key"]
        authority, now = north.control.user_ca.public_data, int(time.time())

        def listed(serials: list[int], at: int) -> bytes:
            return krl.build({authority: serials}, version=at * 1_000_000, generated_at=at)

        try:
            north.control.revoked = listed([99], now)
            await channel.ask("trust", north.control.trust(public))
            north.control.revoked = listed([], now - 1)
            with pytest.raises(Refused) as late:
                await channel.ask("trust", north.control.trust(public))
            assert late.value.code == "stale_generation"
            assert await refused(north, tenant.login, *north.control.user_certificate(tenant.login, serial=99))
            for at in (now + 86400, now + 1):  # a clock was wrong by a day, and is right again
                north.control.revoked = listed([99], at)
                await channel.ask("trust", north.control.trust(public))
            # Who comes in by now has been heard by the sshd that has read the newest host certificate.
            assert await refused(north, tenant.login, *north.control.user_certificate(tenant.login, serial=99))
            doors = await settled(channel)
            alone = {"revoked_keys_base64": base64.b64encode(listed([98], now + 2)).decode()}
            assert await channel.ask("revoke", alone) == {"revoked_keys_version": (now + 2) * 1_000_000}
            assert await refused(north, tenant.login, *north.control.user_certificate(tenant.login, serial=98))
            assert (await channel.ask("observe"))["doors"] == doors  # sshd went on as it was
            with pytest.raises(Refused) as late:
                await channel.ask("revoke", {"revoked_keys_base64": base64.b64encode(listed([], now + 1)).decode()})
            assert late.value.code == "stale_generation"
        finally:
            north.control.revoked = b""
            await north.node.run_as_root("truncate", "-s", "0", "/etc/sublet/revoked_keys")

    async def test_registered_keys_get_in_and_keys_in_the_home_do_not(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        registered, smuggled = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
        line = registered.export_public_key().decode().strip()
        await channel.ask("apply", tenant.desired(authorized_keys=[line]), generation=1)
        own = smuggled.export_public_key().decode().strip()
        await run_as(north, tenant, f"mkdir -m700 .ssh && echo '{own}' > .ssh/authorized_keys")
        assert not await refused(north, tenant.login, registered)
        assert await refused(north, tenant.login, smuggled)

    async def test_what_lets_people_into_the_nodes_other_accounts_does_not_count(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        anybody = asyncssh.generate_private_key("ssh-ed25519")
        line = anybody.export_public_key().decode().strip()
        await channel.ask("apply", tenant.desired(), generation=1)
        program, setting = "/usr/local/sbin/anybody", "/etc/ssh/sshd_config.d/20-owner.conf"
        await north.node.write_file(program, f"#!/bin/sh\necho '{line}'\n".encode(), mode=0o755)
        await north.node.write_file(
            setting, f"AuthorizedKeysCommand {program} %u\nAuthorizedKeysCommandUser nobody\n".encode()
        )
        await north.node.run_as_root("systemctl", "reload", "ssh.service")
        try:
            assert not await refused(north, "root", anybody)
            assert await refused(north, tenant.login, anybody)
            assert await refused(north, "sublet", anybody)
        finally:
            await north.node.run_as_root("rm", program, setting)
            await north.node.run_as_root("systemctl", "reload", "ssh.service")


class TestLosingAccess:
    async def test_ends_open_connections_once_and_leaves_what_runs_without_one(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        key = asyncssh.generate_private_key("ssh-ed25519")
        line = key.export_public_key().decode().strip()
        await channel.ask("apply", tenant.desired(authorized_keys=[line]), generation=1)
        await run_as(north, tenant, "nohup sleep 600 >/dev/null 2>&1 </dev/null & true")
        certified = north.control.user_certificate(tenant.login)
        async with (
            north.control.login(north.node, tenant.login, key) as by_key,
            north.control.login(north.node, tenant.login, *certified) as by_certificate,
        ):
            shells = [
                await connection.create_process("bash", term_type="xterm") for connection in (by_key, by_certificate)
            ]
            await channel.ask("apply", tenant.desired(disconnect_generation=2), generation=2)
            for shell in shells:
                await asyncio.wait_for(shell.wait_closed(), 5)
        assert await refused(north, tenant.login, key)
        async with north.control.login(north.node, tenant.login, *certified) as connection:
            await channel.ask("apply", tenant.desired(disconnect_generation=2), generation=3)
            gone = "while pgrep -x bash | grep -qvx $$; do :; done"
            done = await asyncio.wait_for(connection.run(f"{gone}; pgrep -c -x sleep"), 5)
        assert str(done.stdout) == "1\n"

    async def test_ends_no_connection_of_a_key_that_still_counts(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        stays, goes = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
        lines = [key.export_public_key().decode().strip() for key in (stays, goes)]
        await channel.ask("apply", tenant.desired(authorized_keys=lines), generation=1)
        async with (
            north.control.login(north.node, tenant.login, stays) as kept,
            north.control.login(north.node, tenant.login, goes) as lost,
        ):
            shells = [await connection.create_process("bash", term_type="xterm") for connection in (kept, lost)]
            # Whoever shares the login may say anything there, and it proves nothing.
            lie = f"Accepted publickey for {tenant.login} from 10.0.0.1 port 1 ssh2: ED25519 {stays.get_fingerprint()}"
            await lost.run(f"logger -t sshd '{lie}'; logger -t 'sshd[1]' '{lie}'")
            asked = tenant.desired(authorized_keys=lines[:1], disconnect_generation=2)
            await channel.ask("apply", asked, generation=2)
            await asyncio.wait_for(shells[1].wait_closed(), 5)
            assert str((await kept.run("echo still here")).stdout) == "still here\n"
            assert not shells[0].is_closing()
        assert await refused(north, tenant.login, goes)

    async def test_is_held_up_by_no_login_that_calls_itself_sshd(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        await run_as(
            north, tenant, f"nohup python3 -c '{LIARS}' {'-' * 60} {tenant.login} >/dev/null 2>&1 </dev/null & true"
        )
        certified = north.control.user_certificate(tenant.login)
        async with north.control.login(north.node, tenant.login, *certified) as connection:
            shell = await connection.create_process("bash", term_type="xterm")
            liars = f"until pgrep -f '^sshd: {tenant.login} ' -c | grep -qx 3[0-9]; do sleep 0.1; done"
            await asyncio.wait_for(connection.run(liars, check=True), 10)
            await channel.ask("apply", tenant.desired(disconnect_generation=2), generation=2)
            await asyncio.wait_for(shell.wait_closed(), 5)
        said = await north.node.run_as_root("pgrep", "-c", "-f", f"^sshd: {tenant.login} ")
        assert int(said.text) >= 30  # what runs without a connection goes on, whatever it calls itself

    async def test_ends_them_also_without_systemd(self, plain: Enrolled) -> None:
        tenant = Tenant()
        async with plain.control.protocol(plain.node) as channel:
            await channel.ask("apply", tenant.desired(), generation=1)
            certified = plain.control.user_certificate(tenant.login)
            async with plain.control.login(plain.node, tenant.login, *certified) as connection:
                shell = await connection.create_process("sh", term_type="xterm")
                await channel.ask("apply", tenant.desired(disconnect_generation=2), generation=2)
                await asyncio.wait_for(shell.wait_closed(), 5)
            assert (await channel.ask("release", tenant.subject, generation=3))["clean"] is True


class TestLoggingInJustBeforeTheRelease:
    async def test_leaves_no_session_that_waits_for_nobody(self, north: Enrolled, channel: Channel) -> None:
        for _ in range(15):  # logind loses sight of about one in five such sessions
            tenant = Tenant()
            await channel.ask("apply", tenant.desired(), generation=1)
            async with north.control.login(north.node, tenant.login, *north.control.user_certificate(tenant.login)):
                pass
            assert (await channel.ask("release", tenant.subject, generation=2))["clean"] is True


class TestControlAccount:
    @pytest.mark.parametrize("arguments", [["probe"], ["unenrol"], ["rpc", "x"], ["enrol", "--url", "x"], []])
    async def test_may_raise_its_rights_for_nothing_but_the_protocol(
        self, north: Enrolled, arguments: list[str]
    ) -> None:
        as_sublet = ("setpriv", "--reuid", "sublet", "--regid", "sublet", "--init-groups", "sudo", "-n")
        helper = "/usr/local/sbin/sublet-node"
        done = await north.node.run_as_root(*as_sublet, helper, *arguments, check=False)
        assert done.status != 0
        assert b"password is required" in done.stderr
        assert (await north.node.run_as_root(*as_sublet, helper, "rpc")).text == ""


class TestControlCertificate:
    async def test_a_command_a_shell_and_a_terminal_all_end_at_the_protocol(self, north: Enrolled) -> None:
        async with north.control.login(
            north.node, "sublet", *north.control.user_certificate("sublet-control-nd_test")
        ) as connection:
            done = await connection.run("id; cat /etc/shadow", input="id\n")
            assert '"code":"bad_request"' in str(done.stdout)
            assert "root:" not in str(done.stdout)
            with pytest.raises((asyncssh.ChannelOpenError, asyncssh.ProcessError)):
                await connection.run("id", term_type="xterm", check=True)

    async def test_forwarding_and_file_transfer_are_refused(self, north: Enrolled) -> None:
        async with north.control.login(
            north.node, "sublet", *north.control.user_certificate("sublet-control-nd_test")
        ) as connection:
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.open_connection("127.0.0.1", 22)
            # sshd starts the forced command instead, which does not answer to SFTP.
            with pytest.raises((asyncssh.Error, TimeoutError)):
                await asyncio.wait_for(connection.start_sftp_client(), 2)


class TestHostCertificate:
    async def test_a_host_certified_by_another_authority_is_refused(self, north: Enrolled) -> None:
        stranger = ControlPlane(user_ca=north.control.user_ca, address=north.control.address)
        with pytest.raises(asyncssh.HostKeyNotVerifiable):
            async with stranger.login(north.node, "sublet", *stranger.user_certificate("sublet-control-nd_test")):
                pass

    async def test_renewal_is_used_for_the_next_connection(self, north: Enrolled, channel: Channel) -> None:
        renewed = await channel.ask("trust", await _trust(north))
        assert renewed["host_certificate_valid_before"].endswith("Z")
        async with north.control.protocol(north.node) as another:
            await another.ask("observe")

    async def test_a_certificate_that_would_not_work_changes_nothing(self, north: Enrolled, channel: Channel) -> None:
        trust = await _trust(north)
        key = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
        expired = north.control.host_certificate(_key_of(trust), valid_before="-10s")
        for line, code in (
            (north.control.host_certificate(key), "host_key_mismatch"),
            (expired, "host_certificate_not_valid_now"),
            ("garbage", "bad_request"),
        ):
            with pytest.raises(Refused) as refusal:
                await channel.ask("trust", {**trust, "host_certificate": line})
            assert refusal.value.code == code
        without = {name: value for name, value in trust.items() if name != "revoked_keys_base64"}
        for params in (without, {**trust, "revoked_keys_base64": base64.b64encode(b"garbage").decode()}):
            with pytest.raises(Refused) as refusal:
                await channel.ask("trust", params)
            assert refusal.value.code == "bad_request"
        async with north.control.protocol(north.node) as another:
            await another.ask("observe")


class TestSuspension:
    async def test_ends_sessions_and_keeps_data_until_resumed(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        await run_as(north, tenant, "echo kept > note; nohup sleep 600 >/dev/null 2>&1 </dev/null & true")
        async with north.control.login(
            north.node, tenant.login, *north.control.user_certificate(tenant.login)
        ) as connection:
            shell = await connection.create_process("cat", term_type="xterm")
            suspended = await channel.ask("apply", tenant.desired(state="suspended"), generation=2)
            await asyncio.wait_for(shell.wait_closed(), 5)
        assert suspended["login_open"] is False
        seen = await channel.ask("observe")
        mine = next(entry for entry in seen["allocations"] if entry["allocation"] == tenant.allocation)
        assert (mine["state"], mine["processes"], mine["login_open"]) == ("suspended", 0, False)
        assert await refused(north, tenant.login, *north.control.user_certificate(tenant.login))
        await channel.ask("apply", tenant.desired(), generation=3)
        assert await run_as(north, tenant, "cat note") == ("kept\n", 0)

    async def test_ends_whoever_is_just_logging_in(self, north: Enrolled, channel: Channel, tenant: Tenant) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        somebody = _Hesitant()
        login = asyncio.ensure_future(
            asyncssh.connect(
                *(north.node.address, north.node.port),
                username=tenant.login,
                client_factory=lambda: somebody,
                known_hosts=north.control.known_hosts,
                agent_path=None,
                config=None,
            )
        )
        await asyncio.wait_for(somebody.asked.wait(), 10)
        await channel.ask("apply", tenant.desired(state="suspended"), generation=2)
        with pytest.raises((OSError, asyncssh.Error)):
            await asyncio.wait_for(login, 5)


async def _trust(enrolled: Enrolled) -> dict[str, object]:
    line = (await enrolled.node.run_as_root("cat", "/etc/ssh/ssh_host_ed25519_key.pub")).text
    return enrolled.control.trust(line)


def _key_of(trust: dict[str, object]) -> str:
    certificate = asyncssh.import_certificate(str(trust["host_certificate"]))
    return certificate.key.export_public_key().decode()
