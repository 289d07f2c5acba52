"""Take as much as there is of one thing, say how much that was, and keep it until the input ends.

`spoils.py WHAT`. Each is bounded by itself, far above what a login may have.
"""

import base64
import contextlib
import ctypes
import os
import resource
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable

SECONDS = 60
libc = ctypes.CDLL(None, use_errno=True)
kept: "list[object]" = []


def all_descriptors() -> None:
    """As many as one may have."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def processors() -> int:
    """Eight that do nothing but turn."""
    for _ in range(8):
        if os.fork() == 0:
            signal.alarm(SECONDS)
            while os.getppid() != 1:
                pass
            os._exit(0)
    return 8


def memory() -> int:
    """Six processes with 100 MiB each, one after the other; how many were killed for it."""
    killed = 0
    for _ in range(6):
        reader, writer = os.pipe()
        if os.fork() == 0:
            signal.alarm(SECONDS)
            os.close(reader)
            filled = bytearray(b"x" * (100 << 20))
            os.write(writer, b"k")
            time.sleep(SECONDS + len(filled))
        os.close(writer)
        killed += os.read(reader, 1) != b"k"
    return killed


def tasks() -> int:
    """As many as it gets, up to 500."""
    made = 0
    with contextlib.suppress(BlockingIOError):
        while made < 500:
            if os.fork() == 0:
                time.sleep(SECONDS)
                os._exit(0)
            made += 1
    return made


def buffers() -> int:
    """Connections to itself, of which nobody reads: how many bytes found room."""
    filled = 0
    with socket.create_server(("127.0.0.1", 0), backlog=200) as server:
        for _ in range(120):
            one = socket.create_connection(server.getsockname())
            other, _ = server.accept()
            kept.extend((one, other))
            for end in (one, other):
                end.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    while filled < 2 << 30:
                        filled += end.send(bytes(1 << 18))
    return filled


def descriptors() -> int:
    """Open files, as many as a process gets."""
    all_descriptors()
    with contextlib.suppress(OSError):
        while len(kept) < 100_000:
            kept.append(os.open(os.devnull, os.O_RDONLY))
    return len(kept)


def watches() -> int:
    """Places that wait for changes."""
    all_descriptors()
    while len(kept) < 20_000 and libc.inotify_init() >= 0:
        kept.append(1)
    return len(kept)


def ports() -> int:
    """Every port that the kernel gives out by itself."""
    all_descriptors()
    first, last = map(int, open("/proc/sys/net/ipv4/ip_local_port_range").read().split())  # noqa: SIM115
    bound = 0
    for part in range(first, last + 1, 15_000):
        reader, writer = os.pipe()
        if os.fork() == 0:
            signal.alarm(SECONDS)
            for port in range(part, min(part + 15_000, last + 1)):
                kept.append(one := socket.socket())
                one.bind(("0.0.0.0", port))
            os.write(writer, struct.pack("=i", len(kept)))
            time.sleep(SECONDS)
        os.close(writer)
        bound += struct.unpack("=i", os.read(reader, 4))[0]
    return bound


def connections() -> int:
    """Places in the kernel's memory of connections: each datagram to another port is one."""
    sending = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    kept.append(sending)
    for number in range(12_000):
        with contextlib.suppress(OSError):
            sending.sendto(b"x", (f"203.0.113.{1 + number // 6000}", 1 + number % 6000))
    return 12_000


def lines() -> int:
    """Lines in the log, of others by name; also large ones, and open streams."""
    all_descriptors()
    place = "/run/systemd/journal/"
    sending = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sending.settimeout(5)
    sent = 0
    for number in range(6500):
        # Neither to be compressed, nor the same twice: the journal would keep it once.
        text = base64.b64encode(os.urandom(48_000)) if number < 500 else b"forged release al_x: done"
        with contextlib.suppress(OSError):
            sent += sending.sendto(b"SYSLOG_IDENTIFIER=sublet-node\nMESSAGE=" + text + b"\n", place + "socket")
    for _ in range(1200):
        stream = socket.socket(socket.AF_UNIX)
        with contextlib.suppress(OSError):
            stream.settimeout(5)
            stream.connect(place + "stdout")
            stream.sendall(b"sublet-node\n\n6\n0\n0\n0\n0\n")
            kept.append(stream)
    return sent


def main(what: str) -> None:
    """Take it, say so, and wait."""
    signal.alarm(SECONDS)
    named: dict[str, Callable[[], int]] = {
        one.__name__: one
        for one in (processors, memory, tasks, buffers, descriptors, watches, ports, connections, lines)
    }
    print(named[what](), flush=True)
    sys.stdin.read()
    os.killpg(0, signal.SIGKILL)


main(sys.argv[1])
