"""What processes have open, asked of the kernel: descriptors, mapped files, folders and programs.

Each is looked at through its link in /proc, which leads to it wherever it is mounted and after it was deleted. Threads
may have tables of their own, so each table is read once.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import select
import struct
from collections.abc import Iterator
from typing import NamedTuple

from .errors import NodeError

_HERE, _DONT_SYNC = -100, 0x4000  # of statx(2); a file server that hangs must not hang the search
_BASIC, _MOUNT = 0x7FF, 0x1000
_FACTS = struct.Struct("=I12xIIIH2xQ88xIIIIQ")
_KCMP = {"x86_64": 312, "aarch64": 272}.get(os.uname().machine)
_SAME_FILE, _SAME_TABLE, _SAME_FOLDERS = 0, 2, 3
_MAPPED = re.compile(rb"^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ (\S+ [1-9][0-9]* .*)$", re.MULTILINE)
_TRIES = 3
_GONE = (errno.ENOENT, errno.ESRCH)
_ENDED = (FileNotFoundError, ProcessLookupError)

_libc = ctypes.CDLL(None, use_errno=True)
_buffer = ctypes.create_string_buffer(256)


def _shared() -> tuple[int, int]:
    with contextlib.closing(select.epoll()) as one:
        facts = os.fstat(one.fileno())
        return facts.st_dev, facts.st_ino


# The file system of what has no name, and the inode there that most of it has in common, so that it has no owner.
_NAMELESS, _ONE_FOR_ALL = _shared()


class Opened(NamedTuple):
    """One thing that a process has open: how, the link that leads to it, and what it is.

    `mount` is the number of the mount by which it was opened, as in mountinfo; 0 where the kernel does not tell. Of
    what cannot be looked at, like a file of a server that is gone, all numbers are -1. `line` is what
    /proc/PID/maps says of a mapped file.
    """

    pid: int
    way: str
    link: str
    uid: int
    gid: int
    mode: int
    links: int
    number: int
    device: int
    special: int
    mount: int
    line: bytes = b""


def of(pid: int, boring: set[bytes] | None) -> Iterator[Opened]:
    """Everything that a process has open. Mapped files whose line is in `boring` by then are left out; all for None.

    Nothing for a process that has ended; NodeError for one that may not be looked into.
    """
    tables: list[int] = []
    places: list[int] = []
    try:
        for task in tasks(pid):
            with contextlib.suppress(*_ENDED):
                if not any(_same(_SAME_TABLE, other, task) for other in tables):
                    yield from _table(pid, f"/proc/{pid}/task/{task}")
                    tables.append(task)
                if not any(_same(_SAME_FOLDERS, other, task) for other in places):
                    yield from _places(pid, f"/proc/{pid}/task/{task}")
                    places.append(task)
        if boring is not None:
            yield from _mapped(pid, boring)
    except PermissionError as error:
        raise NodeError(
            "listing_failed", f"Process {pid} cannot be looked into: {error}. Nothing is concluded.", retryable=True
        ) from error


def tasks(pid: int) -> list[int]:
    """The threads of a process. The first of them may have ended, and the others may go on."""
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except _ENDED:
        return []


def has_no_name(opened: Opened) -> bool:
    """Whether it is one of what the kernel has only as descriptors: eventfds, rings and the like."""
    return opened.device == _NAMELESS


def has_no_owner(opened: Opened) -> bool:
    """Whether it is one of these of which nobody can tell whose it is."""
    return has_no_name(opened) and opened.number == _ONE_FOR_ALL


def target(link: str) -> str:
    """Where a link of /proc leads, as text; empty when that is gone."""
    try:
        return os.readlink(link)
    except OSError:
        return ""


def details(link: str) -> str:
    """What the kernel tells of an open descriptor beside; empty when it is gone."""
    folder, _, number = link.rpartition("/fd/")
    try:
        with open(f"{folder}/fdinfo/{number}", encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except (OSError, ValueError):
        return ""


def compare(one: tuple[int, int], other: tuple[int, int]) -> int:
    """0 when two descriptors (process, number) are of one opening of a file, else their order; -2 when not known."""
    if _KCMP is None:
        return -2
    order = _libc.syscall(_KCMP, one[0], other[0], _SAME_FILE, one[1], other[1])
    return {0: 0, 1: -1, 2: 1}.get(order, -2)


def _same(what: int, pid: int, task: int) -> bool:
    """False also where the kernel cannot compare: the same is then read twice."""
    return _KCMP is not None and _libc.syscall(_KCMP, pid, task, what, 0, 0) == 0


def _table(pid: int, task: str) -> Iterator[Opened]:
    folder = os.open(f"{task}/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in os.listdir(folder):
            found = look(pid, f"descriptor {name}", f"{task}/fd/{name}", folder, name)
            if found is not None:
                yield found
    finally:
        os.close(folder)


def _places(pid: int, task: str) -> Iterator[Opened]:
    for name, way in (("cwd", "working folder"), ("root", "root folder"), ("exe", "program")):
        found = look(pid, way, f"{task}/{name}")
        if found is not None:
            yield found


def _mapped(pid: int, boring: set[bytes]) -> Iterator[Opened]:
    """A mapping may be made, moved or ended while it is looked at: then all are read again."""
    for _ in range(_TRIES):
        missed = False
        task, lines = _maps(pid)
        seen: set[bytes] = set()
        for match in _MAPPED.finditer(lines):
            file = match[3]
            if file in boring or file in seen:
                continue
            seen.add(file)
            found = look(pid, "mapped memory", f"/proc/{task}/map_files/{int(match[1], 16):x}-{int(match[2], 16):x}")
            missed = missed or found is None
            if found is not None:
                yield found._replace(line=file)
        if not missed:
            return


def _maps(pid: int) -> tuple[int, bytes]:
    """A thread that has memory, and what is mapped there; all threads have the same."""
    for task in tasks(pid):
        with contextlib.suppress(*_ENDED), open(f"/proc/{task}/maps", "rb") as stream:
            lines = stream.read()
            if lines:
                return task, lines
    return pid, b""


def look(pid: int, way: str, link: str, folder: int = _HERE, name: str = "") -> Opened | None:
    """What a link leads to, or `name` in an open folder; None when it is gone."""
    status = _libc.statx(folder, os.fsencode(name or link), _DONT_SYNC, _BASIC | _MOUNT, _buffer)
    if status == 0:
        mask, links, uid, gid, mode, number, *rest = _FACTS.unpack_from(_buffer)
        special, device = os.makedev(rest[0], rest[1]), os.makedev(rest[2], rest[3])
        return Opened(pid, way, link, uid, gid, mode, links, number, device, special, rest[4] if mask & _MOUNT else 0)
    error = ctypes.get_errno()
    if error in _GONE:
        return None
    if error in (errno.EACCES, errno.EPERM):
        raise PermissionError(error, os.strerror(error), link)
    return Opened(pid, way, link, -1, -1, 0, -1, -1, -1, -1, 0)
