"""What a login has to come through, as one short text that is another when anything of it has changed."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from . import moment, paths, sshd

# Read whole: what sshd, PAM and its modules read when somebody logs in, and what is the same for every login.
_CONFIGURATION = (
    *("/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/*", "/etc/pam.d/*", "/etc/pam.conf", "/etc/security/*.conf"),
    *("/etc/security/*.d/*", "/etc/nsswitch.conf", "/etc/shells", "/etc/nologin", "/run/nologin"),
    *("/etc/hosts.allow", "/etc/hosts.deny", "/etc/sublet/limits.conf", "/etc/sublet/user_ca.pub"),
)
# Known by size and time: the programs, and the folders of PAM's modules, which change when a module is replaced.
_PROGRAMS = (
    *("/usr/sbin/sshd", "/usr/lib/openssh/sshd-session", "/usr/libexec/openssh/sshd-session"),
    *(str(paths.HELPER), f"{paths.PROGRAMS}/*", "/bin/bash"),
    *("/lib/*/security", "/lib/security", "/lib64/security"),
)
_LISTENING = "0A"


def fingerprint() -> str:
    """Another text after any change to the above, when sshd has read its configuration anew, and after a boot."""
    found = hashlib.sha256(moment.boot_id().encode())
    for said in (*_configuration(), *_programs(), *_listeners()):
        found.update(b"\0" + said)
    return found.hexdigest()


def _configuration() -> Iterator[bytes]:
    for path in _paths(_CONFIGURATION):
        with contextlib.suppress(OSError):  # a folder, or gone since
            yield f"{path} {os.stat(path).st_mode}".encode()
            yield Path(path).read_bytes()


def _programs() -> Iterator[bytes]:
    for path in _paths(_PROGRAMS):
        with contextlib.suppress(OSError):
            status = os.stat(path)
            yield f"{path} {status.st_mode} {status.st_size} {status.st_mtime_ns}".encode()


def _paths(patterns: tuple[str, ...]) -> list[str]:
    return [path for pattern in patterns for path in sorted(glob.glob(pattern))]


def _listeners() -> list[bytes]:
    """The sockets on which sshd listens: it makes others when it starts, and when it reads its configuration anew."""
    try:
        folder = f"/proc/{int(sshd.PID_FILE.read_text())}/fd"
        its_own = {os.readlink(f"{folder}/{number}") for number in os.listdir(folder)}
    except (OSError, ValueError):
        return []  # systemd listens for it, and each connection has an sshd that reads all anew
    return sorted(f"socket:[{inode}]".encode() for inode in _listening() if f"socket:[{inode}]" in its_own)


def _listening() -> Iterator[str]:
    """The kernel lists sockets that listen before all others, of which there may be many."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError), open(table, encoding="ascii") as lines:
            next(lines, None)
            for line in lines:
                parts = line.split()
                if parts[3] != _LISTENING:
                    break
                yield parts[9]
