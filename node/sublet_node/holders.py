"""What other processes still hold of a login: evidence looks at what is held, not at who may open.

An open descriptor outlives every right to open: it is passed over sockets and inherited. So every process on the node
is looked into, whoever's it is, for what belongs to the login, whether it has a name still or not.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import descriptors, marks, namespace_contents, pins, processes, systemd, transit
from .descriptors import Opened
from .errors import NodeError
from .marks import Marks
from .processes import Process
from .request import FIRST_UID


def _device_of_memory() -> int:
    number = os.memfd_create("sublet")
    try:
        return os.fstat(number).st_dev
    finally:
        os.close(number)


# The file system of all memory that is in no place. Of huge pages it is another, where the name tells.
_MEMORY = _device_of_memory()
_LOOK_AGAIN_SECONDS = 1.0
_PAUSE_SECONDS = 0.1
_END_SECONDS = 5.0
_KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a folder",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFLNK: "a link",
}


@dataclass(frozen=True)
class Holder:
    """A process that holds something of the login, and what."""

    pid: int
    uid: int
    name: str
    what: str
    may_end: bool = True

    def shown(self, names: Mapping[int, str]) -> dict[str, Any]:
        """As the answer has it, for operators: it names other allocations."""
        return {"pid": self.pid, "login": names.get(self.uid, str(self.uid)), "name": self.name, "what": self.what}


def left(known: Marks) -> list[Holder]:
    """Who holds something of the login now. What is only passing, as a search or a login's start, is let pass."""
    deadline = time.monotonic() + _LOOK_AGAIN_SECONDS
    found = _look(known)
    while found and time.monotonic() < deadline:
        time.sleep(_PAUSE_SECONDS)
        found = _look(known)
    marks.narrow(known)
    return found


def end_or_find(known: Marks, mates: Mapping[str, int]) -> list[Holder]:
    """Who has something of it open, but for what `mates` run, which is ended. It is looked at what is open alone."""
    boring: set[bytes] = set()
    found: dict[tuple[int, str], Holder] = {}
    for process in processes.everything():
        if process.pid != os.getpid():
            for what, way in _of(process, known, boring):
                sure = not isinstance(what, transit.Unsure)
                found.setdefault((process.pid, what), _holder(process, f"{what} ({way})", may_end=sure))
    ended = {
        holder.pid for holder in found.values() if holder.may_end and holder.uid in mates.values() and _end(holder)
    }
    return sorted(
        (holder for holder in found.values() if holder.pid not in ended), key=lambda holder: (holder.pid, holder.what)
    )


def take_back(known: Marks, mates: Mapping[str, int]) -> list[Holder]:
    """End what the same organization's other logins, `mates`, run that holds something; returns what was ended.

    Nothing of anybody else is ended.
    """
    try:
        found = _look(known)
    except (NodeError, OSError):
        marks.let_go(known)
        return []  # the check says so, when all is ended and removed that can be
    ended = [holder for holder in found if holder.may_end and holder.uid in mates.values() and _end(holder)]
    known.is_held = len(ended) < len(found)
    if ended:
        with contextlib.suppress(NodeError, OSError):
            _look(known)
    marks.narrow(known)
    return ended


def _look(known: Marks) -> list[Holder]:
    found: dict[tuple[int, str], Holder] = {}
    boring: set[bytes] = set()
    known.busy.clear()
    everyone = processes.everything()
    for process in everyone:
        if process.pid == os.getpid() or known.uid in process.uids:
            continue  # the login's own are another check's
        for what, way in _of(process, known, boring):
            sure = not isinstance(what, transit.Unsure)
            found.setdefault((process.pid, what), _holder(process, f"{what} ({way})", may_end=sure))
        # Only root can put a process there; and the number of one that is gone may be another's by now.
        for what in marks.namespaces_of(process, known):
            found.setdefault((process.pid, what), _holder(process, what, may_end=False))
    for process, what in pins.of(known, everyone):
        found.setdefault((process.pid, what), _holder(process, what, may_end=False))
    return sorted(found.values(), key=lambda holder: (holder.pid, holder.what))


def _holder(process: Process, what: str, *, may_end: bool = True) -> Holder:
    return Holder(process.pid, max(process.uids, default=0), process.name, what, may_end)


