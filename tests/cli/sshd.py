"""A real OpenSSH server on a free port of the loopback, with its own authorities, run as whoever runs the tests."""

import grp
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.ports import free_port

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"
PRINCIPAL = "al-0000000000000001"
NODE_NAME = "node-a.sublet.internal"
PRIVILEGE_SEPARATION = Path("/run/sshd")


def sshd_may_give_terminals() -> bool:
    """Whether an sshd of ours can hand a terminal over: root's always can, another's only if its group is right."""
    if os.geteuid() == 0:
        return True
    ours, theirs = os.openpty()
    try:
        return os.fstat(theirs).st_gid == grp.getgrnam("tty").gr_gid
    finally:
        os.close(ours)
        os.close(theirs)


def _keygen(*arguments: str) -> None:
    subprocess.run(["ssh-keygen", "-q", *arguments], check=True, capture_output=True, stdin=subprocess.DEVNULL)


@dataclass
class Sshd:
    """A node as its ssh clients see it, and the authorities behind it."""

    root: Path
    port: int
    host_principal: str
    known_hosts_name: str
    seconds: int = 300
    issued: list[str] = field(default_factory=list)
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start sshd and wait until it listens."""
        self.process = subprocess.Popen(
            [SSHD, "-D", "-f", str(self.root / "config"), "-E", str(self.root / "log")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _await_port(self, self.process)

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=10)

    @property
    def user_ca(self) -> Path:
        """Signs users."""
        return self.root / "user_ca"

    @property
    def log(self) -> str:
        """What sshd said."""
        return (self.root / "log").read_text()

    def certify(self, allocation: dict[str, Any], public_key: str, *, ca: Path | None = None) -> dict[str, Any]:
        """Issue a certificate for the user of the tests, as the API would for an allocation's login."""
        public = self.root / f"user-{len(self.issued)}.pub"
        public.write_text(public_key + "\n")
        serial = len(self.issued) + 1
        signer = str(ca or self.user_ca)
        _keygen(
            "-s", signer, "-I", "test", "-n", PRINCIPAL, "-z", str(serial), "-V", f"-1m:+{self.seconds}s", str(public)
        )
        self.issued.append(public_key)
        authority = (self.root / "host_ca.pub").read_text().strip()
        return {
            "certificate": public.with_name(public.stem + "-cert.pub").read_text(),
            "serial": serial,
            "login": pwd.getpwuid(os.getuid()).pw_name,
            "host": "127.0.0.1",
            "port": self.port,
            "principals": [PRINCIPAL],
            "valid_before": (datetime.now(UTC) + timedelta(seconds=self.seconds)).isoformat(),
            "known_hosts": f"@cert-authority {self.known_hosts_name} {authority}",
        }

    def rogue_ca(self) -> Path:
        """An authority that the node does not know."""
        path = self.root / "rogue_ca"
        if not path.exists():
            _keygen("-t", "ed25519", "-N", "", "-f", str(path))
        return path

    def change_host_key(self) -> None:
        """Present a host key that only a foreign authority vouches for."""
        _keygen("-t", "ed25519", "-N", "", "-f", str(self.root / "other_host"))
        for name in ("", ".pub"):
            os.replace(self.root / f"other_host{name}", self.root / f"host{name}")
        rogue = self.rogue_ca()
        _keygen("-s", str(rogue), "-I", "host", "-h", "-n", self.host_principal, str(self.root / "host.pub"))
        # sshd reads its host keys only when it starts.
        self.stop()
        self.start()


@contextmanager
def sshd(root: Path, *, host_principal: str = NODE_NAME, known_hosts_name: str = NODE_NAME) -> Iterator[Sshd]:
    """Run sshd until the end of the block; no process of it is left after it."""
    if not Path(SSHD).exists():
        missing = "sshd is not on this machine; install openssh-server to run what logs in for real"
        if os.environ.get("SUBLET_TEST_REQUIRE_ALL") == "1":
            pytest.fail(f"SUBLET_TEST_REQUIRE_ALL=1, but {missing}")
        pytest.skip(missing)
    root.chmod(0o700)
    for name in ("user_ca", "host_ca", "host"):
        _keygen("-t", "ed25519", "-N", "", "-f", str(root / name))
    _keygen("-s", str(root / "host_ca"), "-I", "host", "-h", "-n", host_principal, str(root / "host.pub"))
    (root / "principals").write_text(PRINCIPAL + "\n")
    server = Sshd(root, free_port(), host_principal, known_hosts_name)
    (root / "config").write_text(
        f"ListenAddress 127.0.0.1:{server.port}\n"
        f"HostKey {root}/host\nHostCertificate {root}/host-cert.pub\nPidFile none\n"
        f"TrustedUserCAKeys {root}/user_ca.pub\nAuthorizedPrincipalsFile {root}/principals\nAuthorizedKeysFile none\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nPermitRootLogin prohibit-password\n"
        "StrictModes no\nLogLevel VERBOSE\n"
    )
    # As root, sshd does not start without this empty directory. It stays: another sshd, in a test beside this one, may
    # have begun to rely on it, and Debian's own service makes the same one.
    if os.getuid() == 0:
        PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _await_port(server: Sshd, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            probe.settimeout(0.2)
            if probe.connect_ex(("127.0.0.1", server.port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise AssertionError(f"sshd did not start: {server.log}")
