"""Do a little of everything that a login is there for, once; print what could not be done, and the seconds it took."""

import ctypes
import json
import os
import pty
import socket
import subprocess
import syslog
import time
from collections.abc import Callable

libc = ctypes.CDLL(None, use_errno=True)


def processes() -> None:
    """Start some, at the same time."""
    for started in [subprocess.Popen(["true"]) for _ in range(8)]:
        assert started.wait() == 0


def memory() -> None:
    """Use some."""
    assert bytearray(b"x" * (32 << 20))[-1]


def files() -> None:
    """Have some open, and write one so that it is on the disk."""
    opened = [open(os.devnull) for _ in range(200)]  # noqa: SIM115  (all at the same time)
    with open("written", "wb") as stream:
        stream.write(bytes(1 << 20))
        os.fsync(stream.fileno())
    assert len(opened) == 200


def terminals() -> None:
    """Have some."""
    for number in [end for _ in range(4) for end in pty.openpty()]:
        os.close(number)


def watches() -> None:
    """Wait for changes of a folder."""
    for _ in range(8):
        watching = libc.inotify_init()
        assert watching >= 0
        assert libc.inotify_add_watch(watching, os.getcwd().encode(), 2) >= 0


def connections() -> None:
    """Serve and ask, by TCP."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        for _ in range(20):
            with socket.create_connection(server.getsockname(), timeout=5) as asking:
                answering, _ = server.accept()
                answering.sendall(bytes(1 << 16))
                answering.close()
                left = 1 << 16
                while left:
                    left -= len(asking.recv(left))


def way_out() -> None:
    """Send something out into the world, where nobody takes it."""
    for _ in range(8):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
            sending.sendto(b"x", ("203.0.113.9", 9))


def log() -> None:
    """Say something."""
    syslog.openlog("neighbour")
    syslog.syslog("the neighbour says something")


def main() -> None:
    """Do each, whatever becomes of the others."""
    parts: list[Callable[[], None]] = [
        *(processes, memory, files, terminals, watches, connections, way_out, log),
    ]
    began, failed = time.monotonic(), {}
    for part in parts:
        try:
            part()
        except (OSError, AssertionError, MemoryError) as error:
            failed[part.__name__] = repr(error)
    print(json.dumps([failed, time.monotonic() - began]))


main()
