"""What is in a namespace in which nobody is, and which a mount or a descriptor keeps alive."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os

_KIND_OF = 0xB703  # NS_GET_NSTYPE of ioctl_ns(2)
_MOUNTS, _IPC = 0x00020000, 0x08000000
_OBJECTS = ("shm", "msg", "sem")
_libc = ctypes.CDLL(None, use_errno=True)


def shows(link: str, login: str, uid: int) -> bool:
    """Whether the namespace at a path has a mount of the login, or System V objects of its uid.

    False for a namespace of another kind, and for one that is gone.
    """
    with contextlib.suppress(OSError):
        number = os.open(link, os.O_RDONLY | os.O_CLOEXEC)
        try:
            kind = fcntl.ioctl(number, _KIND_OF)
            if kind == _MOUNTS:
                return login in _read(number, kind, ("self/mountinfo",))
            if kind == _IPC:
                objects = _read(number, kind, tuple(f"sysvipc/{name}" for name in _OBJECTS))
                return any(str(uid) in line.split() for line in objects.splitlines())
        finally:
            os.close(number)
    return False


def _read(namespace: int, kind: int, names: tuple[str, ...]) -> str:
    """Files of /proc as a process in the namespace sees them; a child goes there, and does nothing else."""
    said, say = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
            if _libc.setns(namespace, kind) == 0:
                for name in names:
                    file = os.open(name, os.O_RDONLY, dir_fd=proc)
                    while piece := os.read(file, 1 << 16):
                        os.write(say, piece)
        os._exit(0)
    os.close(say)
    with os.fdopen(said, encoding="utf-8", errors="replace") as stream:
        content = stream.read()
    os.waitpid(child, 0)
    return content
