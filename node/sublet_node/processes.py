"""Who runs on the node, read from /proc, and how to end it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Collection
from dataclasses import dataclass

from .errors import NodeError

_STOP_ROUNDS = 5


@dataclass(frozen=True)
class Process:
    """One process: its number, its parent's, every user id it carries, its name, and whether it is a zombie, or
    stopped."""

    pid: int
    parent: int
    uids: frozenset[int]
    name: str
    zombie: bool
    stopped: bool


def everything() -> list[Process]:
    """Every process on the node. A listing without this very process is an error, because it proves nothing."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found.append(read(int(entry)))
    if not any(process.pid == os.getpid() for process in found):
        raise NodeError(
            "listing_failed", "/proc does not list this process, so it cannot prove who runs.", retryable=True
        )
    return found


def of(uid: int) -> list[Process]:
    """Every process that carries `uid` as real, effective, saved or file system user; zombies included."""
    return [process for process in everything() if uid in process.uids]


def read(pid: int) -> Process:
    """One process; FileNotFoundError or ProcessLookupError when it has ended."""
    uids: frozenset[int] = frozenset()
    name, state, parent = "", "", 0
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as stream:
        for line in stream:
            if line.startswith("Name:"):
                name = line[5:].strip()
            elif line.startswith("State:"):
                state = line[6:].strip()[:1]
            elif line.startswith("PPid:"):
                parent = int(line[5:])
            elif line.startswith("Uid:"):
                uids = frozenset(map(int, line.split()[1:]))
                break
    return Process(pid, parent, uids, name, zombie=state in ("Z", "X"), stopped=state == "T")


def stop(uid: int) -> None:
    """Let no process of `uid` do anything more until it is killed. One that a last one of them makes may be missed."""
    stopped: set[int] = set()
    for _ in range(_STOP_ROUNDS):
        running = [process.pid for process in of(uid) if process.pid not in stopped]
        if not running:
            return
        for pid in running:
            _send(pid, signal.SIGSTOP)
        stopped.update(running)


def end(uid: int, *, deadline_seconds: float = 10) -> list[Process]:
    """Kill every process of `uid` until none is left; returns those that outlived the deadline."""
    deadline = time.monotonic() + deadline_seconds
    while True:
        left = of(uid)
        for process in left:
            _send(process.pid, signal.SIGKILL)
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.01)


def serving(login: str) -> list[Process]:
    """Root's part of every SSH connection of a login, which is there as soon as somebody gave the login's name and long
    before anybody is let in.

    Only what root alone runs counts: the login's own processes call themselves what they like.
    """
    title = re.compile(rb"sshd(-session)?: " + re.escape(login.encode()) + rb"(?![\w.-])")
    return [one for one in everything() if one.uids == {0} and not one.zombie and _is_called(one, title)]


def end_connections(opened: Collection[int], *, deadline_seconds: float = 10) -> list[Process]:
    """Kill SSH connections, given by root's parts of them, and returns what of them outlived the deadline.

    What root's part has made is part of it too, above all the one that carries the login's data: nobody chooses whose
    child a process is. What these have started in turn ends only if it minds. A connection that comes meanwhile is
    none of those given, so whoever comes again and again keeps nobody waiting.
    """
    for pid in opened:
        # Stopped, it makes no other, and what it has made stays its own until that is dead.
        _send(pid, signal.SIGSTOP)
    deadline = time.monotonic() + deadline_seconds
    while True:
        present = [process for process in everything() if not process.zombie]
        roots = [process for process in present if process.pid in opened and process.uids == {0}]
        children = [process for process in present if process.parent in opened]
        late = time.monotonic() > deadline
        if late or all(root.stopped for root in roots):
            for process in [*roots, *children] if late else children or roots:
                _send(process.pid, signal.SIGKILL)
        if late or not (roots or children):
            return [*roots, *children]
        time.sleep(0.01)


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _is_called(process: Process, title: re.Pattern[bytes]) -> bool:
    try:
        with open(f"/proc/{process.pid}/cmdline", "rb") as stream:
            return title.match(stream.read(200)) is not None
    except (FileNotFoundError, ProcessLookupError):
        return False
