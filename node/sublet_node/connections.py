"""What the kernel remembers of connections that led over a link (conntrack), asked for and forgotten over netlink.

Such a memory outlives the link: somebody outside who goes on sending keeps it for as long as they like, and by it they
would reach whoever is given the same address next. So it is forgotten with the release, and looked for again.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from .errors import NodeError

_NETFILTER = 12
_GET, _DELETE = (1 << 8) | 1, (1 << 8) | 2  # of the subsystem of connections
_ERROR, _DONE = 2, 3
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_HEAD, _FAMILY, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=BBH"), struct.Struct("=HH")
_BEGUN, _ANSWERED, _ID, _ZONE = 1, 2, 12, 18
_ADDRESSES = 1
_KIND = 0x3FFF  # without the marks for what is nested and in which order of bytes
_AT_ONCE = 1 << 18
_SECONDS = 10.0
_ROUNDS = 3


@dataclass(frozen=True)
class Connection:
    """One that the kernel remembers: what names it to the kernel, and its addresses both ways, as bytes."""

    family: int
    named: bytes
    addresses: frozenset[bytes]


def of(addresses: Collection[str]) -> list[Connection]:
    """Every connection to or from one of these addresses, also under another by which it was led; NodeError when the
    kernel does not say."""
    wanted = {ipaddress.ip_address(address).packed for address in addresses}
    try:
        with _asking() as netlink:
            return [one for family in _families(wanted) for one in _listed(netlink, family, wanted)]
    except OSError as error:
        raise NodeError(
            "listing_failed", f"The kernel does not list its connections: {error}.", retryable=True
        ) from error


def forget(addresses: Collection[str]) -> None:
    """Have the kernel forget every connection to or from these addresses, as far as it does; `of` says what is left."""
    for _ in range(_ROUNDS):  # while one list is read, others may change places in it
        found = of(addresses)
        if not found:
            return
        try:
            with _asking() as netlink:
                for one in found:
                    _forget(netlink, one)
        except OSError as error:
            raise NodeError(
                "command_failed", f"The kernel does not forget a connection: {error}.", retryable=True
            ) from error


def _asking() -> socket.socket:
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETFILTER)
    netlink.settimeout(_SECONDS)
    netlink.bind((0, 0))
    return netlink


def _families(wanted: Collection[bytes]) -> list[int]:
    return sorted({socket.AF_INET if len(address) == 4 else socket.AF_INET6 for address in wanted})


def _listed(netlink: socket.socket, family: int, wanted: Collection[bytes]) -> list[Connection]:
    netlink.send(_message(_GET, _DUMP, family))
    found: list[Connection] = []
    while True:
        data = netlink.recv(_AT_ONCE)
        # There may be hundreds of thousands, of which nearly none is asked for.
        is_among_them = any(address in data for address in wanted)
        for kind, body in _messages(data):
            if kind == _DONE:
                return found
            if kind == _ERROR:
                _raise_if_refused(body)
            elif is_among_them:
                one = _read(family, body)
                if not one.addresses.isdisjoint(wanted):
                    found.append(one)


def _forget(netlink: socket.socket, one: Connection) -> None:
    netlink.send(_message(_DELETE, _ACK, one.family, one.named))
    for kind, body in _messages(netlink.recv(_AT_ONCE)):
        if kind == _ERROR:
            _raise_if_refused(body)


def _raise_if_refused(body: bytes) -> None:
    number = -struct.unpack_from("=i", body)[0]
    if number not in (0, errno.ENOENT):  # it may have ended by itself
        raise OSError(number, os.strerror(number))


def _message(kind: int, flags: int, family: int, attributes: bytes = b"") -> bytes:
    body = _FAMILY.pack(family, 0, 0) + attributes
    return _HEAD.pack(_HEAD.size + len(body), kind, _REQUEST | flags, 1, 0) + body


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _HEAD.size <= len(data):
        length, kind, _, _, _ = _HEAD.unpack_from(data, at)
        yield kind, data[at + _HEAD.size : at + length]
        at += _aligned(length)


def _read(family: int, body: bytes) -> Connection:
    named = b""
    addresses: set[bytes] = set()
    for kind, whole, value in _attributes(body[_FAMILY.size :]):
        if kind in (_BEGUN, _ID, _ZONE):
            named += whole
        if kind in (_BEGUN, _ANSWERED):
            for inner, _, ends in _attributes(value):
                if inner == _ADDRESSES:
                    addresses.update(address for _, _, address in _attributes(ends))
    return Connection(family, named, frozenset(addresses))


def _attributes(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """The kind of each, all of it as it is sent, and its value."""
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            return
        end = at + _aligned(length)
        yield kind & _KIND, data[at:end].ljust(end - at, b"\0"), data[at + _ATTRIBUTE.size : at + length]
        at = end


def _aligned(length: int) -> int:
    return (length + 3) & ~3
