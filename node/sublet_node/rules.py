"""What the firewall says: which addresses, for whom, and the table of nftables that says so.

One table for all allocations, present and future: nothing has to change when one comes or goes. It knows them by their
links to the node (see `network`), and by the uid of who owns a socket, in case something of theirs runs in the node's
own network; where the node cannot give them networks, that is all of it.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass

from . import directory, loopback, network, ports, router, surroundings
from .enrolment import Enrolment
from .errors import NodeError, bad_request
from .request import FIRST_UID, LAST_UID

PROBE_UID = LAST_UID + 1
_BY_OWNER = f"meta skuid {FIRST_UID}-{PROBE_UID}"
_BY_LINK = f'iifname "{network.NAMES}"'
_BY_TRIAL = f'iifname "{network.name(PROBE_UID)}"'
# What came by the link of a trial, and what of that would have gone on.
TRIED, PASSED = "tried", "passed"
MOST_CONNECTIONS = 4096
"""Of one link at a time, in every state that the kernel remembers."""
MOST_OF_THE_NODE = 2 * MOST_CONNECTIONS
"""Of who is in the node's own network because the whole node is theirs. The kernel counts them one by one for each new
connection, so a much larger bound would itself keep the node busy."""
_COUNTED = "connections_of_links"
_LED = "led"
WHOLE = "whole"
"""The set of what the bound on a whole node counts for: all that comes to it while somebody is in its own network, and
nothing while nobody is."""
SHAPE = 2
"""Of the table: one that an earlier helper put is put anew."""
_OWNED = "connections_of_owners"
_TO_LINK = f'oifname "{network.NAMES}"'
_ADMIN_PROHIBITED = "reject with icmpx type admin-prohibited"
_RESET = "meta l4proto tcp reject with tcp reset"


@dataclass(frozen=True)
class Target:
    """One address or prefix, and one port of it or all of them."""

    address: str
    port: int | None

    @property
    def network(self) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
        """All its addresses."""
        return ipaddress.ip_network(self.address)

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.network.version


def resolve(entries: list[str]) -> list[Target]:
    """HOST, HOST:PORT, [V6]:PORT or PREFIX → every address it has now."""
    found: list[Target] = []
    for entry in entries:
        if "/" in entry:
            found.append(Target(_prefix(entry), None))
            continue
        match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]/\s]+))(?::(\d{1,5}))?", entry)
        if match is None:
            raise bad_request(f"{entry} is not HOST, HOST:PORT, [IPv6]:PORT or PREFIX/LENGTH")
        port = int(match.group(3)) if match.group(3) else None
        try:
            answers = socket.getaddrinfo(match.group(1) or match.group(2), None, type=socket.SOCK_STREAM)
        except OSError as error:
            message = f"The name in {entry} cannot be resolved: {error}. Give an address, or mend the resolver."
            raise NodeError("name_unknown", message, retryable=True) from error
        found += [Target(str(answer[4][0]).partition("%")[0], port) for answer in answers]
    return sorted(set(found), key=lambda target: (target.address, target.port or 0))


def _prefix(entry: str) -> str:
    try:
        network = ipaddress.ip_network(entry)
        # One of a single address is listed as that address by the firewall.
        return str(network.network_address if network.prefixlen == network.max_prefixlen else network)
    except ValueError as error:
        raise bad_request(f"{entry} is no prefix like 10.0.0.0/8 or fd00::/8: {error}") from None


@dataclass(frozen=True)
class Wanted:
    """What an operator denies and allows, and the addresses of links: "" where allocations have no network of their
    own."""

    deny: tuple[Target, ...]
    allow: tuple[Target, ...] = ()
    network: str = ""

    @property
    def around(self) -> list[Target]:
        """What is denied without asking, but for what is allowed."""
        return [Target(address, None) for address in surroundings.kept_apart()]


def wanted(known: Enrolment | None) -> Wanted:
    """As the node was enrolled, with every address that a name has now."""
    if known is None:
        return Wanted(())
    return Wanted(tuple(resolve(known.deny)), tuple(resolve(known.allow)), known.network)


def table(asked: Wanted, ssh_ports: list[int], *, is_whole: bool = False) -> str:
    """The whole table, to be loaded at once; `is_whole` while somebody is in the node's own network."""
    # Where allocations have networks of their own it is only in case something of theirs runs in the node's; people of
    # the owner's, whom a directory gives numbers of the same kind, are not to be kept from anything by it.
    spared = asked.network and directory.gives_accounts()
    chains = (
        []
        if spared
        else [
            f"  set {_OWNED} {{ type uid; flags dynamic; size 65535; }}\n",
            f"  set {WHOLE} {{ type nf_proto;{' elements = { ipv4, ipv6 };' if is_whole else ''} }}\n",
            _by_owner(asked, ssh_ports),
            _to_whole_node(ssh_ports),
        ]
    )
    if not asked.network:
        chains.append(loopback.chains())
    elif asked.network != network.CLOSED:
        chains += [f"  counter {name} {{ }}\n" for name in (TRIED, PASSED)]
        chains += [f"  set {name} {{ type iface_index; flags dynamic; size 65535; }}\n" for name in (_COUNTED, _LED)]
        chains += [ports.declarations(), _to_published_ports()]
        chains += [_to_node(), _through_node(asked), _under_its_address(asked.network)]
    return "add table inet sublet\ndelete table inet sublet\ntable inet sublet {\n" + "".join(chains) + "}\n"


