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
    """One process: its number, its parent's, every user id it carries, its name, and whether it is a zombie."""

    pid: int
    parent: int
    uids: frozenset[int]
    name: str
    zombie: bool


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
    name, zombie, parent = "", False, 0
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as stream:
        for line in stream:
            if line.startswith("Name:"):
                name = line[5:].strip()
            elif line.startswith("State:"):
                zombie = line[6:].strip().startswith(("Z", "X"))
            elif line.startswith("PPid:"):
                parent = int(line[5:])
            elif line.startswith("Uid:"):
                uids = frozenset(map(int, line.split()[1:]))
                break
    return Process(pid, parent, uids, name, zombie)


def stop(uid: int) -> None:
    """Let no process of `uid` do anything more until it is killed. One that a last one of them makes may be missed."""
    stopped: set[int] = set()
    for _ in range(_STOP_ROUNDS):
        running = [process.pid for process in of(uid) if process.pid not in stopped]
        if not running:
            return
        for pid in running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        stopped.update(running)


def end(uid: int, *, deadline_seconds: float = 10) -> list[Process]:
    """Kill every process of `uid` until none is left; returns those that outlived the deadline."""
    deadline = time.monotonic() + deadline_seconds
    while True:
        left = of(uid)
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.01)


def serving(uid: int, login: str) -> list[Process]:
    """Every sshd that serves a login.

    That is root's part, which is there as soon as somebody gave the login's name and long before anybody is let in,
    and the login's own part, its child, which carries the data.
    """
    title = re.compile(rb"sshd(-session)?: " + re.escape(login.encode()) + rb"(?![a-z0-9])")
    return [process for process in everything() if not process.zombie and _serves(process, uid, title)]


def end_connections(
    uid: int, login: str, *, spared: Collection[int] = (), deadline_seconds: float = 10
) -> list[Process]:
    """Kill every sshd that serves a login until none is left; returns those that outlived the deadline.

    `spared` are root's parts of connections that may go on. What the others have started ends only if it minds.
    """
    deadline = time.monotonic() + deadline_seconds
    while True:
        left = [
            process
            for process in serving(uid, login)
            if process.pid not in spared and not (uid in process.uids and process.parent in spared)
        ]
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.01)


def _serves(process: Process, uid: int, title: re.Pattern[bytes]) -> bool:
    """Whether a process calls itself an sshd of the login; others than root's and the login's own may say what they
    like."""
    if not process.uids & {0, uid}:
        return False
    try:
        with open(f"/proc/{process.pid}/cmdline", "rb") as stream:
            return title.match(stream.read(200)) is not None
    except (FileNotFoundError, ProcessLookupError):
        return False
