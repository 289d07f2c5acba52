"""What is suspended gives back all but its disk: memory and GPUs, which are then another's, and shows that it has.

Its login is closed, and no process of it runs. What else keeps a GPU or memory in use is what others hold of it, and
what it left in memory: the first is ended where it is its own organization's, the second is removed.
"""

from __future__ import annotations

from typing import Any

from . import devices, evidence, gpus, holders, leftovers, logins, memory, mounts, processes
from .holders import Holder
from .marks import Marks
from .request import Subject

_LEAST_MEMORY = 16 << 20
"""Bytes that the kernel may keep for what stays: folders, mounts and namespaces of a login that will come back. Memory
that others hold of it is looked for by its owner, so that none of that passes for the kernel's."""


def give_back(subject: Subject, cards: list[str], mates: dict[str, int]) -> list[dict[str, Any]]:
    """Give back memory and the GPUs `cards`, which nobody may open any more; the checks that show what is left of it.

    `mates` are the other logins of its organization on this node. Safe to repeat.
    """
    leftovers.remove_ipc(subject.uid)
    mounts.empty_memory(subject)
    return [
        evidence.check(
            "processes", lambda: [f"{process.name} ({process.pid})" for process in processes.of(subject.uid)]
        ),
        _held(cards, mates, places=mounts.devices(subject), memory_of=subject.uid),
        evidence.check("memory", lambda: memory.left(subject.uid, least=_LEAST_MEMORY)),
        evidence.check("gpu", lambda: evidence.gpus_left(subject.uid, cards)),
    ]


def keep(cards: list[str], mates: dict[str, int]) -> list[dict[str, Any]]:
    """The check that nobody computes on the GPUs of what is suspended and keeps them; none where it has none.

    What `mates` run that holds one is ended.
    """
    return [_held(cards, mates)] if cards else []


def _held(
    cards: list[str], mates: dict[str, int], *, places: frozenset[int] = frozenset(), memory_of: int = -1
) -> dict[str, Any]:
    """Who holds a GPU or something in its memory, named for operators. Files of its disk are its own to share: they
    are not looked for."""
    found: list[Holder] = []

    def look() -> list[str]:
        numbers = devices.numbers(gpus.known(), cards)[0] if cards else frozenset()
        found.extend(holders.end_or_find(Marks("\0", -1, cards=numbers, places=places, memory_of=memory_of), mates))
        return [f"{holder.what} in {holder.name} ({holder.pid})" for holder in found]

    held = evidence.check("held", look)
    names = {uid: login for login, uid in logins.passwd_entries().items()} if found else {}
    return {**held, "holders": [holder.shown(names) for holder in found[: evidence.MOST_HOLDERS]]}
