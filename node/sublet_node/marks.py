"""By what one knows that something is a login's: noted before its processes end, because some of it has no owner.

Files, sockets, pipes and memory have an owner. A namespace and an eventfd have none: what the login's processes had of
these is written down, and is looked for until a release is proven.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from . import descriptors, devices, files, gpus, mounts, namespaces, paths, processes
from .descriptors import Opened
from .errors import NodeError
from .processes import Process
from .request import Subject

_KINDS = ("net", "ipc", "mnt", "uts", "pid", "pid_for_children", "user", "cgroup", "time", "time_for_children")
_MOST_NAMELESS = 20_000  # so that a login that opens all it can does not make its own release slow
NAMESPACES = os.stat("/proc/self/ns/mnt").st_dev


@dataclass
class Marks:
    """Of one login: `cards` are the numbers of GPUs that it held, `places` its file systems in memory.

    `namespaces` are the numbers of those that were its alone. `nameless` are descriptors (process, its start, number,
    what it is) that other processes had in common with it. `noticed` and `busy` are the namespaces and places of
    these that somebody was seen to hold, `unseen` processes that may not be looked into. `is_held` when somebody held
    something of it who was not ended. `memory_of` is whose memory in no place is looked for as well; -1 for nobody's.
    """

    login: str
    uid: int
    cards: frozenset[int] = frozenset()
    shared_cards: frozenset[int] = frozenset()
    places: frozenset[int] = frozenset()
    namespaces: set[int] = field(default_factory=set)
    nameless: set[tuple[int, int, str, str]] = field(default_factory=set)
    noticed: set[int] = field(default_factory=set)
    busy: set[int] = field(default_factory=set)
    unseen: set[str] = field(default_factory=set)
    kept: list[int] = field(default_factory=list)
    is_held: bool = False
    memory_of: int = -1

    def names(self, path: str) -> bool:
        """Whether a path is of something that is kept of the login, like its journal."""
        return self.login in path or re.search(rf"/(user-{self.uid}[.@]|core\.[^./]*\.{self.uid}\.)", path) is not None


@contextlib.contextmanager
def of(subject: Subject) -> Iterator[Marks]:
    """What is known of a login from earlier runs; call `note` with it as long as its processes are there."""
    known = Marks(subject.login, subject.uid, places=mounts.devices(subject))
    with contextlib.suppress(FileNotFoundError):
        try:
            stored = json.loads(_file(subject.login).read_bytes())
        except ValueError as error:
            raise NodeError("state_unreadable", f"{_file(subject.login)} is damaged: {error}. Remove it.") from error
        known.namespaces = set(stored["namespaces"])
        known.nameless = {(pid, start, link, what) for pid, start, link, what in stored["nameless"]}
    try:
        yield known
    finally:
        let_go(known)


def note(known: Marks) -> None:
    """Stop the login's processes, and note what they have in common with others, before anything else is done."""
    processes.stop(known.uid)
    own = processes.of(known.uid)
    shared = {number for pid in ("1", "self") for number, _ in _namespaces(pid)}
    found = [one for process in own for one in _namespaces(str(process.pid))]
    for number, link in (*namespaces.pinned(known.login), *found):
        if number not in shared | known.namespaces:
            # As long as it is open here, no other gets its number.
            with contextlib.suppress(OSError):
                known.kept.append(os.open(link, os.O_RDONLY | os.O_CLOEXEC))
                known.namespaces.add(number)
    known.nameless |= _in_common(own)
    _write(known)


def narrow(known: Marks) -> None:
    """Go on with what somebody was noticed to hold, and keep nothing of the rest alive any more."""
    let_go(known)
    known.namespaces &= known.noticed
    known.noticed.clear()
    _write(known)


def find_cards(known: Marks, held_gpus: list[str]) -> None:
    """Learn the device numbers of the GPUs that it held; NodeError when the node cannot list its GPUs."""
    if held_gpus:
        known.cards, known.shared_cards = devices.numbers(gpus.known(), held_gpus)


def let_go(known: Marks) -> None:
    """Keep nothing of the login alive any more."""
    while known.kept:
        os.close(known.kept.pop())


def namespaces_of(process: Process, known: Marks) -> list[str]:
    """Which of the login's namespaces a process, or a thread of it, is in."""
    if not known.namespaces:
        return []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        tasks = os.listdir(f"/proc/{process.pid}/task")
        found = {
            one for task in tasks for one in _namespaces(f"{process.pid}/task/{task}") if one[0] in known.namespaces
        }
        known.noticed |= {number for number, _ in found}
        return sorted({f"is in the namespace {descriptors.target(link)}" for _, link in found})
    return []


def nameless(opened: Opened, known: Marks) -> str | None:
    """What of the login it is that has no owner; None when it is nothing of it."""
    for one in known.nameless:
        if one[2] == opened.link and _is_there(one):
            return f"something without a name, {one[3]}"
    return None


def _namespaces(pid: str) -> Iterator[tuple[int, str]]:
    for kind in _KINDS:
        link = f"/proc/{pid}/ns/{kind}"
        with contextlib.suppress(OSError):
            yield os.stat(link).st_ino, link


def _in_common(own: list[Process]) -> set[tuple[int, int, str, str]]:
    """Descriptors of others that are the very same opening as one of `own`, of what has no owner."""
    mine = [_numbers(opened) for process in own for opened in _without_owner(process.pid)][:_MOST_NAMELESS]
    if not mine:
        return set()
    ordered = sorted(mine, key=functools.cmp_to_key(descriptors.compare))
    pids = {process.pid for process in own}
    found = set()
    for process in processes.everything():
        if process.pid not in pids:
            for opened in _without_owner(process.pid):
                if _is_among(_numbers(opened), ordered):
                    found.add((process.pid, _start(process.pid), opened.link, descriptors.target(opened.link)))
    return found


def _is_among(one: tuple[int, int], ordered: list[tuple[int, int]]) -> bool:
    low, high = 0, len(ordered)
    while low < high:
        middle = (low + high) // 2
        order = descriptors.compare(ordered[middle], one)
        if order == 0:
            return True
        low, high = (middle + 1, high) if order == -1 else (low, middle)
    return False


def _without_owner(pid: int) -> list[Opened]:
    with contextlib.suppress(NodeError):
        found = descriptors.of(pid, None)
        return [one for one in found if descriptors.has_no_owner(one)]
    return []


def _numbers(opened: Opened) -> tuple[int, int]:
    """Thread and descriptor, as kcmp(2) wants them."""
    parts = opened.link.split("/")
    return int(parts[4]), int(parts[6])


def _is_there(one: tuple[int, int, str, str]) -> bool:
    pid, start, link, what = one
    return _start(pid) == start and descriptors.target(link) == what


def _start(pid: int) -> int:
    """When a process was started, which no later one of that number shares; 0 when it has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            return int(stream.read().rpartition(")")[2].split()[19])
    except (OSError, IndexError):
        return 0


def _write(known: Marks) -> None:
    known.nameless = {one for one in known.nameless if _is_there(one)}
    if known.namespaces or known.nameless:
        noted = {"namespaces": sorted(known.namespaces), "nameless": sorted(known.nameless)}
        files.replace(_file(known.login), json.dumps(noted).encode(), mode=0o600)
    else:
        files.remove(_file(known.login))


def _file(login: str) -> Path:
    return paths.MARKS / f"{login}.json"
