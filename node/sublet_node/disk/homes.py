"""The limit on what an allocation stores, whichever way this node has of keeping it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from typing import Any

from .. import paths
from ..request import Subject
from . import btrfs, choice, trees
from .volume import LIMITED, Volume, volume_of

_GIB = 1 << 30


def capability() -> tuple[bool, str]:
    """Whether what allocations store is limited here: tried, and how; else why not."""
    found = choice.renewed()
    return found.kind != "", found.detail


def make(subject: Subject, disk_gib: int) -> None:
    """Make the volume, or give it another limit. What an earlier version made without a limit stays as it is."""
    kind = choice.KINDS.get(choice.current().kind)
    if kind is not None:
        kind.make(_volume(subject), disk_gib * _GIB)


def enforced(subject: Subject, disk_gib: int) -> dict[str, Any]:
    """The limit as the kernel has it, in the words of `limits.enforced`."""
    known = choice.current()
    kind = choice.KINDS.get(known.kind)
    found = None if kind is None else kind.limit(_volume(subject))
    holds = found == disk_gib * _GIB
    detail = known.detail
    if kind is not None:
        detail = f"Read back from the kernel: {kind.name}."
        if not holds:
            detail = f"The kernel does not show it ({kind.name}). A home keeps the kind of place it was made with."
    return {
        "limit": "disk",
        "requested": f"{disk_gib} GiB",
        "value": None if found is None else f"{found / _GIB:g} GiB",
        "enforced": holds,
        "detail": detail,
    }


def count() -> None:
    """Bring the kernel's own counts up to date, which on btrfs are those of the last commit."""
    with btrfs.opened(paths.HOMES, by_link=True) as homes:
        if btrfs.quota_mode(homes):
            btrfs.commit(homes)


def used(login: str, uid: int) -> int | None:
    """How many bytes it stores, by the kernel's own count; None where that has none."""
    counts = (kind.used(volume_of(login, uid)) for kind in choice.KINDS.values())
    return next((count for count in counts if count is not None), None)


def restore(subject: Subject) -> None:
    """Bring back what a boot undoes."""
    for kind in choice.KINDS.values():
        kind.restore(_volume(subject))


def remove(subject: Subject, *, is_held: bool = False) -> None:
    """Remove the home and what lies beside it. Nothing of the login may run any more, or be shown it.

    Whether somebody is known to hold something of the login only shortens the wait for the kernel to clean up.
    """
    volume = dataclasses.replace(_volume(subject), is_held=is_held)
    for kind in choice.KINDS.values():
        kind.before_removal(volume)
    trees.remove(volume.home, volume.beside)
    for kind in choice.KINDS.values():
        kind.after_removal(volume)


def left(subject: Subject) -> list[str]:
    """What of it is still there, or still held by somebody although it was deleted."""
    volume = _volume(subject)
    found = [str(place) for place in (volume.home, volume.beside) if os.path.lexists(place)]
    return found + [trace for kind in choice.KINDS.values() for trace in kind.left(volume)]


def unenrol() -> None:
    """Take away the folder beside the homes, unless something of an allocation is still in it."""
    with contextlib.suppress(OSError):
        LIMITED.rmdir()


def _volume(subject: Subject) -> Volume:
    return volume_of(subject.login, subject.uid)
