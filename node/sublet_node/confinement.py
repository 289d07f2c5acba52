"""What keeps a login to itself: a /tmp, terminals and shared memory of its own, a /proc that shows only its own, no
word from systemd about others, no setuid files of other logins, no cron, no user manager.

All of it hangs on the session, by pam_namespace, so that the rest of the node stays as it was.
"""

from __future__ import annotations

import os
import pkgutil
import sys
from pathlib import Path

from . import connections, files, mounts, paths, sshd
from .request import FIRST_UID, Subject

SESSION_SCRIPT = paths.NAMESPACES / "sublet-session"
# A dump of a program's memory would lie outside the home, with whatever secrets were in it.
_LIMITS = b"* hard nofile 16384\n* hard core 0\n"
_SESSION = [
    f"session [success=ignore default=2] pam_succeed_if.so quiet uid >= {FIRST_UID}",
    f"session required pam_limits.so conf={paths.SESSION_LIMITS}",
    "session required pam_namespace.so mount_private",
]
# A job that cron or at starts would run outside the login's slice, without its limits.
_OUTSIDE_THE_SLICE = ("cron", "crond", "atd")


def install() -> list[str]:
    """Prepare the node; returns what was changed."""
    changed = []
    for folder in (paths.PRIVATE_TMP, paths.PRIVATE_VAR_TMP):
        folder.mkdir(parents=True, exist_ok=True)
        os.chmod(folder, 0o700)
    if files.replace(SESSION_SCRIPT, _script(), mode=0o755):
        changed.append(str(SESSION_SCRIPT))
    files.replace(paths.SESSION_LIMITS, _LIMITS)
    if files.add_block(paths.PAM / "sshd", _SESSION):
        changed.append(str(paths.PAM / "sshd"))
    for service in _OUTSIDE_THE_SLICE:
        path = paths.PAM / service
        rule = [f"account required pam_succeed_if.so quiet uid < {FIRST_UID}"]
        if path.exists() and files.add_block(path, rule, at_top=True):
            changed.append(str(path))
    return changed


def _script() -> bytes:
    """A program that needs nothing but Python, and of that as little as can be: every login waits for it."""
    source = pkgutil.get_data(__package__, "session.py")
    assert source is not None  # it is part of this package
    python = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
    return f"#!{python} -IS\n".encode() + source


def uninstall() -> None:
    """Undo `install`."""
    for service in ("sshd", *_OUTSIDE_THE_SLICE):
        files.remove_block(paths.PAM / service)
    files.remove(SESSION_SCRIPT)
    mounts.remove_all()


def in_place() -> bool:
    """True when every new session of an allocation is confined as this version would do it."""
    library = any(Path("/").glob("lib*/**/security/pam_namespace.so")) or any(
        Path("/usr").glob("lib*/**/security/pam_namespace.so")
    )
    ours = files.holds(SESSION_SCRIPT, _script()) and files.has_block(paths.PAM / "sshd", _SESSION)
    ours = ours and files.holds(paths.SESSION_LIMITS, _LIMITS)
    return library and ours and files.holds(paths.SSHD_DROP_IN, sshd.drop_in()) and connections.in_place()


def confine(subject: Subject) -> None:
    """Let its sessions be kept to its own places, and keep systemd from running anything for it outside them."""
    # pam_namespace mounts something on the root of sessions, in which nobody can do anything, and calls our script.
    line = (
        f"{paths.SESSION_ROOT} tmpfs tmpfs:iscript={SESSION_SCRIPT.name}:mntopts=mode=0755,size=4k ~{subject.login}\n"
    )
    files.replace(namespace_file(subject), line.encode())
    for mask in masks(subject.uid):
        if not mask.is_symlink():
            mask.parent.mkdir(parents=True, exist_ok=True)
            mask.symlink_to("/dev/null")


def release(subject: Subject, held: frozenset[int]) -> None:
    """Take the rules away, and its own places with all that is in them; of file systems in `held` only that."""
    files.remove(namespace_file(subject))
    for mask in masks(subject.uid):
        files.remove(mask)
    mounts.remove(subject, held)


def traces(subject: Subject) -> list[str]:
    """What is left of that."""
    places = (*mounts.private_places(subject), mounts.of(subject.login))
    return [str(path) for path in (namespace_file(subject), *masks(subject.uid), *places) if os.path.lexists(path)]


def namespace_file(subject: Subject) -> Path:
    """The login's pam_namespace rules."""
    return paths.NAMESPACES / f"{subject.login}.conf"


def masks(uid: int) -> tuple[Path, Path]:
    """Links that keep systemd from starting a user manager and a runtime directory for a login.

    A manager would run its processes outside the session's private places; the directory would outlive the session.
    """
    return (paths.UNITS / f"user@{uid}.service", paths.UNITS / f"user-runtime-dir@{uid}.service")
