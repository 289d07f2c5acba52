"""Proof of a release: each check looks at the node again and fails when it cannot look."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import (
    confinement,
    devices,
    enrolment,
    gpu_health,
    gpus,
    holders,
    leftovers,
    limits,
    logins,
    marks,
    memory,
    namespaces,
    network,
    paths,
    ports,
    processes,
    sessions,
    startup,
)
from .disk import homes
from .errors import NodeError
from .holders import Holder
from .request import Subject
from .store import Allocation

# A GPU without work holds a few MiB for its driver. More than this means that somebody's data are still on it.
_IDLE_GPU_MIB = 256
_LONGEST_NAME = 300
MOST_HOLDERS = 200


def collect(
    record: Allocation, held_gpus: list[str], walled: set[str], known: marks.Marks, ended: list[Holder]
) -> list[dict[str, Any]]:
    """All checks, in the order in which a person would ask. Into the places of `walled` logins nobody else can put.

    `ended` is who was ended because it held something of the login.
    """
    subject = Subject(record.allocation, record.login, record.uid)
    looks: list[tuple[str, Callable[[], list[str]]]] = [
        ("access", lambda: _existing([paths.PRINCIPALS / subject.login])),
        ("sessions", lambda: [f"session {name}" for name in sessions.of(subject.uid)]),
        ("processes", lambda: [f"{process.name} ({process.pid})" for process in processes.of(subject.uid)]),
        ("slice", lambda: limits.traces(subject.uid)),
        ("account", lambda: logins.traces(subject) + confinement.traces(subject)),
        ("home", lambda: homes.left(subject)),
        ("files", lambda: leftovers.owned_files(subject.uid, enrolment.open_places(), walled)),
        ("cron", lambda: leftovers.jobs(subject)),
        ("ipc", lambda: [f"{kind} {number}" for kind, number in leftovers.ipc(subject.uid)]),
        ("keys", lambda: _existing([paths.AUTHORIZED_KEYS / subject.login])),
        ("startup", lambda: startup.traces(subject)),
        ("gpu", lambda: gpus_left(subject.uid, held_gpus)),
    ]
    checks = [check(name, look) for name, look in looks]
    held = _held(known, held_gpus, ended)
    # Last, when nothing that was looked at here is open any more.
    links = check("network", lambda: _network(subject, record, is_held=not held["clean"]))
    return [*checks, held, _memory(subject.uid), links]


def _network(subject: Subject, record: Allocation, *, is_held: bool) -> list[str]:
    return [
        *namespaces.traces(subject),
        *network.traces(subject.uid, expected=is_held),
        *ports.traces(record),
        *network.connections_left(enrolment.read(), record),
    ]


def check(name: str, look: Callable[[], list[str]]) -> dict[str, Any]:
    """One look, as the answer has it: clean when it finds nothing, and never when it cannot look."""
    try:
        found = look()
    except (NodeError, OSError, ValueError, LookupError) as error:
        return {"name": name, "clean": False, "detail": f"Could not be observed: {error}"}
    if found:
        rest = f" and {len(found) - 5} more" if len(found) > 5 else ""
        return {"name": name, "clean": False, "detail": "Left: " + ", ".join(map(_shown, found[:5])) + rest}
    return {"name": name, "clean": True, "detail": "Looked again: nothing left."}


def _held(known: marks.Marks, held_gpus: list[str], ended: list[Holder]) -> dict[str, Any]:
    """Customers read the detail, which names no other allocation; operators read who holds it, beside."""
    found: list[Holder] = []

    def look() -> list[str]:
        marks.find_cards(known, held_gpus)
        found.extend(holders.left(known))
        return [holder.what for holder in found]

    held = check("held", look)
    names = {uid: login for login, uid in logins.passwd_entries().items()}
    if known.unseen:
        held["detail"] += f" Not looked into, for nobody on this node may: {', '.join(sorted(known.unseen))}."
    if ended and not found:
        what = ", ".join(f"{holder.name} ({holder.pid}) of {names.get(holder.uid, holder.uid)}" for holder in ended[:5])
        held["detail"] += f" Ended, because it held something of this: {what}."
    held["holders"] = [holder.shown(names) for holder in found[:MOST_HOLDERS]]
    return held


def _memory(uid: int) -> dict[str, Any]:
    left = check("memory", lambda: memory.left(uid))
    unknown = memory.not_known()
    return left if unknown is None else {**left, "detail": unknown}


def _shown(name: str) -> str:
    """A name that a customer chose, as text that fits an answer and steers no terminal."""
    printable = "".join(character if character.isprintable() else "?" for character in name)
    return printable if len(printable) <= _LONGEST_NAME else f"{printable[:_LONGEST_NAME]}…"


def _existing(candidates: list[Path]) -> list[str]:
    return [str(path) for path in candidates if os.path.lexists(path)]


def gpus_left(uid: int, held: list[str]) -> list[str]:
    """What is left on GPUs that a login held, and which of them it may open."""
    available = gpus.known()
    found = [f"access of uid {uid} to {uuid}" for uuid in devices.holders(uid, available)]
    for uuid in held:
        now = gpus.use(uuid)
        if now.processes:
            found.append(f"processes {', '.join(map(str, now.processes))} on {uuid}")
        if now.memory_used_mib > _IDLE_GPU_MIB:
            found.append(f"{now.memory_used_mib} MiB in use on {uuid}")
        wanted = gpu_health.recovery(uuid)
        if wanted not in (None, "none"):
            found.append(f"what was on {uuid}: its driver says that it has to be recovered first ({wanted})")
    return found
