"""Limits by quotas of the login's user id, which ext4 and XFS keep when mounted with `usrquota`.

Not those of projects: the owner of a file may give it another project's number (FS_IOC_FSSETXATTR), and so the room
of that project. To another user a login can give nothing.
"""

from __future__ import annotations

import ctypes
import errno
import os

from .. import paths
from .kind import Kind
from .volume import LIMITED, Volume

# linux/quota.h, and quotactl_fd(2), Linux 5.14, whose number is the same on every architecture.
_QUOTACTL_FD = 443
_GET, _SET, _OF_USERS = 0x800007, 0x800008, 0
_BLOCKS, _INODES = 1, 4
_BLOCK = 1024
_BYTES_FOR_EACH_FILE = 16384  # as ext4 has it
_libc = ctypes.CDLL(None, use_errno=True)


class _Quota(ctypes.Structure):
    """struct if_dqblk: limits of space in blocks, space itself in bytes."""

    _fields_ = [
        ("most_blocks", ctypes.c_uint64),
        ("warned_blocks", ctypes.c_uint64),
        ("bytes", ctypes.c_uint64),
        ("most_files", ctypes.c_uint64),
        ("warned_files", ctypes.c_uint64),
        ("files", ctypes.c_uint64),
        ("block_time", ctypes.c_uint64),
        ("file_time", ctypes.c_uint64),
        ("valid", ctypes.c_uint32),
    ]


def _why_not() -> str:
    try:
        _get(os.geteuid())
    except OSError as error:
        return f"{paths.HOMES} is not mounted with usrquota ({error.strerror})"
    return ""


def _make(volume: Volume, size: int) -> None:
    LIMITED.mkdir(mode=0o700, exist_ok=True)
    if os.path.lexists(volume.home) and not volume.beside.is_dir():
        return
    # The limit comes first: then nothing is ever stored without one.
    _set(volume.uid, size)
    volume.beside.mkdir(mode=0o700, exist_ok=True)
    volume.home.mkdir(mode=0o700, exist_ok=True)


def _limit(volume: Volume) -> int | None:
    homes = os.stat(paths.HOMES).st_dev
    for place in (volume.home, volume.beside):
        if not place.is_dir() or place.stat().st_dev != homes:
            return None
    quota = _known(volume)
    return quota.most_blocks * _BLOCK if quota is not None and quota.most_blocks else None


def _used(volume: Volume) -> int | None:
    quota = _known(volume)
    return int(quota.bytes) if quota is not None and quota.most_blocks else None


def _before_removal(volume: Volume) -> None:
    """Root removes what it likes."""


def _after_removal(volume: Volume) -> None:
    if _used(volume) is not None:
        _set(volume.uid, 0)


def _left(volume: Volume) -> list[str]:
    quota = _known(volume)
    held = 0 if quota is None else int(quota.bytes)
    return [f"{held} bytes of uid {volume.uid} on the file system of the homes"] if held else []


def _known(volume: Volume) -> _Quota | None:
    """The quota of the login; None where there are none."""
    try:
        return _get(volume.uid)
    except OSError:
        return None


def _get(uid: int) -> _Quota:
    quota = _Quota()
    _call(_GET, uid, quota)
    return quota


def _set(uid: int, size: int) -> None:
    """Set a limit for space, and one for files; 0 takes both away."""
    quota = _Quota(most_blocks=size // _BLOCK, most_files=size // _BYTES_FOR_EACH_FILE, valid=_BLOCKS | _INODES)
    _call(_SET, uid, quota)


def _call(command: int, uid: int, quota: _Quota) -> None:
    homes = os.open(paths.HOMES, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        done = _libc.syscall(
            ctypes.c_long(_QUOTACTL_FD), homes, ctypes.c_uint(command << 8 | _OF_USERS), uid, ctypes.byref(quota)
        )
        if done != 0:
            failed = ctypes.get_errno() or errno.EIO
            raise OSError(failed, os.strerror(failed))
    finally:
        os.close(homes)


USER_QUOTAS = Kind("user quotas", _why_not, _make, _limit, _used, _before_removal, _after_removal, _left)
