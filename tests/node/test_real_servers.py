"""Enrolment on servers as people have them: everything is looked at first, and what their owners do goes on."""

import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import asyncssh
import pytest

from sublet.fleet import host_signatures
from sublet_sandbox.nodes.commands import CommandFailed, Completed
from tests.node.conftest import Enrolled
from tests.node.control_plane import TOKEN, Channel, Refused, Tenant
from tests.node.test_limits import run_as

pytestmark = [pytest.mark.anyio, pytest.mark.node]

HARDENED = "/etc/ssh/sshd_config.d/00-hardened.conf"
CONFIG = "/etc/ssh/sshd_config"
# Of all that there is on the disks: kind, mode, owner, and what is in it or where it leads. Logs grow by themselves.
TREE = r"""
cd /
find etc usr/local var/lib var/spool home root opt srv -xdev \( -path var/lib/systemd -o -path root/left \) -prune -o \
  -printf '%y %m %U:%G %p %l\n' | sort
find etc usr/local var/lib/sublet var/spool home root -xdev -path root/left -prune -o -type f -print0 | sort -z |
  xargs -0 sha256sum
nft list tables; ip -br link; cat /proc/sys/net/ipv4/ip_forward /proc/mounts; systemctl show ssh.service -pExecStart |
  sed 's/;.start_time.*//'
sshd -T -C user=sublet,host=x,addr=127.0.0.1; sshd -T -C user=al-aaaaaaaaaaaaaaaa,host=x,addr=127.0.0.1
"""
# Whatever is called after us, but for what is the test node's own: its state lies on a disk of its own.
OURS = re.compile(
    r"^[a-z] \d+ .*/sublet(?!-demo|-node\.pyz)(?! *$)|/run/sublet|inet sublet|sblt|/etc/sublet|system\.control"
)


@dataclass
class Server:
    """A node that its owner changes, and its own control plane."""

    enrolled: Enrolled
    url: str

    async def run(self, script: str, *, check: bool = True) -> Completed:
        return await self.enrolled.node.run_as_root("sh", "-c", script, check=check)

    async def enrol(self, *options: str, check: bool = False) -> Completed:
        return await self.enrolled.node.run_as_root(
            *("/root/sublet-node.pyz", "enrol", "--url", self.url, "--token-stdin", "--deny", "127.0.0.1:18080"),
            *options,
            stdin=f"{TOKEN}\n".encode(),
            check=check,
        )

    async def said_against_it(self, break_it: str, mend_it: str) -> str:
        """What the helper says when only looking, before anything of it was mended again."""
        joined = len(self.enrolled.control.enrolled)
        await self.run(break_it)
        try:
            done = await self.enrol()
            assert done.status == 1, done.text
            assert len(self.enrolled.control.enrolled) == joined, "the token was used"
            return done.stderr.decode()
        finally:
            await self.run(mend_it)


@pytest.fixture
async def server(pair: tuple[Enrolled, Enrolled], helper: Path) -> AsyncIterator[Server]:
    south = pair[1]
    await south.node.write_file("/root/sublet-node.pyz", helper.read_bytes(), mode=0o700)
    south.control.address = south.node.address
    async with south.control.serving() as port:
        yield Server(south, await south.node.enrol_url(port))


def _line(text: str) -> tuple[str, str]:
    return f"printf '%b\\n' '{text}' > {HARDENED}", f"rm {HARDENED}"


def _main(program: str) -> tuple[str, str]:
    return f"cp -p {CONFIG} /root/left && sed -i '{program}' {CONFIG}", f"mv /root/left {CONFIG}"


