"""What OpenSSH needs to reach an allocation: a key, a certificate for it, and the authority that vouches for the node.

It lies in a 0700 directory of its own for each allocation and is used again while it is good.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self

from sublet.cli.failures import Failure
from sublet.cli.formats import parse_time
from sublet.cli.known_hosts import authority_line, host_key_alias
from sublet.cli.paths import ssh_directory
from sublet.cli.private_files import make_private_directory, write_private
from sublet.client.shapes import Allocation, SshCertificate

if TYPE_CHECKING:
    from sublet.client.client import Client

# A certificate that ends within this time is replaced: a login takes a moment, and clocks differ.
MARGIN = timedelta(seconds=30)
KEPT_DAYS = 7

_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LOGIN = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_HOST = re.compile(r"[A-Za-z0-9:_][A-Za-z0-9.:_%-]{0,253}")


@dataclass(frozen=True, slots=True)
class Access:
    """Where to log in, as whom, and until when the certificate is good."""

    host: str
    port: int
    login: str
    alias: str | None
    valid_before: str
    issued_for: str

    def good_for(self, situation: str, now: datetime) -> bool:
        """Whether the certificate can still be used: it does not end soon, and the allocation is as it was."""
        return self.issued_for == situation and parse_time(self.valid_before) - now > MARGIN


class AccessDirectory:
    """The files of one allocation."""

    def __init__(self, url: str, allocation_id: str) -> None:
        if not _IDENTIFIER.fullmatch(allocation_id):
            raise Failure(
                f"The server gave an allocation the id {allocation_id!r}, which cannot be one. Nothing was done."
            )
        # Two servers may know the same id, so each has its own directory.
        server = hashlib.sha256(url.encode()).hexdigest()[:12]
        self.path = ssh_directory() / server / allocation_id
        self.key = self.path / "id_ed25519"
        self.certificate = self.path / "id_ed25519-cert.pub"
        self.known_hosts = self.path / "known_hosts"
        self._access = self.path / "access.json"

    @classmethod
    def opened(cls, url: str, allocation_id: str) -> Self:
        """The directory, made if need be; what nobody used for a week is removed beside it."""
        directory = cls(url, allocation_id)
        for path in (ssh_directory(), directory.path.parent, directory.path):
            make_private_directory(path)
        _remove_unused(directory.path.parent)
        os.utime(directory.path)
        return directory

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory alone: of two commands at the same time one makes the key, and the other finds it."""
        with (self.path / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def known(self) -> Access | None:
        """The certificate that was issued before, or None."""
        try:
            said = Access(**json.loads(self._access.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        there = all(path.exists() for path in (self.key, self.certificate, self.known_hosts))
        return said if there else None

    def public_key(self) -> str:
        """The public key; the pair is made when it is not there."""
        public = self.key.with_suffix(".pub")
        if not (self.key.exists() and public.exists()):
            self.key.unlink(missing_ok=True)
            public.unlink(missing_ok=True)
            _make_key(self.key)
        return public.read_text(encoding="utf-8").strip()

    def keep(self, issued: SshCertificate, situation: str) -> Access:
        """Check and write what the server issued; nothing that it says becomes an option of OpenSSH."""
        if not _LOGIN.fullmatch(issued["login"]) or not _HOST.fullmatch(issued["host"]):
            raise Failure(
                f"The server named {issued['login']!r} at {issued['host']!r}, which cannot be. Nothing was done."
            )
        line = authority_line(issued["known_hosts"])
        access = Access(
            host=issued["host"],
            port=int(issued["port"]),
            login=issued["login"],
            alias=host_key_alias(line, issued["host"], int(issued["port"])),
            valid_before=issued["valid_before"],
            issued_for=situation,
        )
        write_private(self.certificate, issued["certificate"].strip() + "\n")
        write_private(self.known_hosts, line + "\n")
        # Last, so that it never speaks of files that are not there yet.
        write_private(self._access, json.dumps(asdict(access)) + "\n")
        return access


def access_to(client: "Client", allocation: Allocation, *, renew: bool = False) -> tuple[AccessDirectory, Access]:
    """Use what is there while it is good, else ask for a new certificate."""
    directory = AccessDirectory.opened(client.url, allocation["id"])
    situation = _situation(allocation)
    with directory.locked():
        known = None if renew else directory.known()
        if known is not None and known.good_for(situation, datetime.now(UTC)):
            return directory, known
        issued = client.ssh_certificate(allocation["id"], directory.public_key())
        return directory, directory.keep(issued, situation)


def _situation(allocation: Allocation) -> str:
    # A certificate is revoked when an allocation is suspended or moves; each of these is a newer operation.
    operation = allocation["operation"]
    node = allocation["node"]
    return f"{operation['id'] if operation else ''}@{node['id'] if node else ''}"


def _make_key(path: Path) -> None:
    program = shutil.which("ssh-keygen")
    if program is None:
        raise Failure("ssh-keygen is not on this machine. No connection was made. Install the OpenSSH client.")
    command = [program, "-q", "-t", "ed25519", "-N", "", "-C", "sublet", "-f", str(path)]
    # All arguments are ours; the path lies under the user's own state directory.
    made = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603
    if made.returncode != 0:
        raise Failure(f"ssh-keygen could not make a key: {made.stderr.strip()}. No connection was made.")


def _remove_unused(server: Path) -> None:
    oldest = time.time() - KEPT_DAYS * 86400
    for path in server.iterdir():
        if path.is_dir() and path.stat().st_mtime < oldest:
            shutil.rmtree(path, ignore_errors=True)
