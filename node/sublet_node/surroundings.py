"""What lies around a node that is no customer's business: metadata services, neighbours on the link, its gateway, and
all that is private rather than the internet."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import struct
from pathlib import Path

# What IANA lists as not global. An operator may allow parts of it (`--allow`).
_PRIVATE = [
    *("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15"),
    *("fc00::/7", "fec0::/10", "64:ff9b:1::/48"),
]
_LINK_LOCAL = ["169.254.0.0/16", "fe80::/10"]  # clouds tell a machine its secrets at 169.254.169.254
_TO_MANY = ["224.0.0.0/4", "ff00::/8"]  # whoever listens on the link, not one whom somebody named
# And clouds at these: AWS, Google, Oracle, Scaleway, Alibaba, Azure.
_METADATA = ["fd00:ec2::254", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42", "100.100.100.200", "168.63.129.16"]
_IS_GATEWAY = 2
_NOWHERE = "0" * 32
_STUB, _BEHIND_STUB = "/run/systemd/resolve/stub-resolv.conf", "/run/systemd/resolve/resolv.conf"


def kept_apart() -> list[str]:
    """Addresses and prefixes that allocations are kept from wherever the node stands."""
    return [*_LINK_LOCAL, *_TO_MANY, *_METADATA, *gateways(), *_PRIVATE]


def gateways() -> list[str]:
    """The gateways of all default routes, as the kernel has them now."""
    found = set()
    for line in _lines("/proc/net/route")[1:]:
        _, destination, gateway, flags, *_ = line.split()
        if destination == "00000000" and int(flags, 16) & _IS_GATEWAY:
            found.add(socket.inet_ntoa(struct.pack("=I", int(gateway, 16))))
    for line in _lines("/proc/net/ipv6_route"):
        destination, length, _, _, gateway, *_ = line.split()
        if (destination, length) == (_NOWHERE, "00") and gateway != _NOWHERE:
            found.add(str(ipaddress.IPv6Address(int(gateway, 16))))
    return sorted(found)


def nameservers() -> list[str]:
    """Whom the node's programs ask for names."""
    found = []
    file = "/etc/resolv.conf"
    if os.path.realpath(file) == _STUB:
        file = _BEHIND_STUB  # of which allocations are told instead
    for line in _lines(file):
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            with contextlib.suppress(ValueError):
                found.append(str(ipaddress.ip_address(words[1].partition("%")[0])))
    return found


def has_version_6() -> bool:
    """Whether this kernel speaks IPv6 at all, and is not told to keep from it."""
    off = Path("/proc/sys/net/ipv6/conf/all/disable_ipv6")
    return Path("/proc/net/if_inet6").exists() and not (off.exists() and off.read_text().strip() == "1")


def uplinks() -> list[str]:
    """The interfaces of all default routes."""
    found = {line.split()[0] for line in _lines("/proc/net/route")[1:] if line.split()[1] == "00000000"}
    for line in _lines("/proc/net/ipv6_route"):
        destination, length, *_, interface = line.split()
        if (destination, length) == (_NOWHERE, "00") and interface != "lo":
            found.add(interface)
    return sorted(found)


def free_network(candidates: tuple[str, ...]) -> str:
    """The first of these prefixes that the node has no route into; "" when it has one into each."""
    taken = []
    for line in _lines("/proc/net/route")[1:]:
        _, destination, _, _, _, _, _, mask, *_ = line.split()
        where, length = (socket.inet_ntoa(struct.pack("=I", int(word, 16))) for word in (destination, mask))
        if length != "0.0.0.0":  # noqa: S104  (the default route, not an address to listen on)
            taken.append(ipaddress.ip_network(f"{where}/{length}", strict=False))
    for candidate in candidates:
        wanted = ipaddress.ip_network(candidate)
        if not any(wanted.overlaps(one) for one in taken):
            return candidate
    return ""


def _lines(path: str) -> list[str]:
    with contextlib.suppress(FileNotFoundError):
        return Path(path).read_text().splitlines()
    return []
