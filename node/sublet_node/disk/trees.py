"""Removing a folder with all that is in it, subvolumes too, and nothing that only seems to be in it.

On btrfs whoever owns a folder can make subvolumes in it, nest them, and make them read-only. Each looks like another
file system, at whose border every tool stops that removes a tree.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from pathlib import Path

from .. import commands
from ..errors import NodeError
from . import btrfs

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_REMOVE_SECONDS = 600


def remove(*places: Path) -> None:
    """Remove folders, or what else has their names. Nobody may change them any more; links are not followed.

    NodeError, and nothing was removed, when something is mounted in one: what one sees there may be anybody's.
    """
    mounted = [(place, where) for where in mount_points() for place in places if place in (where, *where.parents)]
    for place, where in mounted:
        raise NodeError(
            "home_unsafe", f"{where} is mounted, so nothing in {place} was removed. Unmount it: umount {where}"
        )
    doomed = [place for place in places if place.is_dir() and not place.is_symlink()]
    for folder in {place.parent for place in doomed}:
        _remove_subvolumes(folder, [place for place in doomed if place.parent == folder])
    left = [str(place) for place in places if os.path.lexists(place)]
    if left:
        commands.run("rm", "-rf", "--one-file-system", "--", *left, timeout_seconds=_REMOVE_SECONDS)


def remove_left_subvolume(place: str, uid: int) -> None:
    """Remove a subvolume that a login left in a folder of others, who may exchange what lies on the way to it."""
    with contextlib.suppress(OSError):
        descriptor = _open_step_by_step(place)
        try:
            if not btrfs.is_subvolume(descriptor) or os.fstat(descriptor).st_uid != uid:
                return
            own, parent = btrfs.subvolume_of(descriptor), os.open("..", _FOLDER, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        try:
            _destroy(parent, _with_all_below(parent, own))
        finally:
            os.close(parent)


def mount_points() -> list[Path]:
    """Where something is mounted."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [Path(re.sub(r"\\([0-7]{3})", _unescaped, line.split(" ")[4])) for line in lines]


def _unescaped(escape: re.Match[str]) -> str:
    return chr(int(escape.group(1), 8))


def _remove_subvolumes(folder: Path, places: list[Path]) -> None:
    """Delete each that lies below one of these places of a folder, deepest first, and the place itself if it is one."""
    with btrfs.opened(folder, by_link=True) as parent:
        if btrfs.is_btrfs(parent):
            _destroy(parent, [child for place in places for child in _subvolumes_of(parent, place)])


def _subvolumes_of(parent: int, place: Path) -> list[btrfs.Child]:
    with btrfs.opened(place) as descriptor:
        own, inode = btrfs.subvolume_of(descriptor), os.fstat(descriptor).st_ino
    if inode == btrfs.FIRST_INODE:
        return _with_all_below(parent, own)
    within = [child for child in btrfs.children(parent, own) if btrfs.lies_below(parent, own, child.folder, inode)]
    return [one for child in within for one in _with_all_below(parent, child.id)]


def _with_all_below(parent: int, subvolume: int) -> list[btrfs.Child]:
    """A subvolume that lies in the one of an open folder, and all below it, each after the one it lies in."""
    found = [child for child in btrfs.children(parent, btrfs.subvolume_of(parent)) if child.id == subvolume]
    for child in found:  # which grows meanwhile
        found += btrfs.children(parent, child.id)
    return found


def _destroy(descriptor: int, doomed: list[btrfs.Child]) -> None:
    """Delete subvolumes, of which each stands after the one it lies in."""
    by_id = {child.id: child for child in doomed}
    for child in reversed(doomed):
        try:
            btrfs.destroy_subvolume(descriptor, child)
        except OSError as error:
            if error.errno != errno.EROFS or child.parent not in by_id:
                raise
            chain = [by_id[child.parent]]  # which its owner made read-only
            while chain[0].parent in by_id:
                chain.insert(0, by_id[chain[0].parent])
            btrfs.make_writable(descriptor, chain)
            btrfs.destroy_subvolume(descriptor, child)


def _open_step_by_step(place: str) -> int:
    """Open a folder by a path that holds no link."""
    descriptor = os.open("/", _FOLDER)
    for part in place.strip("/").split("/"):
        try:
            inner = os.open(part, _FOLDER, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = inner
    return descriptor
