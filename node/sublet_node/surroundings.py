"""What lies around a node that is no customer's business: metadata services, neighbours on the link, its gateway."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
from pathlib import Path

_LINK_LOCAL = ["169.254.0.0/16", "fe80::/10"]  # clouds tell a machine its secrets at 169.254.169.254
# And at these: AWS, Google, Oracle, Scaleway, Alibaba, Azure.
_METADATA = ["fd00:ec2::254", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42", "100.100.100.200", "168.63.129.16"]
_IS_GATEWAY = 2
_NOWHERE = "0" * 32


def kept_apart() -> list[str]:
    """Addresses and prefixes that allocations are kept from wherever the node stands."""
    return [*_LINK_LOCAL, *_METADATA, *gateways()]


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
    for line in _lines("/etc/resolv.conf"):
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            with contextlib.suppress(ValueError):
                found.append(str(ipaddress.ip_address(words[1].partition("%")[0])))
    return found


def has_version_6() -> bool:
    """Whether this kernel speaks IPv6 at all."""
    return Path("/proc/net/if_inet6").exists()


def _lines(path: str) -> list[str]:
    with contextlib.suppress(FileNotFoundError):
        return Path(path).read_text().splitlines()
    return []
