"""A network like an allocation's, to try from within what the node's kernel and its firewall do."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import ipaddress
import os
import selectors
import socket
import time
from collections.abc import Iterator

from . import children, commands, surroundings
from . import network as links
from .errors import NodeError
from .request import LAST_UID
from .store import Store

_NEW_NETWORK = 0x40000000
UID = LAST_UID + 1
NUMBER = 65001
_KNOCK_SECONDS = 1.0
_PASSING_SECONDS = 0.05
_libc = ctypes.CDLL(None, use_errno=True)


def why_without() -> str:
    """What allocations share that have no network of their own, and what it takes."""
    loopback = "Over loopback each reaches what is its own; " if commands.installed("nft") else "Loopback, "
    return (
        f"Allocations have the node's own network. {loopback}ports, abstract sockets and lists of connections are "
        "shared, and open files can be passed from one to another. Networks of their own need namespaces and links "
        "(veth) of the kernel, iproute2 and nftables: enrol again once they are there."
    )


@contextlib.contextmanager
def network(addresses: str) -> Iterator[int]:
    """A descriptor that is open on it; gone again afterwards. NodeError where there can be none."""
    link = links.Link(NUMBER, addresses, surroundings.has_version_6())
    with Store().locked("trial"):
        links.cut(UID)
        descriptor = _make(link)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
            links.cut(UID)


def _make(link: links.Link) -> int:
    opened: list[int] = []
    with children.Words() as from_child, children.Words() as to_child:

        def inside() -> None:
            to_child.only_hear()
            if _libc.unshare(_NEW_NETWORK) != 0:
                raise OSError(ctypes.get_errno(), "the kernel makes no network of its own")
            from_child.say("m")
            if to_child.hear():
                links.furnish(link)

        def outside(child: int) -> None:
            from_child.only_hear()
            with to_child:
                if from_child.hear():
                    opened.append(os.open(f"/proc/{child}/ns/net", os.O_RDONLY | os.O_CLOEXEC))
                    links.lay(UID, link, child)
                    to_child.say("l")

        said = children.run(inside, outside)
    if said:
        for descriptor in opened:
            os.close(descriptor)
        links.cut(UID)
        raise NodeError("network_failed", f"A network of its own cannot be made here: {said}")
    return opened[0]


def join(descriptor: int) -> None:
    """Go into it, for good."""
    if _libc.setns(descriptor, _NEW_NETWORK) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def measure(inside: int) -> tuple[bool, str]:
    """Whether it is one of its own: nothing that listens in the node's network, by loopback or by a name, is in it."""
    name = f"\0sublet-trial-{os.getpid()}"
    with socket.create_server(("127.0.0.1", 0)) as by_port, socket.socket(socket.AF_UNIX) as by_name:
        by_name.bind(name)
        by_name.listen()
        port = by_port.getsockname()[1]

        def look() -> None:
            join(inside)
            for family, address in ((socket.AF_INET, ("127.0.0.1", port)), (socket.AF_UNIX, name)):
                with socket.socket(family) as attempt:
                    if attempt.connect_ex(address) != errno.ECONNREFUSED:
                        raise OSError("what listens on the node is reached from an allocation's network")

        said = children.run(look)
    return (
        (False, said) if said else (True, "Tried from within: an allocation has loopback, ports and names of its own.")
    )


def measure_closed(inside: int, targets: list[tuple[str, int]]) -> tuple[bool, str]:
    """Whether no way leads out of it, by what the kernel answers at once."""

    def look() -> None:
        join(inside)
        for address, port in targets:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            with socket.socket(family, socket.SOCK_DGRAM) as attempt:
                if attempt.connect_ex((address, port)) == 0 and not ipaddress.ip_address(address).is_loopback:
                    raise OSError(f"{address} can be reached from an allocation's network")

    said = children.run(look)
    return (False, said) if said else (True, "Tried from within: no way leads out of an allocation's network.")


def send(inside: int, targets: list[tuple[str, int]]) -> None:
    """From within, knock at each address by TCP and by UDP, and wait until each has had its chance."""

    def knock() -> None:
        join(inside)
        with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
            for address, port in sorted(targets, key=lambda target: ":" not in target[0]):
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                    attempt = stack.enter_context(socket.socket(family, kind))
                    attempt.setblocking(False)
                    status = attempt.connect_ex((address, port))
                    # Answers by IPv6 are so few a second that they are not waited for: what was sent first came first.
                    if kind is socket.SOCK_STREAM and status == errno.EINPROGRESS and family is socket.AF_INET:
                        selector.register(attempt, selectors.EVENT_WRITE)
                    elif kind is socket.SOCK_DGRAM and status == 0:
                        with contextlib.suppress(OSError):
                            attempt.send(b"\n")
            deadline = time.monotonic() + _KNOCK_SECONDS
            while selector.get_map() and time.monotonic() < deadline:
                for key, _ in selector.select(0.1):
                    selector.unregister(key.fileobj)
            time.sleep(_PASSING_SECONDS)

    said = children.run(knock)
    if said:
        raise NodeError("network_failed", f"From within an allocation's network nothing could be tried: {said}")
