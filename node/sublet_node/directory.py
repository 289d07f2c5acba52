"""Accounts that are in no file of the node: those that its owner's directory (LDAP, Active Directory) tells it of.

A directory gives out numbers of the kind that allocations have: SSSD's own begin at 200000. So each number is asked for
before an allocation gets it, and whoever has one by name is left alone.
"""

from __future__ import annotations

import pwd
import re
from pathlib import Path

from .errors import NodeError
from .request import Subject

_SWITCH = Path("/etc/nsswitch.conf")
_LOCAL = {"files", "compat", "db", "systemd"}
_OURS = re.compile(r"al-[a-z0-9]{16}\Z")


def sources() -> list[str]:
    """Where accounts come from besides the node's own files, by the names of the name service switch."""
    try:
        lines = _SWITCH.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    named = [line.partition(":")[2].partition("#")[0] for line in lines if line.strip().startswith("passwd:")]
    return [word for line in named for word in re.sub(r"\[[^\]]*\]", " ", line).split() if word not in _LOCAL]


def gives_accounts() -> bool:
    """Whether there is a directory at all."""
    return bool(sources())


def is_owners(uid: int) -> bool:
    """Whether a number has a name, wherever that comes from, that is no allocation's."""
    name = _name(uid)
    return name is not None and not _OURS.match(name)


def refuse_taken(subject: Subject) -> None:
    """NodeError when the number or the login is somebody's in the directory."""
    name = _name(subject.uid)
    if name not in (None, subject.login):
        raise NodeError(
            "uid_not_available",
            f"Uid {subject.uid} is {name}'s in this node's directory ({', '.join(sources())}). Nothing was made. Place "
            "the allocation on another node, or have the directory keep numbers from 200000 up free.",
        )
    try:
        uid = pwd.getpwnam(subject.login).pw_uid
    except KeyError:
        return
    if uid != subject.uid:
        raise NodeError(
            "account_taken", f"This node's directory already has {subject.login}, with uid {uid}. Nothing was made."
        )


def _name(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None
