"""Limits by simple quotas of btrfs (Linux 6.7): one group for each allocation, in which all its subvolumes count.

Without such a group a limit is escaped: whoever owns a folder may make a subvolume in it, and that counts for itself.
With simple quotas a new subvolume joins the groups of the one it is made in; with ordinary ones it does not.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from .. import paths
from . import btrfs
from .kind import Kind
from .volume import LIMITED, Volume

_PATIENCE_SECONDS, _HELD_SECONDS, _CLEANED_SECONDS = 2.0, 0.5, 120.0
_COMMITS = 4  # what was freed with a subvolume is subtracted with one that follows


def _why_not() -> str:
    """Why the homes cannot be limited like this, or "" when it is worth a try."""
    with btrfs.opened(paths.HOMES, by_link=True) as homes:
        if not btrfs.is_btrfs(homes):
            return f"{paths.HOMES} is not on btrfs"
        mode = btrfs.quota_mode(homes)
    if mode != "squota":
        now = "ordinary quotas, which a nested subvolume escapes" if mode else "no quotas"
        return f"{paths.HOMES} is on btrfs with {now} (btrfs quota enable --simple {paths.HOMES})"
    return ""


def _make(volume: Volume, size: int) -> None:
    """Make it, or give it another limit. What is an ordinary folder already stays one, without a limit."""
    LIMITED.mkdir(mode=0o700, exist_ok=True)
    group = btrfs.group_of(volume.uid)
    with btrfs.opened(paths.HOMES, by_link=True) as homes:
        missing = [place for place in (volume.home, volume.beside) if not os.path.lexists(place)]
        if volume.home in missing or _counts(homes, volume.home, group):
            btrfs.make_group(homes, group)
            btrfs.limit_group(homes, group, size)
            for place in missing:
                with btrfs.opened(place.parent, by_link=True) as folder:
                    btrfs.create_subvolume(folder, place.name, group)


def _limit(volume: Volume) -> int | None:
    """How many bytes the kernel lets it hold in all; None when something of it is not limited."""
    group = btrfs.group_of(volume.uid)
    with btrfs.opened(paths.HOMES, by_link=True) as homes:
        if not all(_counts(homes, place, group) for place in (volume.home, volume.beside)):
            return None
        return btrfs.limit_of(homes, group)


def _used(volume: Volume) -> int | None:
    """How many bytes it holds; None when they are not counted."""
    with btrfs.opened(paths.HOMES, by_link=True) as homes:
        return btrfs.held_by(homes, btrfs.group_of(volume.uid)) if btrfs.is_btrfs(homes) else None


def _before_removal(volume: Volume) -> None:
    """Lift its limit: in a group that is full the kernel deletes no subvolume."""
    group = btrfs.group_of(volume.uid)
    with btrfs.opened(paths.HOMES, by_link=True) as homes:
        if btrfs.is_btrfs(homes) and btrfs.group_files(homes, group).exists():
            btrfs.limit_group(homes, group, None)


def _after_removal(volume: Volume) -> None:
    """Remove the group, once what was deleted holds no space any more; it stays while somebody keeps that open."""
    group = btrfs.group_of(volume.uid)
    with btrfs.opened(paths.HOMES, by_link=True) as homes:
        if not btrfs.is_btrfs(homes) or not btrfs.group_files(homes, group).exists():
            return
        for _ in range(_COMMITS):
            _wait_until_cleaned(homes, group, patience=_HELD_SECONDS if volume.is_held else _PATIENCE_SECONDS)
            subvolumes = btrfs.members(homes, group)
            held = [one for one in subvolumes if btrfs.exists(homes, one)]
            for one in set(subvolumes).difference(held):
                btrfs.remove_group(homes, one)
            if held or btrfs.remove_group(homes, group):
                return


def _wait_until_cleaned(homes: int, group: int, *, patience: float) -> None:
    """The kernel cleans away what was deleted after it has written the deletion to disk, and tells nobody.

    As long as there is less and less it is at work; of what somebody has open nothing goes.
    """
    btrfs.commit(homes)
    subvolumes, held = btrfs.members(homes, group), btrfs.held_by(homes, group)
    began = moved = time.monotonic()
    while any(btrfs.exists(homes, one) for one in subvolumes):
        now, still = time.monotonic(), btrfs.held_by(homes, group)
        if still != held:
            held, moved = still, now
        if now - moved > patience or now - began > _CLEANED_SECONDS:
            return
        time.sleep(0.005)


def _left(volume: Volume) -> list[str]:
    """What the file system still holds of it after it was removed."""
    held = _used(volume)
    return [] if held is None else [f"{held} bytes of it, deleted but still held by somebody"]


def _counts(homes: int, place: Path, group: int) -> bool:
    """Whether a place is a subvolume that counts in the group."""
    try:
        with btrfs.opened(place) as folder:
            inside = btrfs.is_subvolume(folder)
            return inside and btrfs.subvolume_of(folder) in btrfs.members(homes, group)
    except (FileNotFoundError, NotADirectoryError):
        return False


SIMPLE_QUOTAS = Kind("simple quotas of btrfs", _why_not, _make, _limit, _used, _before_removal, _after_removal, _left)
