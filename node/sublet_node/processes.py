"""Who runs on the node, read from /proc, and how to end it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from dataclasses import dataclass

from .errors import NodeError


@dataclass(frozen=True)
class Process:
    """One process: its number, every user id it carries, its name, and whether it is a zombie."""

    pid: int
    uids: frozenset[int]
    name: str
    zombie: bool


def everything() -> list[Process]:
    """Every process on the node. A listing without this very process is an error, because it proves nothing."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found.append(_read(int(entry)))
    if not any(process.pid == os.getpid() for process in found):
        raise NodeError(
            "listing_failed", "/proc does not list this process, so it cannot prove who runs.", retryable=True
        )
    return found


def of(uid: int) -> list[Process]:
    """Every process that carries `uid` as real, effective, saved or file system user; zombies included."""
    return [process for process in everything() if uid in process.uids]


def _read(pid: int) -> Process:
    uids: frozenset[int] = frozenset()
    name, zombie = "", False
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as stream:
        for line in stream:
            if line.startswith("Name:"):
                name = line[5:].strip()
            elif line.startswith("State:"):
                zombie = line[6:].strip().startswith(("Z", "X"))
            elif line.startswith("Uid:"):
                uids = frozenset(map(int, line.split()[1:]))
                break
    return Process(pid, uids, name, zombie)


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


def end_logins(login: str) -> None:
    """Kill what root's sshd runs for a login: also where it has let somebody in who has no process yet."""
    title = re.compile(rb"sshd(-session)?: " + re.escape(login.encode()) + rb"(?![a-z0-9])")
    for process in everything():
        with (
            contextlib.suppress(FileNotFoundError, ProcessLookupError),
            open(f"/proc/{process.pid}/cmdline", "rb") as stream,
        ):
            if 0 in process.uids and title.match(stream.read(200)):
                os.kill(process.pid, signal.SIGKILL)
