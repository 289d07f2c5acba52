"""A network of its own for each login: loopback, ports and addresses, and one link to the node.

The node forwards what comes by a link, under its own address, as far as its firewall lets it (see `firewall`). To the
node itself, to its neighbours and to other logins a link leads nowhere.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import time
from dataclasses import dataclass

from . import commands, connections, surroundings
from .enrolment import Enrolment
from .errors import NodeError
from .store import Allocation, Store

CLOSED = "closed"  # in place of addresses: each has a network of its own, out of which nothing leads
NAMES = "sblt*"  # of all links, as nftables matches them
_GATEWAY_6 = "fe80::1"
_PREFIX_6 = "fd73:626c:7400::"
_LAST = 65000
_GONE_SECONDS, _HELD_SECONDS = 5.0, 0.5


@dataclass(frozen=True)
class Link:
    """The addresses of one link. They are the node's own affair: from outside all of them are the node."""

    number: int
    network: str
    has_version_6: bool

    @property
    def address(self) -> str:
        """Of the login's end."""
        return str(ipaddress.ip_network(self.network)[self.number])

    @property
    def gateway(self) -> str:
        """Of the node's end, the same on every link."""
        return gateway(self.network)

    @property
    def address_6(self) -> str:
        """Of the login's end."""
        return str(ipaddress.ip_address(_PREFIX_6) + self.number)


def gateway(network: str) -> str:
    """The node's own address on every link."""
    return str(ipaddress.ip_network(network)[1])


def network_6() -> str:
    """The addresses of all links by IPv6."""
    return f"{_PREFIX_6}/64"


def name(uid: int) -> str:
    """The node's end of a login's link."""
    return f"sblt{uid}"


def is_linked(uid: int) -> bool:
    """Whether the link is there."""
    with contextlib.suppress(OSError):
        return bool(socket.if_nametoindex(name(uid)))
    return False


def link_for(known: Enrolment | None, store: Store, record: Allocation) -> Link | None:
    """The link of an allocation, with a number that no other has; it is remembered. None where the node has none, and
    for who is in the node's own network."""
    if known is None or not known.network or record.node_network:
        return None
    if not record.link:
        with store.locked("network"):
            taken = {other.link for other in store.readable()[0]}
            record.link = next((number for number in range(2, _LAST) if number not in taken), 0)
            if not record.link:
                raise NodeError("links_used_up", f"All {_LAST} links of this node are taken.")
            store.put(record)
    return Link(record.link, known.network, surroundings.has_version_6())


def link_of(known: Enrolment | None, record: Allocation) -> Link | None:
    """The link that an allocation has and that leads out of the node; None where there is none."""
    if known is None or known.network in ("", CLOSED) or not record.link:
        return None
    return Link(record.link, known.network, surroundings.has_version_6())


def forget_connections(known: Enrolment | None, record: Allocation) -> None:
    """Have the kernel forget what led over the link: its addresses are another's next. To be done once nothing leads
    to the link any more."""
    link = link_of(known, record)
    if link is not None:
        connections.forget([link.address, link.address_6])


def connections_left(known: Enrolment | None, record: Allocation) -> list[str]:
    """How many connections by the link's addresses the kernel still remembers, if there are any."""
    link = link_of(known, record)
    left = [] if link is None else connections.of([link.address, link.address_6])
    return [f"{len(left)} connections of {link.address} that the kernel remembers"] if link and left else []


def lay(uid: int, link: Link, process: int) -> None:
    """Lay the link between the node and the network that a process is in."""
    own = name(uid)
    lines = [f"link add {own} type veth peer name eth0 netns {process}"]
    if link.network != CLOSED:
        lines += _ends_here(own, link)
    _ip(lines)


def _ends_here(own: str, link: Link) -> list[str]:
    return [
        f"addr add {link.gateway}/32 dev {own}",
        *(
            [f"link set {own} addrgenmode none", f"addr add {_GATEWAY_6}/64 dev {own} nodad"]
            if link.has_version_6
            else []
        ),
        f"link set {own} up",
        f"route replace {link.address}/32 dev {own}",
        *([f"route replace {link.address_6}/128 dev {own}"] if link.has_version_6 else []),
    ]


def furnish(link: Link) -> None:
    """Give the login's end its addresses; to be done in its network."""
    _ip(["link set lo up", *(_ends_there(link) if link.network != CLOSED else [])])


def _ends_there(link: Link) -> list[str]:
    version_6 = [
        "link set eth0 addrgenmode none",
        "addr add fe80::2/64 dev eth0 nodad",
        f"addr add {link.address_6}/128 dev eth0 nodad",
    ]
    return [
        f"addr add {link.address}/32 dev eth0",
        *(version_6 if link.has_version_6 else []),
        "link set eth0 up",
        f"route add {link.gateway} dev eth0",
        f"route add default via {link.gateway} dev eth0",
        *([f"route add default via {_GATEWAY_6} dev eth0"] if link.has_version_6 else []),
    ]


def all_carried() -> dict[str, tuple[int, int]]:
    """By link, the bytes that came to whoever is behind it and that went from there."""
    found = {}
    with open("/proc/net/dev", encoding="ascii") as stream:
        for line in stream:
            own, _, numbers = line.strip().partition(":")
            counts = numbers.split()
            if len(counts) > 8 and counts[0].isdecimal():
                found[own] = int(counts[8]), int(counts[0])  # what the node's end sends, the login gets
    return found


def carried(uid: int) -> tuple[int, int] | None:
    """Bytes that came to the login and that went from it, over its link; None without one."""
    return all_carried().get(name(uid))


def cut(uid: int) -> None:
    """Take a link away at once, whoever still holds the network behind it."""
    if is_linked(uid):
        commands.attempt("ip", "link", "del", name(uid))


def traces(uid: int, *, expected: bool = False) -> list[str]:
    """The link, when it is there. The kernel takes it away with the network behind it, and not before: while it stays,
    somebody holds that network by a process, a file or a socket. Whether that is `expected` only shortens the wait."""
    deadline = time.monotonic() + (_HELD_SECONDS if expected else _GONE_SECONDS)
    while is_linked(uid):
        if time.monotonic() > deadline:
            commands.attempt("ip", "link", "set", name(uid), "down")
            return [f"{name(uid)}: somebody still holds the network behind it"]
        time.sleep(0.005)
    return []


def cut_all() -> None:
    """Take every link away."""
    for _, found in socket.if_nameindex():
        if found.startswith(NAMES[:-1]):
            commands.attempt("ip", "link", "del", found)


def _ip(lines: list[str]) -> None:
    commands.run("ip", "-batch", "-", stdin="".join(f"{line}\n" for line in lines).encode())
