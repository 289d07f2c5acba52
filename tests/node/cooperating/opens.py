"""Open one thing of every kind, say which, and keep them until the input ends: as a login, in a session of its own."""

import ctypes
import json
import mmap
import os
import pty
import select
import socket
import sys

USERFAULTFD, IO_URING_SETUP = 323, 425
libc = ctypes.CDLL(None)
kept: "list[object]" = []


def keep(thing: object) -> object:
    """Let it be closed only with the program."""
    kept.append(thing)
    return thing


def file(path: str, *, deleted: bool = False) -> int:
    """A new file with something in it."""
    number = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.write(number, b"secret" * 1000)
    if deleted:
        os.unlink(path)
    return number


def memory() -> int:
    """A piece of memory without a name."""
    number = os.memfd_create("kept")
    os.write(number, b"secret" * 1000)
    return number


def listening() -> int:
    """A socket of the login's own loopback."""
    return socket.create_server(("127.0.0.1", 0)).detach()


def io_uring() -> int:
    """A ring; -1 where customers may not have one."""
    return int(libc.syscall(IO_URING_SETUP, 8, ctypes.create_string_buffer(120)))


def main(card: str) -> None:
    """Open, say and wait."""
    master, terminal = pty.openpty()
    poll, shared = select.epoll(), mmap.mmap(-1, 1 << 20)
    assert libc.shmget(4711, 4096, 0o1600) >= 0
    keep(poll)
    keep(shared)
    home = os.path.expanduser("~")
    kinds = {
        "file": file(f"{home}/file"),
        "deleted file": file(f"{home}/deleted", deleted=True),
        "file in /tmp": file("/tmp/file"),
        "file in /dev/shm": file("/dev/shm/file"),
        "folder": os.open(home, os.O_RDONLY),
        "folder in memory": os.open("/run/lock", os.O_RDONLY),
        "memory": memory(),
        "terminal": terminal,
        "master of a terminal": master,
        "pipe": os.pipe()[0],
        "socket": socket.socket(socket.AF_UNIX).detach(),
        "listening socket": listening(),
        "eventfd": libc.eventfd(0, 0),
        "epoll": poll.fileno(),
        "timerfd": libc.timerfd_create(1, 0),
        "userfaultfd": libc.syscall(USERFAULTFD, 1),
        "io_uring": io_uring(),
        "ipc namespace": os.open("/proc/self/ns/ipc", os.O_RDONLY),
        "mount namespace": os.open("/proc/self/ns/mnt", os.O_RDONLY),
        "GPU": os.open(card, os.O_RDWR),
    }
    print(json.dumps([os.getpid(), kinds]), flush=True)
    sys.stdin.read()


main(sys.argv[1])
