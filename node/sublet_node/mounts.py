"""Places in memory that a login has to itself: its terminals, shared memory, and locks.

Elsewhere they are everybody's, and one login could use them up for all: the kernel has so many terminals, and /dev/shm
and /run/lock so much room. Here each login has its own, of a bounded size, and every session of it is shown these in
place of the machine's. They end with the release.
"""

from __future__ import annotations

import grp
import os
from pathlib import Path

from . import commands, paths
from .store import Store

TERMINALS = 128  # far more than people open, and few enough that the kernel's maximum (see `maxima`) serves hundreds
_SMALLEST_INODES = 4096
_INODES_PER_MIB = 256  # an empty file costs about 1 KiB of memory: names alone cannot take more than a quarter
_LOCK = "mounts"


def ensure(login: str, memory_mib: int) -> None:
    """Make them, or give them the size that the login's memory asks for now. Safe to repeat."""
    place = of(login)
    room = f"size={memory_mib}m,nr_inodes={max(_SMALLEST_INODES, memory_mib * _INODES_PER_MIB)}"
    with Store().locked(_LOCK):
        _make(paths.LOGINS, "tmpfs", "mode=0700,size=4m")
        if not _make(place, "tmpfs", f"mode=0700,{room}"):
            # Named in full, so that `mount` adds no options that it finds: where ids are mapped, those may be wrong.
            commands.run("mount", "-t", "tmpfs", "-o", f"remount,nosuid,{room}", "none", str(place))
        for name in ("shm", "lock"):
            (place / name).mkdir(exist_ok=True)
            os.chmod(place / name, 0o1777)  # noqa: S103  (only the login is shown it)
        _make(place / "pts", "devpts", f"newinstance,gid={_terminal_group()},mode=620,ptmxmode=666,max={TERMINALS}")


def remove(login: str) -> None:
    """Take them away with all that is in them. Nothing of the login may run any more."""
    _remove(of(login))


def remove_all() -> None:
    """Take away those of every login."""
    _remove(paths.LOGINS)


def of(login: str) -> Path:
    """Where they are."""
    return paths.LOGINS / login


def _make(place: Path, kind: str, options: str) -> bool:
    """False when it was there already."""
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.path.ismount(place):
        return False
    commands.run("mount", "-t", kind, "-o", f"nosuid,{options}", "none", str(place))
    return True


def _remove(place: Path) -> None:
    while os.path.ismount(place):
        if commands.attempt("umount", "--recursive", str(place))[0] != 0:
            commands.run("umount", "--lazy", str(place))  # somebody else looks into it
    if os.path.lexists(place):
        place.rmdir()


def _terminal_group() -> int:
    try:
        return grp.getgrnam("tty").gr_gid
    except KeyError:
        return 5
