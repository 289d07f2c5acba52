"""Bring what one login has open to processes of another, one for each way of keeping it; as root, which can.

Reads [pid, {kind: descriptor}, uid, [[kind, way], …]] and prints [[kind, way, pid, what was said], …]. Each process has
nothing else, and ends with ten minutes.
"""

import ctypes
import json
import mmap
import os
import signal
import socket
import struct
import sys
import threading
import time
from typing import Any

UNSHARE, PIDFD_GETFD, IO_URING_SETUP, IO_URING_REGISTER = 272, 438, 425, 427
EXIT_THREAD = 60
IO_SETUP, IO_SUBMIT, POLL, PRIORITY = 206, 209, 5, 2
ASKED = struct.Struct("=QIIHhIQQqQII")
OWN_TABLE, FILES, SECONDS = 0x400, 2, 600
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_long


def call(number: int, *arguments: Any) -> int:
    """A system call; OSError when it fails."""
    result = int(libc.syscall(number, *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def inherited(number: int) -> Any:
    """Simply have it."""
    return number


def reopened(number: int) -> Any:
    """Open it again by its link in /proc, and have only that."""
    again = os.open(f"/proc/self/fd/{number}", os.O_RDONLY | os.O_NONBLOCK)
    os.close(number)
    return again


def passed(number: int) -> Any:
    """Get it over a socket."""
    one, other = socket.socketpair()
    with one, other:
        socket.send_fds(one, [b"x"], [number])
        os.close(number)
        return socket.recv_fds(other, 1, 1)[1]


def in_flight(number: int) -> Any:
    """Leave it in a socket's queue."""
    one, other = socket.socketpair()
    socket.send_fds(one, [b"x"], [number])
    os.close(number)
    one.close()
    return other


def not_accepted(number: int) -> Any:
    """Leave it in the queue of a connection that nobody accepts."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(f"\0kept{os.getpid()}")
    server.listen()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(server.getsockname())
        socket.send_fds(client, [b"x"], [number])
    os.close(number)
    return server


def mapped(number: int) -> Any:
    """Map it, and have no descriptor of it."""
    place = libc.mmap(None, ctypes.c_size_t(4096), 1, mmap.MAP_SHARED, number, ctypes.c_long(0))
    assert place != -1
    os.close(number)
    return place


def worked_in(number: int) -> Any:
    """Be in a folder."""
    os.fchdir(number)
    os.close(number)


def had_by_a_thread(number: int) -> Any:
    """Have it in the table of a thread only."""
    ready = threading.Event()

    def run() -> None:
        call(UNSHARE, OWN_TABLE)
        os.closerange(3, number)
        os.closerange(number + 1, number + 100)
        ready.set()
        time.sleep(SECONDS)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait()
    os.close(number)
    return thread


def registered(number: int) -> Any:
    """Let a ring have it."""
    ring = call(IO_URING_SETUP, 8, ctypes.create_string_buffer(120))
    call(IO_URING_REGISTER, ring, FILES, (ctypes.c_int * 1)(number), 1)
    os.close(number)
    return ring


def awaited(number: int) -> Any:
    """Have asked to be told, by asynchronous IO, of something that never comes; and have no descriptor of it."""
    context, asked = (
        ctypes.c_ulong(),
        ctypes.create_string_buffer(ASKED.pack(0, 0, 0, POLL, 0, number, PRIORITY, *[0] * 5)),
    )
    call(IO_SETUP, 1, ctypes.byref(context))
    call(IO_SUBMIT, context, 1, (ctypes.c_void_p * 1)(ctypes.addressof(asked)))
    os.close(number)
    return context


def outlived(number: int) -> Any:
    """Have it in a process whose first thread ends, and of which nothing shows by its number then."""
    threading.Thread(target=time.sleep, args=(SECONDS,), daemon=True).start()
    return number


def mapped_and_outlived(number: int) -> Any:
    """Map it in such a process."""
    return outlived(number), mapped(number)


WAYS = (
    inherited,
    reopened,
    passed,
    in_flight,
    not_accepted,
    mapped,
    worked_in,
    had_by_a_thread,
    outlived,
    mapped_and_outlived,
    registered,
    awaited,
)


def begin(owner: int, descriptor: int, uid: int, way: str) -> "tuple[int, str]":
    """Start a process of `uid` that keeps one thing in one way; its pid and what it said."""
    said, say = os.pipe()
    pid = os.fork()
    if pid:
        os.close(say)
        with os.fdopen(said) as stream:
            return pid, stream.read()
    try:
        os.setsid()
        signal.alarm(SECONDS)
        os.close(said)
        for standard in (0, 1, 2):
            os.dup2(os.open(os.devnull, os.O_RDWR), standard)
        os.closerange(3, say)
        os.closerange(say + 1, say + 100)
        number = call(PIDFD_GETFD, pidfd := os.pidfd_open(owner), descriptor, 0)
        os.close(pidfd)
        kept = {one.__name__: one for one in WAYS}[way](number)
        if uid < 0:
            os.setresuid(-uid, 0, 0)
        if uid > 0:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
        os.write(say, b"kept")
        os.close(say)
        if "outlived" in way:
            libc.syscall(EXIT_THREAD, 0)
        while kept is not signal:
            time.sleep(SECONDS)
    except BaseException as error:
        os.write(say, repr(error).encode())
    os._exit(0)


def main() -> None:
    """Keep what is asked for."""
    owner, kinds, uid, wanted = json.loads(sys.stdin.read())
    print(json.dumps([[kind, way, *begin(owner, kinds[kind], uid, way)] for kind, way in wanted]))


main()
