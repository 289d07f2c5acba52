"""What keeps a login to itself: a network, a /tmp, terminals and shared memory of its own, a /proc that shows only its
own, no word from systemd about others, no setuid files of other logins, no cron, no user manager.

All of it hangs on the session, by a PAM module of our own that joins what `namespaces` has made, so that the rest of
the node stays as it was.
"""

from __future__ import annotations

import os
import pkgutil
import platform
from pathlib import Path

from . import files, journal, mounts, namespaces, paths, sshd
from .errors import NodeError
from .request import FIRST_UID, LOGIN_GLOB, Subject

# A dump of a program's memory would lie outside the home, with whatever secrets were in it.
_LIMITS = b"* hard nofile 16384\n* hard core 0\n"
# By number and by name: the node's owner may have people of the same numbers, from a directory.
_SESSION = [
    f"session [success=ignore default=2] pam_succeed_if.so quiet uid >= {FIRST_UID} user =~ {LOGIN_GLOB}",
    f"session required pam_limits.so conf={paths.SESSION_LIMITS}",
    f"session required {paths.PAM_MODULE}",
]
_NO_FOLDER = b"""[Unit]
Description=Sublet: no runtime directory for an allocation
StopWhenUnneeded=yes

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
Slice=user-%i.slice
"""
# A job that cron or at starts would run outside the login's slice, without its limits.
_OUTSIDE_THE_SLICE = ("cron", "crond", "atd")


def _read(name: str) -> bytes | None:
    try:
        return pkgutil.get_data(__package__, name)
    except OSError:
        return None


# Read when the program begins: later another helper may have taken this one's place, and its archive with it.
_MODULE_NAME = f"pam_sublet-{platform.machine()}.so"
_MODULE = _read(_MODULE_NAME)


def install() -> list[str]:
    """Prepare the node; returns what was changed."""
    changed = []
    for folder in (paths.PRIVATE_TMP, paths.PRIVATE_VAR_TMP):
        folder.mkdir(parents=True, exist_ok=True)
        os.chmod(folder, 0o700)
    if files.replace(paths.PAM_MODULE, module(), mode=0o755):
        changed.append(str(paths.PAM_MODULE))
    files.replace(paths.SESSION_LIMITS, _LIMITS)
    if files.add_block(paths.PAM / "sshd", _SESSION):
        changed.append(str(paths.PAM / "sshd"))
    for service in _OUTSIDE_THE_SLICE:
        path = paths.PAM / service
        rule = [f"account required pam_succeed_if.so quiet user !~ {LOGIN_GLOB}"]
        if path.exists() and files.add_block(path, rule, at_top=True):
            changed.append(str(path))
    return changed


def module() -> bytes:
    """The PAM module for this machine; NodeError when there is none."""
    if _MODULE is None:
        raise NodeError(
            "architecture_unknown",
            f"sublet-node has no {_MODULE_NAME}, without which sessions cannot be kept to themselves. Use x86-64 or "
            "arm64.",
        )
    return _MODULE


def uninstall() -> None:
    """Undo `install`."""
    for service in ("sshd", *_OUTSIDE_THE_SLICE):
        files.remove_block(paths.PAM / service)
    files.remove(paths.PAM_MODULE)
    if paths.PROGRAMS.is_dir() and not any(paths.PROGRAMS.iterdir()):
        paths.PROGRAMS.rmdir()
    namespaces.remove_all()
    journal.remove_all()
    mounts.remove_all()


def in_place() -> bool:
    """True when every new session of an allocation is confined as this version would do it."""
    ours = files.holds(paths.PAM_MODULE, module()) and files.has_block(paths.PAM / "sshd", _SESSION)
    ours = ours and files.holds(paths.SESSION_LIMITS, _LIMITS)
    return ours and any(files.holds(paths.SSHD_DROP_IN, sshd.drop_in(adds_key=adds)) for adds in (False, True))


def confine(subject: Subject) -> None:
    """Keep systemd from running anything for it outside its own places."""
    mask(subject.uid)


def release(subject: Subject, held: frozenset[int]) -> None:
    """Take that away, and its own places with all that is in them; of file systems in `held` only that."""
    journal.remove(subject)
    for mask in masks(subject.uid):
        files.remove(mask)
    mounts.remove(subject, held)


def traces(subject: Subject) -> list[str]:
    """What is left of that."""
    places = (*mounts.private_places(subject), mounts.of(subject.login))
    left = [str(path) for path in (*masks(subject.uid), *places) if os.path.lexists(path)]
    return left + journal.traces(subject.login)


def mask(uid: int) -> None:
    """Put the files of `masks` in place, also where an earlier version had a link for each."""
    manager, folder = masks(uid)
    files.replace(folder, _NO_FOLDER)
    if not manager.is_symlink():
        manager.symlink_to("/dev/null")


def masks(uid: int) -> tuple[Path, Path]:
    """Files that keep systemd from starting a user manager and from making a runtime directory for a login.

    A manager would run its processes outside the session's private places; the directory would outlive the session. The
    unit of the directory has to be one that starts: systemd 257 gives no session, and so no control group, without it.
    """
    return (paths.UNITS / f"user@{uid}.service", paths.UNITS / f"user-runtime-dir@{uid}.service")