AGAINST = {
    "AllowUsers": (*_line("AllowUsers root admin"), f"because of `allowusers root` ({HARDENED}, line 1). Add a line"),
    "AllowGroups": (*_line("AllowGroups root"), "Add a line `AllowGroups sublet al-????????????????` beside it"),
    "DenyUsers": (*_line("DenyUsers al-*"), "lets `al-????????????????` in nowhere because of `denyusers al-*`"),
    "DenyGroups": (*_line("DenyGroups sublet"), "lets `sublet` in nowhere because of `denygroups sublet`"),
    "UsePAM": (*_line("UsePAM no"), f"`UsePAM no` ({HARDENED}, line 1) keeps sessions from being confined"),
    "Match": (
        *_line("Match all\\n  AuthenticationMethods publickey,password"),
        f"by `authenticationmethods publickey,password` ({HARDENED}, line 2) and not by Sublet's line",
    ),
    "Match from far": (
        *_line("Match Address *,!127.0.0.1\\n  ChrootDirectory /srv"),
        "by `chrootdirectory /srv`",
    ),
    "Algorithms": (*_line("PubkeyAcceptedAlgorithms ssh-ed25519"), "leaves ssh-ed25519-cert-v01@openssh.com out"),
    "HostKeyAlgorithms": (*_line("HostKeyAlgorithms ssh-ed25519"), "`HostKeyAlgorithms`"),
    "HostCertificate": (*_line("HostCertificate /etc/ssh/own-cert.pub"), "shows host certificates of your own already"),
    "broken": (*_line("Nonsense yes"), "sshd refuses its configuration as it is now"),
    "no drop-ins": (*_main("s/^Include/#Include/"), "does not include /etc/ssh/sshd_config.d/*.conf"),
    "drop-ins under Match": (
        *_main("s/^Include.*/Match User root\\n&\\nMatch all/"),
        "not allowed within a Match block",
    ),
    "a port never read": (*_line("Port 22\\nPort 2222"), "does not greet at port 2222"),
    "an address never read": (*_line("ListenAddress 192.0.2.1"), "does not greet at port 22"),
    "account": ("usermod -c somebody sublet", "usermod -c 'Sublet control plane' sublet", "is taken by an account"),
    "nologin": ("touch /etc/nologin", "rm /etc/nologin", "/etc/nologin keeps everybody but root out"),
    "sudoers": (
        "sed -i 's/^@includedir/#&/' /etc/sudoers",
        "sed -i 's/^#@includedir/@includedir/' /etc/sudoers",
        "does not include /etc/sudoers.d",
    ),
    "PAM": ("mv /etc/pam.d/sshd /root/left", "mv /root/left /etc/pam.d/sshd", "/etc/pam.d/sshd is missing"),
    "host key": (
        "mv /etc/ssh/ssh_host_ed25519_key.pub /root/left",
        "mv /root/left /etc/ssh/ssh_host_ed25519_key.pub",
        "Run `ssh-keygen -A` as root",
    ),
    "program": ("mv /usr/bin/ipcrm /root/left", "mv /root/left /usr/bin/ipcrm", "Install the package util-linux"),
}


class TestWhatIsLookedAt:
    @pytest.mark.parametrize("what", AGAINST)
    async def test_is_said_before_the_token_is_used(self, server: Server, what: str) -> None:
        break_it, mend_it, words = AGAINST[what]
        assert words in await server.said_against_it(break_it, mend_it)

    async def test_is_said_all_at_once_and_nothing_is_touched(self, server: Server) -> None:
        before = (await server.run(TREE)).text
        said = await server.said_against_it(
            f"printf 'UsePAM no\\nAllowUsers root\\n' > {HARDENED}; touch /etc/nologin", f"rm {HARDENED} /etc/nologin"
        )
        assert said.count("\n  - ") == 4
        assert "the join token is as good as before" in said
        assert (await server.run(TREE)).text.splitlines() == before.splitlines()

    async def test_includes_where_sublet_was_told_to_come(self, server: Server) -> None:
        told, address = server.enrolled.control.told, server.enrolled.node.address
        control = server.enrolled.control
        try:
            control.told = {**told, "port": 2222}
            said = (await server.enrol("--check")).stderr.decode()
            assert "Sublet was told port 2222, and sshd listens on 22 here" in said
            control.told = {**told, "address": "192.0.2.9"}
            assert "192.0.2.9 is none of this machine's addresses" in (await server.enrol("--check", check=True)).text
            control.told, control.ahead = told, timedelta(minutes=2)
            assert "This machine's clock is -120 s from" in (await server.enrol("--check")).stderr.decode()
        finally:
            control.told, control.ahead = told, timedelta(0)
        only = f"echo 'ListenAddress 127.0.0.1' > {HARDENED}; systemctl reload ssh; sleep 0.3"
        said = await server.said_against_it(only, f"rm {HARDENED}; systemctl reload ssh; sleep 0.3")
        assert f"was told the address {address}, and sshd listens at 127.0.0.1:22 alone ({HARDENED}, line 1)" in said


