"""Mounts that show something of a login, or keep a namespace of its alive, in whatever mount namespace."""

from __future__ import annotations

import os
from collections.abc import Iterator

from . import descriptors, namespace_contents, paths, systemd
from .marks import Marks
from .processes import Process


def of(known: Marks, everyone: list[Process]) -> Iterator[tuple[Process, str]]:
    """A process of each mount namespace in which something of the login is mounted, and what is mounted there.

    What is still at the login's own places is for the check of the account, and so are copies of it, which services
    have and which go with it.
    """
    still_there = {line[4] for line in _lines("self") if line[4].startswith(f"{paths.LOGINS}/{known.login}/")}
    seen: set[int] = set()
    for process in everyone:
        try:
            task = _living(process.pid)
            namespace = os.stat(f"/proc/{task}/ns/mnt").st_ino
            if namespace in seen or known.uid in process.uids:
                continue
            seen.add(namespace)
            lines = _lines(task)
        except (FileNotFoundError, ProcessLookupError):
            continue
        except PermissionError:
            if systemd.is_running():
                raise
            continue  # above this node, see `holders`
        for line in lines:
            what = None if line[4] in still_there else _judge(line, task, known)
            if what is not None:
                yield process, what


def _judge(line: list[str], task: str, known: Marks) -> str | None:
    root, place, kind, source = line[3], line[4], *line[line.index("-") + 1 : line.index("-") + 3]
    if known.login in f"{root} {place} {source}":
        return f"a mount at {place}"
    if kind != "nsfs":
        return None
    noted = [number for number in known.namespaces if f"[{number}]" in root]
    known.noticed.update(noted)
    pinned = bool(noted) or namespace_contents.shows(f"/proc/{task}/root{place}", known.login, known.uid)
    return f"the namespace {root}, mounted at {place}" if pinned else None


def mounts_seen_by(pid: int) -> set[int]:
    """The numbers of all mounts in the places of a process; none when it has ended."""
    try:
        return {int(line[0]) for line in _lines(_living(pid))}
    except (FileNotFoundError, ProcessLookupError):
        return set()


def _living(pid: int) -> str:
    """A thread of a process that sees mounts: when the first has ended, the others may go on."""
    return next((f"{task}" for task in descriptors.tasks(pid) if os.path.exists(f"/proc/{task}/ns/mnt")), f"{pid}")


def _lines(pid: str) -> list[list[str]]:
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8", errors="surrogateescape") as stream:
        return [line.split(" ") for line in stream.read().splitlines()]