def _of(process: Process, known: Marks, boring: set[bytes]) -> list[tuple[str, str]]:
    """What of the login a process has, and how."""
    found = []
    try:
        for opened in descriptors.of(process.pid, boring):
            what = _judge(opened, process, known)
            if what is not None:
                found.append((what, opened.way))
            elif opened.line and not stat.S_ISCHR(opened.mode) and not descriptors.has_no_name(opened):
                boring.add(opened.line)
    except NodeError:
        # Without root's rights there are processes above this node, like its first one, which nobody on it is let at.
        if systemd.is_running():
            raise
        known.unseen.add(f"{process.name} ({process.pid})")
    return found


def _judge(opened: Opened, process: Process, known: Marks) -> str | None:
    """What of the login it is, or what of it is in it; None when it is nothing of it."""

    def is_itself(one: Opened) -> str | None:
        return _by_owner(one, known) or _by_number(one, process, known) or _by_name(one, known)

    found = is_itself(opened)
    if found is None and stat.S_ISSOCK(opened.mode):
        return transit.by_socket(opened, is_itself)
    if found is None and descriptors.has_no_name(opened):
        return transit.by_ring(opened, known.uid, is_itself)
    return found


def _by_owner(opened: Opened, known: Marks) -> str | None:
    if opened.device in known.places:
        known.busy.add(opened.device)
        return "a terminal" if stat.S_ISCHR(opened.mode) else "something in its memory"
    if known.memory_of == opened.uid and _is_memory(opened):
        return "a piece of memory"
    return _kind(opened) if known.uid in (opened.uid, opened.gid) else None


def _by_number(opened: Opened, process: Process, known: Marks) -> str | None:
    if stat.S_ISCHR(opened.mode) and opened.special in known.cards | known.shared_cards:
        return _card(opened, process, known)
    if opened.device == marks.NAMESPACES:
        return _namespace(opened, known)
    if descriptors.has_no_owner(opened):
        return marks.nameless(opened, known)
    return None


def _namespace(opened: Opened, known: Marks) -> str | None:
    """One that was noted, or one of a session that had ended before, by what is in it."""
    if opened.number in known.namespaces:
        known.noticed.add(opened.number)
    elif not namespace_contents.shows(opened.link, known.login, known.uid):
        return None
    return f"the namespace {descriptors.target(opened.link)}"


def _by_name(opened: Opened, known: Marks) -> str | None:
    """Another's by owner and the login's by content, like its journal; or what cannot be looked at."""
    deleted = stat.S_ISREG(opened.mode) and opened.links == 0
    if not (deleted or opened.device == -1) or not known.names(descriptors.target(opened.link)):
        return None
    return "a deleted file" if deleted else "a file that cannot be looked at"


def _kind(opened: Opened) -> str:
    if _is_memory(opened):
        return "a piece of memory"
    text = descriptors.target(opened.link)
    if stat.S_ISCHR(opened.mode) and os.major(opened.special) in range(136, 144):
        return "a terminal"
    return _KINDS.get(stat.S_IFMT(opened.mode), f"something without a name, {text or 'gone now'}")


def _is_memory(opened: Opened) -> bool:
    """Whether it is memory in no place: by itself, shared with others, or of a segment (shmget)."""
    return opened.device == _MEMORY or descriptors.target(opened.link).startswith("/memfd:")


def _card(opened: Opened, process: Process, known: Marks) -> str | None:
    """A GPU's device file. The node's own programs open it by themselves, and every customer of a GPU the shared ones.

    What one of these did not open itself came by a mount that is in no place of its own.
    """
    an_allocation = any(uid >= FIRST_UID for uid in process.uids)
    if an_allocation and opened.special in known.cards:
        return "a GPU"
    if opened.mount and opened.mount not in pins.mounts_seen_by(process.pid):
        return "a GPU" if opened.special in known.cards else "a device of the GPU driver"
    return None


def _end(holder: Holder) -> bool:
    """Whether it was ended: only when it is wholly of that login."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        process = processes.read(holder.pid)
        if process.uids != {holder.uid} or process.name != holder.name:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(holder.pid, signal.SIGKILL)
        deadline = time.monotonic() + _END_SECONDS
        while not processes.read(holder.pid).zombie and time.monotonic() < deadline:
            time.sleep(0.01)
        return time.monotonic() < deadline
    return True
