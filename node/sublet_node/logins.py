"""The Linux account of an allocation, and its home."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from . import commands, directory, files, paths
from .errors import NodeError
from .request import FIRST_UID, Subject

_USERADD_EXISTS = 9


def passwd_entries() -> dict[str, int]:
    """Login → uid of every local account. A file without root is an error: it proves nothing."""
    entries = {}
    for line in Path("/etc/passwd").read_text().splitlines():
        parts = line.split(":")
        if len(parts) >= 7:
            entries[parts[0]] = int(parts[2])
    if "root" not in entries:
        message = "/etc/passwd does not list root, so it cannot prove which accounts exist."
        raise NodeError("listing_failed", message, retryable=True)
    return entries


def home(login: str) -> Path:
    """The account's home directory."""
    return paths.HOMES / login


def exists(subject: Subject) -> bool:
    """Whether the account is there; NodeError when its login or its uid is somebody else's."""
    entries = passwd_entries()
    taken = next((login for login, uid in entries.items() if uid == subject.uid and login != subject.login), None)
    if taken is None and entries.get(subject.login, subject.uid) == subject.uid:
        return subject.login in entries
    raise NodeError(
        "account_taken",
        f"The node already has {taken or subject.login} with uid {entries[taken or subject.login]}. Nothing of it was "
        "touched. Remove that account, or find out whose it is, before this allocation is applied or released.",
    )


def ensure(subject: Subject) -> None:
    """Make the account with exactly this login and uid; refuses when either is taken by another."""
    if exists(subject):
        _complete(subject)
        return
    refuse_what_cannot_be(subject)
    shell = "/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh"
    # No subordinate uids: a process under one of them would escape every check by uid. An account whose uid lies above
    # UID_MAX gets none, with any version of useradd; 4.8 takes a count of 0 for a mistake. The group has the same
    # number only where that is not above GID_MAX.
    ends = ("-K", f"UID_MAX={FIRST_UID - 1}", "-K", "GID_MAX=4000000000")
    commands.run(
        *("useradd", "--no-log-init", "--no-create-home", "--user-group", "--uid", str(subject.uid)),
        *("--home-dir", str(home(subject.login)), "--shell", shell, "--password", "*"),
        *("--comment", subject.allocation, *ends, subject.login),
        ok=(0, _USERADD_EXISTS),
    )
    if passwd_entries().get(subject.login) != subject.uid:
        raise NodeError(
            "account_failed", f"useradd did not make {subject.login} with uid {subject.uid}.", retryable=True
        )


def refuse_what_cannot_be(subject: Subject) -> None:
    """NodeError, and nothing changed, where no account can have this login and uid."""
    if exists(subject):
        return
    if not _is_mapped(subject.uid):
        message = (
            f"This node's ids end before {subject.uid}. Place the allocation on another node, or give this one more."
        )
        raise NodeError("uid_not_available", message)
    _refuse_subordinate(subject.uid)
    directory.refuse_taken(subject)


def _refuse_subordinate(uid: int) -> None:
    """A container without root runs as uids of its owner's ranges: one that is also an allocation's would mix both."""
    for path in (Path("/etc/subuid"), Path("/etc/subgid")):
        for line in path.read_text().splitlines() if path.exists() else ():
            parts = line.strip().split(":")
            if len(parts) == 3 and parts[1].isdecimal() and parts[2].isdecimal():
                first, count = int(parts[1]), int(parts[2])
                if first <= uid < first + count:
                    raise NodeError(
                        "uid_not_available",
                        f"{path} gives {first} to {first + count - 1} to {parts[0]}, for containers; {uid} is among "
                        "them. Place the allocation on another node, or move that range out of the way.",
                    )


def _complete(subject: Subject) -> None:
    """Finish what a useradd that lost its power left out: it writes one file after the other."""
    if not _names(Path("/etc/group"), subject.login):
        commands.run("groupadd", "--gid", str(subject.uid), subject.login)
    if not _names(Path("/etc/shadow"), subject.login):
        commands.run("pwconv")
        commands.run("usermod", "--password", "*", subject.login)


def _names(path: Path, login: str) -> bool:
    return any(line.startswith(f"{login}:") for line in path.read_text().splitlines())


def _is_mapped(uid: int) -> bool:
    """False on a node inside a user namespace that has no such uid."""
    extents = (tuple(map(int, line.split())) for line in Path("/proc/self/uid_map").read_text().splitlines())
    return any(first <= uid < first + count for first, _, count in extents)


def ensure_home(subject: Subject, *, ready: bool) -> None:
    """Make the home from /etc/skel, private to the login. Until it is complete it belongs to root."""
    place = home(subject.login)
    if place.is_symlink():
        raise NodeError(
            "home_unsafe", f"{place} is a symbolic link. Remove it; the home must be a directory of its own."
        )
    if not ready:
        place.mkdir(mode=0o700, exist_ok=True)
        for source in Path("/etc/skel").iterdir() if os.path.isdir("/etc/skel") else ():
            target = place / source.name
            if source.is_file() and not target.exists():
                shutil.copyfile(source, target)
                os.chown(target, subject.uid, subject.uid, follow_symlinks=False)
    files.own(place, subject.uid, mode=0o700)


def remove(subject: Subject) -> None:
    """Remove the account and its group. Its processes must be gone."""
    if subject.login in passwd_entries():
        commands.run("userdel", subject.login, ok=(0, 6))
    if _names(Path("/etc/group"), subject.login):
        commands.run("groupdel", subject.login, ok=(0, 6))


def traces(subject: Subject) -> list[str]:
    """Every account file that still names the login or its uid."""
    found = []
    passwd_entries()
    for name in ("passwd", "shadow", "group", "gshadow", "subuid", "subgid"):
        path = Path("/etc") / name
        if not path.exists():
            continue
        for line in path.read_text().splitlines():
            parts = line.split(":")
            by_number = name in ("passwd", "group") and len(parts) > 2 and parts[2] == str(subject.uid)
            if parts[0] in (subject.login, str(subject.uid)) or by_number:
                found.append(str(path))
    return found


def ours(entries: dict[str, int]) -> dict[str, int]:
    """The accounts that look like allocations, by login or by uid."""
    return {login: uid for login, uid in entries.items() if login.startswith("al-") or FIRST_UID <= uid < (1 << 31)}
