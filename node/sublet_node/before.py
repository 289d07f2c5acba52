"""What this machine was like before it became a node, where taking back our own part would not tell: so that leaving
restores it byte for byte."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from . import files, paths

_KEPT = paths.STATE / "before"
_LIST = _KEPT / "list.json"
_ACCOUNTS = ("passwd", "group", "shadow", "gshadow", "subuid", "subgid")
"""useradd and userdel leave a copy of each, as it was one change ago, beside it."""
_FOLDERS = (
    *(
        paths.SSHD_DROP_IN.parent,
        paths.SUDOERS.parent,
        paths.UNIT.parent,
        paths.UNIT.parent / "multi-user.target.wants",
    ),
    *(paths.HELPER.parent, paths.PROGRAMS.parent, Path("/etc/sysctl.d")),
    paths.SLICE_PROPERTIES,  # systemd makes it with the first limit
)


@dataclass(frozen=True)
class Copy:
    """A file with its mode, its owner and its times."""

    content: bytes
    status: os.stat_result

    @classmethod
    def of(cls, path: Path) -> Copy:
        """As it is."""
        return cls(path.read_bytes(), path.stat())

    def put(self, path: Path) -> None:
        """There, open to nobody else meanwhile."""
        files.replace(path, self.content, mode=self.status.st_mode & 0o7777)
        os.chown(path, self.status.st_uid, self.status.st_gid)
        os.utime(path, ns=(self.status.st_atime_ns, self.status.st_mtime_ns))


@dataclass(frozen=True)
class Kept:
    """Folders that were not there, the modes of those that were, what account files held, and the copies beside
    them."""

    absent: list[str]
    modes: dict[str, int]
    accounts: dict[str, str]
    copies: dict[str, Copy]


def keep() -> None:
    """Keep it, before the first change. What was kept once stays, until `restore`."""
    if _LIST.exists():
        return
    # A machine may have been prepared for a node: a disk of its own for its state, say.
    modes = {str(folder): folder.stat().st_mode & 0o7777 for folder in (paths.CONFIG, paths.STATE) if folder.exists()}
    _KEPT.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in _ACCOUNTS:
        with contextlib.suppress(FileNotFoundError):
            Copy.of(paths.ACCOUNTS / f"{name}-").put(_KEPT / f"{name}-")
    absent = [str(folder) for folder in _FOLDERS if not folder.exists()]
    files.replace(_LIST, json.dumps({"absent": absent, "modes": modes, "accounts": _digests()}).encode(), mode=0o600)


def read() -> Kept | None:
    """What was kept, in memory: its folder goes before it is put back. None where an earlier version kept nothing."""
    try:
        known = json.loads(_LIST.read_bytes())
        copies = {path.name: Copy.of(path) for path in _KEPT.glob("*-")}
        return Kept(known["absent"], known["modes"], known["accounts"], copies)
    except (FileNotFoundError, ValueError, KeyError):
        return None


def restore(kept: Kept | None) -> None:
    """Put it back, once all of ours is gone: the copies of account files where those are as they were, and no folder
    that was not there and is empty."""
    if kept is None:
        return
    for name in _ACCOUNTS:
        _end_as_before(paths.ACCOUNTS / name, kept.accounts.get(name))
    if kept.accounts == _digests():
        for name in _ACCOUNTS:
            place = paths.ACCOUNTS / f"{name}-"
            if place.name in kept.copies:
                kept.copies[place.name].put(place)
            else:
                files.remove(place)
    for folder in sorted(kept.absent, reverse=True):
        with contextlib.suppress(OSError):
            os.rmdir(folder)
    for folder, mode in kept.modes.items():
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, mode)


def _end_as_before(path: Path, digest: str | None) -> None:
    """useradd and userdel end a last line that had no end. Without it again, where that makes the file what it was."""
    with contextlib.suppress(FileNotFoundError):
        file = Copy.of(path)
        if file.content.endswith(b"\n") and _digest(file.content[:-1]) == digest:
            Copy(file.content[:-1], file.status).put(path)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _digests() -> dict[str, str]:
    found = {}
    for name in _ACCOUNTS:
        with contextlib.suppress(FileNotFoundError):
            found[name] = _digest((paths.ACCOUNTS / name).read_bytes())
    return found
