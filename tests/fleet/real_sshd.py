"""OpenSSH's own sshd on 127.0.0.1 with accounts of its own: the judge of every certificate.

It runs in a private mount namespace where /etc/passwd has the test's accounts, so the machine itself gets none.
"""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncssh
import pytest

from sublet.fleet import krl
from tests.support.ports import free_port

SSHD = "/usr/sbin/sshd"
ACCOUNTS = {"sublet": 4242, "al-aaaaaaaaaaaaaaaa": 4243, "al-bbbbbbbbbbbbbbbb": 4244}
START_SECONDS = 10

# The shell waits for nothing: it binds the files, then becomes sshd, whose pid is therefore the one we started.
_START = """
set -e
mount --bind "$1/passwd" /etc/passwd
mount --bind "$1/group" /etc/group
mount --bind "$1/shadow" /etc/shadow
mkdir -p /run/sshd
exec /usr/sbin/sshd -D -e -f "$1/sshd_config"
"""


_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    # A test run that is killed must not leave its sshd behind.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def require() -> None:
    """Skip, saying why, where sshd cannot be run this way; fail instead with SUBLET_TEST_REQUIRE_ALL=1."""
    missing = (
        "OpenSSH's server is not installed (apt-get install openssh-server)"
        if not Path(SSHD).exists()
        else "a private mount namespace needs root here"
        if os.geteuid() != 0
        else None
    )
    if missing is None:
        return
    if os.environ.get("SUBLET_TEST_REQUIRE_ALL") == "1":
        pytest.fail(f"SUBLET_TEST_REQUIRE_ALL=1, but {missing}")
    pytest.skip(missing)


class RealSshd:
    """One sshd; its trust files may be replaced while it runs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.forced_command = "/bin/cat"

    def write(self, name: str, content: str | bytes, mode: int = 0o644) -> None:
        """Replace a file atomically, as a node does."""
        path = self.directory / name
        temporary = path.with_suffix(".new")
        temporary.write_bytes(content if isinstance(content, bytes) else content.encode())
        temporary.chmod(mode)
        temporary.replace(path)

    def start(self, *, user_authorities: list[str], host_certificate: str | None) -> None:
        """Write what a node would have, and start."""
        home = self.directory
        (home / "principals").mkdir(exist_ok=True)
        for login in ACCOUNTS:
            principal = "sublet-control" if login == "sublet" else login
            self.write(f"principals/{login}", f"{principal}\n")
        (home / "host_key").write_bytes(self.host_key.export_private_key("openssh"))
        (home / "host_key").chmod(0o600)
        self.write("user_ca.pub", "".join(f"{line}\n" for line in user_authorities))
        self.write("revoked", krl.build({}, version=1, generated_at=int(time.time())))
        certified = ""
        if host_certificate is not None:
            self.write("host_cert.pub", f"{host_certificate}\n")
            certified = f"HostCertificate {home}/host_cert.pub\n"
        self.write(
            "sshd_config",
            f"ListenAddress 127.0.0.1\nPort {self.port}\nHostKey {home}/host_key\n{certified}PidFile none\n"
            f"TrustedUserCAKeys {home}/user_ca.pub\nAuthorizedPrincipalsFile {home}/principals/%u\n"
            f"RevokedKeys {home}/revoked\nAuthorizedKeysFile none\nUsePAM no\nStrictModes no\nPrintMotd no\n"
            "AuthenticationMethods publickey\nPasswordAuthentication no\nMaxStartups 100:30:200\n"
            f"Match User sublet\n  ForceCommand {self.forced_command}\n  PermitTTY no\n  DisableForwarding yes\n",
        )
        lines = [f"{name}:x:{uid}:{uid}::/:/bin/sh" for name, uid in ACCOUNTS.items()]
        self.write("passwd", Path("/etc/passwd").read_text() + "\n".join(lines) + "\n")
        self.write("group", Path("/etc/group").read_text() + "".join(f"{n}:x:{u}:\n" for n, u in ACCOUNTS.items()))
        self.write("shadow", Path("/etc/shadow").read_text() + "".join(f"{n}:*:::::::\n" for n in ACCOUNTS), 0o600)
        self._launch()

    def _launch(self) -> None:
        unshare = shutil.which("unshare")
        assert unshare is not None
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [unshare, "--mount", "--propagation", "private", "/bin/sh", "-c", _START, "sh", str(self.directory)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - it only makes a system call
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with socket.socket() as attempt:
                if attempt.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self._process.poll() is None, self.log()
            time.sleep(0.01)
        raise AssertionError(f"sshd did not answer: {self.log()}")

    def log(self) -> str:
        """What sshd has said."""
        return (self.directory / "log").read_text()

    def freeze(self) -> None:
        """Hang, as an overloaded machine does: the port still accepts, nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Undo `freeze`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End sshd; its sessions end with their connections."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            self._process.wait(10)
            self._process = None


@contextmanager
def prepared_sshd() -> Iterator[RealSshd]:
    """A real sshd, not started yet; its directory is open, for sshd reads principals as the account that logs in."""
    require()
    directory = Path(tempfile.mkdtemp(prefix="sublet-sshd-"))
    directory.chmod(0o755)
    sshd = RealSshd(directory)
    try:
        yield sshd
    finally:
        sshd.stop()
        shutil.rmtree(directory, ignore_errors=True)
