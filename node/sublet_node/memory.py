"""What memory is still charged to a login whose processes are gone: held by others, it is outside every limit.

The login's own control group says it exactly, so it is removed only once it holds nothing. Where it is gone already,
or another has its name since, what all removed groups hold is the difference between their parent and those of its
groups that live.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from . import cgroups, files, paths, systemd

LEAST = 1 << 20
"""Bytes that are nothing: the kernel counts in batches, and its own records of files outlive them a little."""

_UNKNOWN = "This node does not count memory, so what others still hold of it is not known."


def note(uid: int) -> None:
    """Remember until the next boot that the login has a control group that must be shown to hold nothing, and which:
    the first that it had. Called before there is one, and again when there is.
    """
    if not _mark(uid).exists() or files.holds(_mark(uid), b""):
        group = _group(uid)
        files.replace(_mark(uid), b"" if group is None else str(group).encode())


def prove(uid: int) -> bool:
    """Whether the login's control group holds nothing, so that it may go."""
    charged = _charged(uid)
    if charged is None or charged > LEAST:
        return charged is None
    if _is_the_first(uid):
        forget(uid)
    return True


def forget(uid: int) -> None:
    """It is shown to hold nothing."""
    files.remove(_mark(uid))


def left(uid: int, *, least: int = LEAST) -> list[str]:
    """What memory is still held, in words; of a login that stays, `least` bytes are nothing."""
    charged = _charged(uid)
    if charged is not None and charged > least:
        return [f"{_mib(charged)} MiB charged to its control group"]
    if not _mark(uid).exists() or (charged is not None and _is_the_first(uid)):
        return []
    removed = _of_removed()
    return [f"{_mib(removed)} MiB held by control groups that are gone, its own among them"] if removed > least else []


def not_known() -> str | None:
    """Why nothing can be known; None when something can."""
    return None if systemd.is_running() and _folder().is_dir() else _UNKNOWN


def _mark(uid: int) -> Path:
    return paths.RUN / "groups" / str(uid)


def _group(uid: int) -> int | None:
    """The number of the login's control group, which no other has before the next boot; None when there is none."""
    try:
        return _folder(systemd.slice_name(uid)).stat().st_ino
    except OSError:
        return None


def _is_the_first(uid: int) -> bool:
    """Whether the login's control group is the one that it had from the beginning. One that was made since, because a
    service began in it, says nothing about what was charged before."""
    return any(files.holds(_mark(uid), content) for content in (b"", str(_group(uid)).encode()))


def _mib(count: int) -> int:
    """The nearest: the kernel counts in batches, and what it counts may be a little less than what is held."""
    return max(1, round(count / (1 << 20)))


def _folder(name: str = "user.slice") -> Path:
    return cgroups.group("memory", name)


def _charged(uid: int) -> int | None:
    """Bytes charged to the login's group, without copies of files; None when there is no group."""
    folder = _folder(systemd.slice_name(uid))
    count = _in_use(folder)
    if count is not None and count > LEAST:
        _reclaim(folder)
        count = _in_use(folder)
    return count


def _in_use(folder: Path) -> int | None:
    stat = _stat(folder)
    if stat is None:
        return None
    if cgroups.is_version_2():
        copies = stat["file"] - stat["shmem"]
        return _number(folder / "memory.current") - copies + _number(folder / "memory.swap.current")
    copies = stat["total_cache"] - stat.get("total_shmem", 0)
    return _number(folder / "memory.usage_in_bytes") - copies + _number(folder / "memory.kmem.tcp.usage_in_bytes")


def _reclaim(folder: Path) -> None:
    """Let the kernel give back what nobody uses, and count exactly."""
    with contextlib.suppress(OSError):  # it also fails when something cannot be given back
        if cgroups.is_version_2():
            (folder / "memory.high").write_text("0")  # unlike memory.max, it ends nobody
            (folder / "memory.high").write_text("max")
        else:
            (folder / "memory.force_empty").write_text("0")


def _of_removed() -> int:
    """Bytes that removed groups below the parent hold, without copies of files."""
    parent = _stat(_folder()) or {}
    living = [_stat(entry) or {} for entry in _folder().iterdir() if entry.is_dir()]
    if cgroups.is_version_2():
        return sum(parent.get(kind, 0) - sum(one.get(kind, 0) for one in living) for kind in ("anon", "shmem"))
    return sum(
        parent.get(f"total_{kind}", 0) - parent.get(kind, 0) - sum(one.get(f"total_{kind}", 0) for one in living)
        for kind in ("rss", "shmem", "swap")
    )


def _stat(folder: Path) -> dict[str, int] | None:
    try:
        lines = (folder / "memory.stat").read_text().splitlines()
    except OSError:
        return None
    return {name: int(value) for name, _, value in (line.partition(" ") for line in lines)}


def _number(path: Path) -> int:
    try:
        return int(path.read_text())
    except OSError:
        return 0