class TestTheOwnersClients:
    async def test_come_in_by_their_own_rules_and_customers_by_ours(self, server: Server) -> None:
        """Whatever the owner asks of everybody, customers are asked for a certificate or their key."""
        tenant = Tenant()
        strict = (
            "AuthenticationMethods password\\nPubkeyAuthentication no\\nAllowTcpForwarding no\\n"
            "ForceCommand /bin/false\\nPermitTTY no\\nAuthorizedKeysFile none\\nRevokedKeys /etc/ssh/revoked\\n"
            "Match Group root\\n  MaxSessions 1"
        )
        try:
            await server.run(f"touch /etc/ssh/revoked; {_line(strict)[0]}; systemctl reload ssh; sleep 0.2")
            await server.enrol("--check", check=True)
            own = (await server.run("sshd -T -C user=nobody,host=x,addr=203.0.113.9")).text
            assert "revokedkeys /etc/ssh/revoked" in own
            assert "trustedusercakeys none" in own
            async with server.enrolled.control.protocol(server.enrolled.node) as channel:
                await channel.ask("apply", tenant.desired(), generation=1)
                assert await run_as(server.enrolled, tenant, "whoami") == (f"{tenant.login}\n", 0)
                assert (await channel.ask("release", tenant.subject, generation=2))["clean"]
        finally:
            await server.run(f"rm -f {HARDENED} /etc/ssh/revoked; systemctl reload ssh")


class TestAnSshdThatDoesNotGoOn:
    async def test_gets_its_configuration_back_and_the_same_token_is_good(self, server: Server) -> None:
        """This one hangs over any other drop-in than the one that it has."""
        place, unit = "/etc/ssh/sshd_config.d/10-sublet.conf", "/etc/systemd/system/ssh.service.d"
        hangs = f'ExecReload=/bin/sh -c "grep -q ^.liked {place} || kill -STOP $MAINPID"'
        await server.enrolled.node.write_file(f"{unit}/own.conf", f"[Service]\nExecReload=\n{hangs}\n".encode())
        try:
            await server.run(f"echo '#liked' >> {place}; systemctl daemon-reload; systemctl restart ssh")
            liked = (await server.run(f"cat {place}")).text
            done = await server.enrol()
            assert done.status == 1
            assert "sshd does not go on: it did not greet any more at" in done.stderr.decode()
            assert "It was taken back, and sshd greets as before" in done.stderr.decode()
            assert (await server.run(f"cat {place}")).text == liked
        finally:
            await server.run(f"rm -r {unit}; sed -i /^#liked/d {place}; systemctl daemon-reload; systemctl restart ssh")
        async with server.enrolled.control.protocol(server.enrolled.node) as channel:
            await channel.ask("observe")


UNITS = "/etc/systemd/system"
EACH_CONNECTION = """
[Service]
ExecStart=-/usr/sbin/sshd -i
StandardInput=socket
RuntimeDirectory=sshd
RuntimeDirectoryMode=0755
"""


# As Ubuntu has it: a generator's addresses of the socket, cloud images' sshd, a group's look into homes, its umask.
LIKE_UBUNTU = r"""set -e; tar -C /etc -cf /root/left pam.d/common-session login.defs nsswitch.conf
echo 'session optional pam_umask.so' >> /etc/pam.d/common-session
sed -i '/^HOME_MODE/d; s/^UMASK.*/UMASK 002\nHOME_MODE 0750/' /etc/login.defs
sed -i 's/^\(passwd\|group\|shadow\):.*files/& systemd/' /etc/nsswitch.conf
printf 'PasswordAuthentication yes\nKbdInteractiveAuthentication no\n' > /etc/ssh/sshd_config.d/50-cloud-init.conf"""
LIKE_DEBIAN = "tar -C /etc -xf /root/left; rm -f /root/left /etc/ssh/sshd_config.d/50-cloud-init.conf"
BY_GENERATOR = "ListenStream=\nListenStream=0.0.0.0:22\nListenStream=[::]:22\nBindIPv6Only=ipv6-only\n"


class TestSocketActivation:
    @pytest.mark.parametrize("accepts", ["yes", "no"])
    async def test_lets_a_node_join_and_customers_in(self, server: Server, accepts: str) -> None:
        """One service for each connection, as Debian had it, or one that the first connection starts, as Ubuntu."""
        tenant = Tenant()
        conflicts, addresses = ("Conflicts=ssh.service", "") if accepts == "yes" else ("Conflicts=", BY_GENERATOR)
        await server.enrolled.node.write_file(f"{UNITS}/ssh@.service", EACH_CONNECTION.encode())
        await server.enrolled.node.write_file(
            f"{UNITS}/ssh.socket.d/own.conf", f"[Unit]\n{conflicts}\n[Socket]\nAccept={accepts}\n{addresses}".encode()
        )
        if accepts == "no":
            await server.run(LIKE_UBUNTU)
        await server.run(
            "systemctl disable -q --now ssh.service; systemctl daemon-reload; systemctl start ssh.socket; "
            f"rm -rf /run/sshd; systemctl show -P Accept ssh.socket | grep -qx {accepts}"
        )
        try:
            done = await server.enrol(check=True)
            assert "sshd now knows" in done.text
            async with server.enrolled.control.protocol(server.enrolled.node) as channel:
                await channel.ask("apply", tenant.desired(), generation=1)
                shown = await run_as(server.enrolled, tenant, "whoami; stat -c %a ~; ls /home")
                assert shown == (f"{tenant.login}\n700\n{tenant.login}\n", 0)
                assert (await channel.ask("release", tenant.subject, generation=2))["clean"]
        finally:
            await server.run(
                # Each connection's service takes /run/sshd with it when it ends, whoever else needs it.
                "systemctl stop ssh.socket ssh.service 'ssh@*.service'; "
                f"rm -r {UNITS}/ssh.socket.d {UNITS}/ssh@.service; systemctl daemon-reload; "
                f"test ! -e /root/left || {{ {LIKE_DEBIAN}; }}; "
                "systemctl reset-failed ssh.service; systemctl enable -q --now ssh.service"
            )


