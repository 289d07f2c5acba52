"""Descriptors that are in no table: sent over a socket and not yet received, or registered with io_uring.

What is in a socket's queue can be looked at without receiving it. Where that is not allowed, or where a connection was
never accepted, and of what a ring has but files that have a name still, nothing is known: that counts as held.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from . import descriptors
from .descriptors import Opened

Judge = Callable[[Opened], "str | None"]


class Unsure(str):
    """What may be the login's: enough for a release not to be clean, and not for anybody to be ended."""

    __slots__ = ()


_IN_FLIGHT = re.compile(r"^scm_fds:\s*(\d+)$", re.MULTILINE)
_REGISTERED = re.compile(r"^UserFiles:\s*\d+\n((?:\s*\d+: .*\n)*)", re.MULTILINE)
_PIDFD_OPEN, _PIDFD_GETFD, _OF_A_THREAD = 434, 438, os.O_EXCL  # the same on every architecture
_RING = "anon_inode:[io_uring]"
_PEEK_FROM = 42  # SO_PEEK_OFF
_MOST_AT_ONCE, _MOST_MESSAGES, _BYTES = 253, 4096, 1 << 20
_DEEPEST = 5  # sockets in the queues of sockets: the kernel allows no more
_TRIES = 10
_INTERNET = ("tcp", "tcp6", "udp", "udp6", "raw", "raw6")

_libc = ctypes.CDLL(None, use_errno=True)


def by_socket(opened: Opened, judge: Judge, depth: int = 0) -> str | None:
    """What of the login a socket has in its queue, or what nobody can look at there; None for nothing."""
    count = _in_flight(opened)
    if count == 0:
        return None
    seen = 0
    with contextlib.suppress(OSError), contextlib.closing(_taken(opened)) as queue:
        for number in _peeked(queue, count):
            found = _judged(opened, number, judge, depth)
            if found is not None:
                return type(found)(f"{found}, sent and not received")
            seen += 1
    if seen == count or _in_flight(opened) != count:
        return None
    return Unsure("descriptors sent and not received, which cannot be looked at")


def by_ring(opened: Opened, uid: int, judge: Judge) -> str | None:
    """What of the login an io_uring has registered, or what nobody can look at there; None for nothing."""
    if descriptors.target(opened.link) != _RING:
        return None
    # What is mapped tells nothing. Programs map their ring and have it open, too.
    link = opened.link if not opened.line else _descriptor_of(opened)
    for _ in range(_TRIES):  # the kernel tells nothing while the ring is at work
        listed = _REGISTERED.search(descriptors.details(link))
        if listed is not None:
            names = [line.partition(": ")[2] for line in listed[1].splitlines()]
            unknown = [name for name in names if name != "<none>" and not _is_known(opened, name, uid, judge)]
            return Unsure(f"what is registered with io_uring as {unknown[0]}") if unknown else None
    return Unsure("what is registered with io_uring, which cannot be looked at")


def _descriptor_of(ring: Opened) -> str:
    """The link of the descriptor by which a process has the ring that it maps; empty when it has none."""
    for opened in descriptors.of(ring.pid, None):
        if opened.number == ring.number and descriptors.target(opened.link) == _RING:
            return opened.link
    return ""


def _in_flight(opened: Opened) -> int:
    match = _IN_FLIGHT.search(descriptors.details(opened.link))
    return 0 if match is None else int(match[1])


def _taken(opened: Opened) -> socket.socket:
    """The same socket, here."""
    parts = opened.link.split("/")
    if parts[2] == "self":
        return socket.socket(fileno=os.dup(int(parts[-1])))
    task = int(parts[4])
    process = _libc.syscall(_PIDFD_OPEN, task, 0 if task == opened.pid else _OF_A_THREAD)
    if process < 0:
        raise OSError(ctypes.get_errno(), "pidfd_open")
    try:
        number = _libc.syscall(_PIDFD_GETFD, process, int(parts[-1]), 0)
    finally:
        os.close(process)
    if number < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    return socket.socket(fileno=number)


def _peeked(queue: socket.socket, count: int) -> Iterator[int]:
    """Descriptors in the queue, open here until the next is asked for. Nothing is received by this.

    Those of the first message alone, if these are all; else of all messages, from the first one on.
    """
    with _message(queue) as (numbers, _):
        if len(numbers) >= count:
            yield from numbers
            return
    before = queue.getsockopt(socket.SOL_SOCKET, _PEEK_FROM)
    queue.setsockopt(socket.SOL_SOCKET, _PEEK_FROM, 0)  # and from there on by itself
    try:
        for _ in range(_MOST_MESSAGES):
            with _message(queue) as (numbers, is_last):
                yield from numbers
                count -= len(numbers)
            if count <= 0 or is_last:
                return
    finally:
        queue.setsockopt(socket.SOL_SOCKET, _PEEK_FROM, before)


@contextlib.contextmanager
def _message(queue: socket.socket) -> Iterator[tuple[list[int], bool]]:
    """The descriptors in one message, and whether it is no message but the end."""
    room = socket.CMSG_SPACE(_MOST_AT_ONCE * 4)
    content, carried, _, _ = queue.recvmsg(_BYTES, room, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    rights = [one for level, kind, one in carried if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)]
    numbers = [number for one in rights for (number,) in struct.iter_unpack("=i", one[: len(one) // 4 * 4])]
    try:
        yield numbers, not content and not numbers
    finally:
        for number in numbers:
            os.close(number)


def _judged(opened: Opened, number: int, judge: Judge, depth: int) -> str | None:
    inner = descriptors.look(opened.pid, opened.way, f"/proc/self/fd/{number}")
    if inner is None:
        return Unsure("something")
    if descriptors.has_no_owner(inner):
        return Unsure("something without a name")
    found = judge(inner)
    if found is None and depth < _DEEPEST:
        found = by_socket(inner, judge, depth + 1)
    return found


def _is_known(opened: Opened, name: str, uid: int, judge: Judge) -> bool:
    """Whether a file that a ring has is one that is still there and nothing of the login, or another's connection.

    The login's own files are gone by now, and the kernel says so behind their names.
    """
    if name.startswith("/"):
        root = f"/proc/{opened.pid}/root"
        above = descriptors.target(root)
        inside = name[len(above) :] if above != "/" and name.startswith(f"{above}/") else name
        found = descriptors.look(opened.pid, opened.way, root + inside)
        return found is not None and found.number != -1 and judge(found) is None
    match = re.fullmatch(r"socket:\[(\d+)\]", name)
    return match is not None and _owner(opened.pid, match[1]) not in (uid, None)


def _owner(pid: int, number: str) -> int | None:
    """The uid that made an internet socket, by its inode; None when it is none, or gone."""
    for kind in _INTERNET:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/net/{kind}").read_text().splitlines()[1:]:
                columns = line.split()
                if columns[9] == number:
                    return int(columns[7])
    return None
