"""Access control lists of files, read and written as the kernel keeps them."""

from __future__ import annotations

import errno
import os
import stat
import struct
from pathlib import Path

_NAME = "system.posix_acl_access"
_VERSION = 2
_OWNER, _USER, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
_NOBODY = 0xFFFFFFFF
_READ_WRITE = 6


def users(path: Path) -> set[int]:
    """The uids that an entry of their own lets in."""
    return {number for tag, _, number in _read(path) if tag == _USER}


def set_users(path: Path, wanted: set[int]) -> bool:
    """Let exactly these uids read and write, besides root, and nobody else; False when it was so already."""
    mode = stat.S_IMODE(os.stat(path).st_mode)
    if users(path) == wanted and not mode & 0o007:
        return False
    if not wanted:
        try:
            os.removexattr(path, _NAME)
        except OSError as error:
            if error.errno != errno.ENODATA:
                raise
        os.chmod(path, 0o660)
        return True
    entries = [
        (_OWNER, _READ_WRITE, _NOBODY),
        *((_USER, _READ_WRITE, number) for number in sorted(wanted)),
        (_GROUP, _READ_WRITE, _NOBODY),
        (_MASK, _READ_WRITE, _NOBODY),
        (_OTHER, 0, _NOBODY),
    ]
    os.setxattr(path, _NAME, struct.pack("<I", _VERSION) + b"".join(struct.pack("<HHI", *entry) for entry in entries))
    return True


def _read(path: Path) -> list[tuple[int, int, int]]:
    try:
        raw = os.getxattr(path, _NAME)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.EOPNOTSUPP):
            return []
        raise
    return [(tag, permissions, number) for tag, permissions, number in struct.iter_unpack("<HHI", raw[4:])]