class TestADirectory:
    PERSON = 200_123

    @pytest.fixture
    async def person(self, server: Server) -> AsyncIterator[asyncssh.SSHKey]:
        """Somebody whom the owner's directory knows, with a number of the kind that allocations have."""
        key = asyncssh.generate_private_key("ssh-ed25519")
        line = f"ann:x:{self.PERSON}:{self.PERSON}:Ann:/srv/ann:/bin/bash"
        public = key.export_public_key().decode()
        await server.run(
            f"mkdir -p /var/lib/extrausers /srv/ann/.ssh; echo '{line}' > /var/lib/extrausers/passwd; "
            f"echo 'ann:*:19000::::::' > /var/lib/extrausers/shadow; "
            f"echo '{public.strip()}' > /srv/ann/.ssh/authorized_keys; chown -R {self.PERSON} /srv/ann; "
            "cp -p /etc/nsswitch.conf /root/left; "
            "sed -i 's/^\\(passwd\\|shadow\\):.*files/& extrausers/' /etc/nsswitch.conf"
        )
        try:
            yield key
        finally:
            await server.run("mv /root/left /etc/nsswitch.conf; rm -r /var/lib/extrausers /srv/ann; sublet-node boot")

    async def test_keeps_its_people_as_they_were(self, server: Server, person: asyncssh.SSHKey) -> None:
        said = (await server.enrol(check=True)).text
        assert "WARNING: People of this machine come from a directory too (extrausers)" in said
        assert "skuid" not in (await server.run("nft list table inet sublet")).text
        node, control = server.enrolled.node, server.enrolled.control
        async with control.login(node, "ann", person) as connection, control.protocol(node) as channel:
            shown = await connection.run("id -un; ls -d /root /var/lib/sublet; readlink /proc/self/ns/net", check=False)
            assert str(shown.stdout).splitlines()[:2] == ["ann", "/root"]
            outside = (await server.run("readlink /proc/1/ns/net")).text
            assert str(shown.stdout).splitlines()[-1] == outside
            tenant = Tenant(uid=self.PERSON)
            with pytest.raises(Refused, match="uid_not_available: Uid 200123 is ann's in this node's directory"):
                await channel.ask("apply", tenant.desired(), generation=1)
            assert (await channel.ask("release", tenant.subject, generation=2))["clean"]
            assert self.PERSON not in [one["uid"] for one in (await channel.ask("observe"))["unknown"]]


