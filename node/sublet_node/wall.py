"""Show a folder to one login in such a way that nobody else can ever put anything into it.

That is more than modes can do: an owner may open a folder to all, and hand an open folder to another login over a
socket. A mount whose ids are mapped to those of one login goes with every open folder, and through it the kernel makes
no file for anybody else (mount_setattr(2), MOUNT_ATTR_IDMAP). Neither can anything be linked or moved in from another
mount.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

# The same on every architecture.
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_HERE, _EMPTY_PATH, _CLONE, _FROM_DESCRIPTOR = -100, 0x1000, 1, 4
_NO_SETUID, _NO_DEVICES, _MAPPED = 0x2, 0x4, 0x100000
_NEW_USER_NAMESPACE = 0x10000000
_libc = ctypes.CDLL(None, use_errno=True)


class _Attributes(ctypes.Structure):
    """struct mount_attr"""

    _fields_ = [
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("user_namespace", ctypes.c_uint64),
    ]


def bind(source: Path, target: Path, uid: int) -> bool:
    """Mount `source`, which the login must own, at `target` for it alone, without setuid files and devices.

    False, and nothing mounted, where the kernel or the file system cannot do it.
    """
    try:
        with _namespace(uid) as namespace:
            tree = _call(_OPEN_TREE, _HERE, os.fsencode(source), _CLONE | os.O_CLOEXEC)
            try:
                wanted = _Attributes(set=_NO_SETUID | _NO_DEVICES | _MAPPED, user_namespace=namespace)
                _call(_MOUNT_SETATTR, tree, b"", _EMPTY_PATH, ctypes.byref(wanted), ctypes.sizeof(wanted))
                _call(_MOVE_MOUNT, tree, b"", _HERE, os.fsencode(target), _FROM_DESCRIPTOR)
            finally:
                os.close(tree)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _namespace(uid: int) -> Iterator[int]:
    """An open user namespace that has this one id, for users and groups, and no other."""
    ready, made = os.pipe()
    ended, held = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(held)
        os.write(made, b"n" if _libc.unshare(_NEW_USER_NAMESPACE) else b"y")
        os.read(ended, 1)  # until the parent has done, or has died
        os._exit(0)
    os.close(made)  # so that a child that dies is heard
    os.close(ended)
    try:
        if os.read(ready, 1) != b"y":
            raise OSError("the kernel makes no user namespace")
        for kind in ("uid_map", "gid_map"):
            Path(f"/proc/{child}/{kind}").write_text(f"{uid} {uid} 1\n")
        descriptor = os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        for end in (ready, held):
            os.close(end)
        os.waitpid(child, 0)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: object) -> int:
    result = int(_libc.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        failed = ctypes.get_errno()
        raise OSError(failed, os.strerror(failed))
    return result