def _by_owner(asked: Wanted, ssh_ports: list[int]) -> str:
    """What the sockets of a login send in the node's own network: bounded, and not to sshd or to all who listen."""
    most = MOST_OF_THE_NODE if asked.network else MOST_CONNECTIONS
    lines = [f'oifname "lo" {_BY_OWNER} tcp dport {port} reject with tcp reset' for port in ssh_ports]
    # What others begin counts as well, once it is answered by what tells its owner: or an accomplice fills the kernel's
    # places. Of a whole node all that comes from outside is bounded besides.
    lines += [
        f"{_BY_OWNER} {begins} add @{_OWNED} {{ meta skuid ct count over {most} }} drop"
        for begins in ("ct state new", "tcp flags & (syn | ack) == syn | ack")
    ]
    # Of each network that the node is in, which no list of addresses names.
    lines.append(f"{_BY_OWNER} fib daddr type broadcast drop")
    return _chain("output", "filter hook output priority 0", [*lines, *_denials(asked, _BY_OWNER)])


def _to_whole_node(ssh_ports: list[int]) -> str:
    """What others begin from outside, before it is known whose socket it comes to: of an answer with a cookie, as the
    kernel gives it when many come at once, nothing tells an owner, nor of a connection that nobody takes up."""
    lines = ['iifname "lo" accept', *(f"tcp dport {port} accept" for port in ssh_ports)]
    lines.append(f"meta nfproto @{WHOLE} ct state new ct count over {MOST_OF_THE_NODE} drop")
    return _chain("to_whole_node", "filter hook input priority 0", lines)


def _to_published_ports() -> str:
    """Whoever comes to such a port of the node, from outside or by a link, comes to the login behind it."""
    return _chain("to_published_ports", "nat hook prerouting priority -100", ports.leading())


def _to_node() -> str:
    """From within: nothing but what finds the node's end of the link, and names where the node itself answers."""
    lines = [f"{_BY_LINK} ct state established,related accept", f"{_BY_LINK} icmpv6 type {{ 135, 136 }} accept"]
    lines.append(_too_many())
    lines += [
        _line(_BY_LINK, Target(address, 53), protocol, "accept")
        for address in surroundings.nameservers()
        for protocol in ("tcp", "udp")
    ]
    return _chain("from_links", "filter hook input priority -5", [*lines, *_refuse(_BY_LINK)])


def _through_node(asked: Wanted) -> str:
    """From within, what is not denied; from outside, answers and what is published. Nor is the node a router for
    anybody else."""
    lines = [
        # By published ports nobody fills the kernel's places either.
        f"{_TO_LINK} ct state new add @{_LED} {{ meta oif ct count over {MOST_CONNECTIONS} }} drop",
        *ports.in_front(_TO_LINK, _BY_LINK),
        f"{_TO_LINK} ct state established,related accept",
        f"{_TO_LINK} drop",
        f"{_BY_LINK} ct state established,related accept",
        f"{_BY_TRIAL} counter name {TRIED}",
        _too_many(),
        *_denials(asked, _BY_LINK),
        f"{_BY_TRIAL} counter name {PASSED} drop",
        f"{_BY_LINK} accept",
    ]
    if not router.did_before():
        lines += [f'iifname "{name}" ct state new ct status & dnat != dnat drop' for name in surroundings.uplinks()]
    return _chain("through_links", "filter hook forward priority -5", lines)


def _too_many() -> str:
    """The kernel remembers every connection, and has so many places for all of them, the node's own among them.

    Before what is allowed by name is let through: connections there take places as well.
    """
    return f"{_BY_LINK} ct state new add @{_COUNTED} {{ meta iif ct count over {MOST_CONNECTIONS} }} drop"


def _under_its_address(links: str) -> str:
    lines = [
        f'ip saddr {links} oifname != "{network.NAMES}" masquerade',
        f'ip6 saddr {network.network_6()} oifname != "{network.NAMES}" masquerade',
        # By a published port of the node to another login, or to its own: the answers come this way as well.
        f"{_BY_LINK} {_TO_LINK} ct status dnat masquerade",
    ]
    return _chain("under_its_address", "nat hook postrouting priority 100", lines)


def _chain(name: str, hook: str, lines: list[str]) -> str:
    body = "".join(f"    {line}\n" for line in lines)
    return f"  chain {name} {{\n    type {hook}; policy accept;\n{body}  }}\n"


def _denials(asked: Wanted, who: str) -> list[str]:
    """What was denied by name counts first, what was allowed by name next. Names can be asked for all the same."""
    allowed = [*asked.allow, *nameservers(asked.around)]
    return [
        *(line for target in asked.deny for line in _rejects(who, target)),
        *(_line(who, target, protocol, "accept") for target in allowed for protocol in _protocols(target)),
        *(line for target in asked.around for line in _rejects(who, target)),
    ]


def _protocols(target: Target) -> tuple[str, ...]:
    return ("tcp", "udp") if target.port else ("",)


def _refuse(who: str) -> list[str]:
    return [f"{who} {_RESET}", f"{who} {_ADMIN_PROHIBITED}"]


def _rejects(who: str, target: Target) -> list[str]:
    """By a reset where there can be one: a program sees it at once, also by IPv6 and next to it on the link."""
    others = "udp" if target.port else ""
    return [_line(who, target, "tcp", "reject with tcp reset"), _line(who, target, others, _ADMIN_PROHIBITED)]


def _line(who: str, target: Target, protocol: str, verdict: str) -> str:
    family = "ip" if target.version == 4 else "ip6"
    what = f" {protocol} dport {target.port}" if target.port else f" meta l4proto {protocol}" if protocol else ""
    return f"{who} {family} daddr {target.address}{what} {verdict}"


def nameservers(around: list[Target]) -> list[Target]:
    """Those among what is kept apart."""
    asked = [Target(address, 53) for address in surroundings.nameservers()]
    return [one for one in asked if any(ipaddress.ip_address(one.address) in target.network for target in around)]