class TestUseradd:
    async def test_of_earlier_versions_makes_accounts_too(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        """shadow 4.8.1, as Ubuntu 22.04 has it, takes a count of no subordinate uids for a mistake."""
        refuses = """#!/bin/sh
case " $* " in *" SUB_UID_COUNT=0 "*) echo "Can't get unique subordinate UID range" >&2; exit 16 ;; esac
exec /usr/sbin/useradd.real "$@"
"""
        await north.node.run_as_root("mv", "/usr/sbin/useradd", "/usr/sbin/useradd.real")
        await north.node.write_file("/usr/sbin/useradd", refuses.encode(), mode=0o755)
        try:
            await channel.ask("apply", tenant.desired(), generation=1)
        finally:
            await north.node.run_as_root("mv", "/usr/sbin/useradd.real", "/usr/sbin/useradd")
        entry = (await north.node.run_as_root("grep", f"^{tenant.login}:", "/etc/passwd")).text.split(":")
        assert entry[2:4] == [str(tenant.uid), str(tenant.uid)]
        files = (await north.node.run_as_root("cat", "/etc/subuid", "/etc/subgid", check=False)).text
        assert tenant.login not in files


# The last account that was made is in a copy of its own; a line without an end is one, and one that ends as on Windows.
ODD = r"""set -e
tar -C /etc -cf /root/left passwd group shadow gshadow subuid subgid ssh/sshd_config pam.d
useradd -r lately; cd /etc
printf 'lately:900000:10\n' >> subuid; printf 'lately:900000:10\n' >> subgid; printf '# no end\n' >> pam.d/cron
sed -i 's/$/\r/' ssh/sshd_config; sed -i 's/^lately:.*/&\r/' passwd; sed -i '1i # M\xfcller\r' pam.d/sshd
truncate -s -1 passwd group shadow gshadow subuid subgid ssh/sshd_config pam.d/cron pam.d/sshd
sshd -t"""


class TestLeaving:
    """A whole life as a node: nothing of it is left, whether it came to an end early or late."""

    UNENROL = ("/usr/local/sbin/sublet-node", "unenrol")
    ALGORITHMS = ("ecdsa-sha2-nistp256", "rsa-sha2-512", "ssh-ed25519")

    async def test_leaves_every_byte_and_every_host_key_as_it_was(self, server: Server) -> None:
        control, node, tenant = server.enrolled.control, server.enrolled.node, Tenant()
        await node.run_as_root(*self.UNENROL)
        await server.run(f"ssh-keygen -A; {ODD}; systemctl restart ssh")
        before = (await server.run(TREE)).text
        assert [line for line in before.splitlines() if OURS.search(line)] == []
        keys = await self.host_keys(server)
        assert None not in keys
        await self.fails_first(server)
        assert (await server.run(TREE)).text.splitlines() == before.splitlines()
        await server.enrol(check=True)
        assert await self.host_keys(server) == keys
        # Who names their own has sshd offer no other; the one that is certified comes beside them.
        await server.run(f"echo 'HostKey /etc/ssh/ssh_host_ecdsa_key' > {HARDENED}; systemctl restart ssh")
        await server.enrol(check=True)
        assert await self.host_keys(server) == [keys[0], None, keys[2]]
        await server.run(f"rm {HARDENED}")
        async with contextlib.AsyncExitStack() as stack:
            channel = await stack.enter_async_context(control.protocol(node))
            await channel.ask("apply", tenant.desired(), generation=1)
            certificate = control.user_certificate(tenant.login)
            customer = await stack.enter_async_context(control.login(node, tenant.login, *certificate))
            with pytest.raises(CommandFailed, match="Release them first"):
                await node.run_as_root(*self.UNENROL)
            await channel.ask("observe")
            said = (await node.run_as_root(*self.UNENROL, "--force")).text
            assert f"{tenant.login} is gone" in said
            with pytest.raises((ConnectionError, asyncssh.Error)):
                await channel.ask("observe")
            with pytest.raises(asyncssh.Error):
                await customer.run("true", check=True)
        self.it_was_told(server)
        assert (await server.run(TREE)).text.splitlines() == before.splitlines()
        await server.run("tar -C /etc -xf /root/left; rm /root/left /etc/ssh/ssh_host_[er][cs]*")
        await server.enrol(check=True)

    async def fails_first(self, server: Server) -> None:
        """With a certificate for another key than the node's: seen only when nearly all is done."""
        server.enrolled.control.certifies = asyncssh.generate_private_key("ssh-ed25519")
        done = await server.enrol()
        server.enrolled.control.certifies = None
        assert done.status == 1
        assert "host certificate is for another host key" in done.stderr.decode()
        assert "taken back; the same command can be run again" in done.text

    def it_was_told(self, server: Server) -> None:
        """By who it is: the machine signs with the host key that it joined with."""
        left, key = server.enrolled.control.left[-1], server.enrolled.control.enrolled[-1]["host_public_key"]
        message, by = f"nd_test {left['at']}".encode(), host_signatures.is_by
        assert by(key, message, left["signature"], namespace="sublet-leave")
        assert not by(key, message + b"!", left["signature"], namespace="sublet-leave")
        assert not by(key, message, left["signature"], namespace="another")
        another = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
        assert not by(another, message, left["signature"], namespace="sublet-leave")

    async def host_keys(self, server: Server) -> list[bytes | None]:
        """What sshd shows to who asks for one kind; None where it cuts them off, having none."""
        node, found = server.enrolled.node, []
        for algorithm in self.ALGORITHMS:
            key = None
            with contextlib.suppress(OSError, asyncssh.Error):
                key = await asyncssh.get_server_host_key(
                    node.address, node.port, config=None, server_host_key_algs=[algorithm]
                )
            found.append(key and key.export_public_key())
        return found
