"""Ports of the node that lead into allocations, as their customers published them.

nftables holds them, in the table of `rules`: a map says where a connection to a port of the node goes, and sets say
what may pass, each way, and count it. Every packet is compared with the sets, so what was open before ends with them.
The map alone stays while an allocation is suspended: a client that goes on knocking is refused, and served again later.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import children, commands, enrolment, network, surroundings, trial
from .errors import NodeError
from .request import Desired, Port
from .store import Allocation, Store

LOCK = "ports"
"""Held by whoever changes what the kernel has of them."""

_LEADS, _INTO, _OUT_OF = "leads", "into", "out_of"
_NAMES = (_LEADS, _INTO, _OUT_OF)
_TYPES = {4: "ipv4_addr", 6: "ipv6_addr"}
# nftables knows what is a port of a connection only where it knows the protocol: so there is one of each for both.
_KINDS = [(protocol, version) for protocol in ("tcp", "udp") for version in _TYPES]
_LISTENING, _BOUND = "0A", "07"
_TRIAL_PORT = 1
_BLOCK = re.compile(r"^\t(?:map|set) (\w+) \{$(.*?)^\t\}$", re.MULTILINE | re.DOTALL)
_ELEMENT = re.compile(
    r"(\d+) (?:: ([\da-f:.]+) \. (\d+)|\. ([\da-f:.]+) \. (\d+)(?: counter packets \d+ bytes (\d+))?)"
)

OPEN, CLOSED = "", "suspended"
TAKEN, NO_NETWORK, FAILED = "taken", "no_network", "failed"
"""Why a port is not open: the node has something else there, nothing leads into the allocation, nftables refused."""


@dataclass(frozen=True)
class Way:
    """From a port of the node to an address and port of a login."""

    protocol: str
    node_port: int
    address: str
    port: int

    @property
    def version(self) -> int:
        """4 or 6."""
        return ipaddress.ip_address(self.address).version

    @property
    def leads(self) -> str:
        """As an element of a map."""
        return f"{self.node_port} : {self.address} . {self.port}"

    @property
    def passes(self) -> str:
        """As an element of a set."""
        return f"{self.node_port} . {self.address} . {self.port}"

    def place(self, name: str) -> str:
        """The map or set in which it is."""
        return f"{name}_{self.protocol}_{self.version}"


Kernel = dict[str, dict[Way, int]]
"""What the kernel has: by the name of a map or set, each way with the bytes that it has counted."""


def declarations() -> str:
    """Maps and sets of the table, with what every allocation here has published."""
    filled = _recorded()
    lines = []
    for protocol, version in _KINDS:
        key, address = "inet_service", _TYPES[version]
        for name in _NAMES:
            place = f"{name}_{protocol}_{version}"
            elements = f" elements = {{ {', '.join(filled[place])} }};" if filled[place] else ""
            what = f"map {place} {{ type {key} : {address} . {key};"
            if name != _LEADS:
                what = f"set {place} {{ type {key} . {address} . {key}; counter;"
            lines.append(f"  {what}{elements} }}\n")
    return "".join(lines)


def _recorded() -> dict[str, list[str]]:
    """Elements by map and set. A record that cannot be read has its ports closed, and nobody else's."""
    found: dict[str, list[str]] = defaultdict(list)
    known = enrolment.read()
    if known is None or known.network in ("", network.CLOSED):
        return found
    try:
        records = Store().readable()[0]
    except NodeError:
        return found
    for record in records:
        if not record.link or record.going:
            continue
        link = network.Link(record.link, known.network, surroundings.has_version_6())
        for way in _ways(link, [Port(**port) for port in record.ports]):
            found[way.place(_LEADS)].append(way.leads)
            if record.state == "active":
                for name in (_INTO, _OUT_OF):
                    found[way.place(name)].append(way.passes)
    return found


def in_front(to_link: str, by_link: str) -> list[str]:
    """Rules for what is forwarded: of what was led here, no packet passes that is not in the sets."""
    in_, out = f"{to_link} ct direction original ct status dnat", f"{by_link} ct direction reply ct status dnat"
    lines = []
    for protocol, version in _KINDS:
        family, led = "ip" if version == 4 else "ip6", f"meta l4proto {protocol} ct original proto-dst"
        place = f"{protocol}_{version}"
        lines += [
            f"{in_} {led} . {family} daddr . {protocol} dport @{_INTO}_{place} accept",
            f"{out} {led} . {family} saddr . {protocol} sport @{_OUT_OF}_{place} accept",
        ]
    for way in (in_, out):
        lines += [f"{way} meta l4proto tcp reject with tcp reset", f"{way} meta l4proto udp reject"]
    return lines


def leading() -> list[str]:
    """Rules for what comes to the node: what comes to a published port goes to the login.

    nftables before 1.0, as Debian 11 has it, wants to be told that the map gives a port too.
    """
    return [
        f"fib daddr type local dnat {'ip' if version == 4 else 'ip6'} addr . port to {protocol} dport map "
        f"@{_LEADS}_{protocol}_{version}"
        for protocol, version in _KINDS
    ]


def follow(store: Store, record: Allocation, desired: Desired, link: network.Link | None) -> list[dict[str, Any]]:
    """Have the kernel lead just these ports to the login, or none of them in while it is suspended.

    Answers for each whether it is open, and why not. Nothing that one of them lacks keeps the login from its work.
    """
    wanted = list(desired.ports)
    kept = [vars(port) for port in wanted]
    if kept != record.ports:
        record.ports = kept
        store.put(record)
    if link is None or link.network == network.CLOSED:
        return [_answer(port, NO_NETWORK) for port in wanted]
    if not wanted and not record.published:
        return []
    if wanted and not record.published:
        record.published = True
        store.put(record)
    with store.locked(LOCK):
        try:
            why = _changed(link, wanted, is_open=desired.state == "active")
        except NodeError:
            if not wanted:
                raise
            why = dict.fromkeys(wanted, FAILED)
    return [_answer(port, why.get(port, OPEN if desired.state == "active" else CLOSED)) for port in wanted]


def _answer(port: Port, why: str) -> dict[str, Any]:
    return {**vars(port), "open": why == OPEN, "why": why}


def shut(store: Store, record: Allocation) -> None:
    """Let nothing more in or out by the ports of a login; where they lead stays."""
    link = _link_of(record)
    if link is not None and record.published:
        with store.locked(LOCK):
            _changed(link, [Port(**port) for port in record.ports], is_open=False)


def withdraw(store: Store, record: Allocation) -> None:
    """Lead nothing to a login any more; the evidence looks whether that is so."""
    link = _link_of(record)
    if link is not None and record.published:
        with store.locked(LOCK):
            _change(link, [], is_open=False)


def traces(record: Allocation) -> list[str]:
    """What of the node still leads to the login, as the kernel lists it."""
    link = _link_of(record)
    if link is None:
        return []
    kernel, own = _listed(), _addresses(link)
    ways = {way for found in kernel.values() for way in found if way.address in own}
    return sorted(
        f"port {way.node_port}/{way.protocol} of the node still leads to {way.address}, port {way.port}" for way in ways
    )


def carried(records: Iterable[Allocation]) -> dict[str, list[dict[str, Any]]]:
    """By allocation, the bytes that came in and went out by each of its ports since the table was made."""
    found = {record.allocation: record for record in records if record.published and record.link}
    if not found:
        return {}
    kernel = _listed()
    counted: dict[str, list[dict[str, Any]]] = {}
    for allocation, record in found.items():
        link = _link_of(record)
        if link is None:
            continue
        counted[allocation] = []
        for port in record.ports:
            ways = _ways(link, [Port(**port)])
            into, out_of = (sum(kernel[way.place(name)].get(way, 0) for way in ways) for name in (_INTO, _OUT_OF))
            counted[allocation].append({**port, "in_bytes": into, "out_bytes": out_of})
    return counted


def _link_of(record: Allocation) -> network.Link | None:
    return network.link_of(enrolment.read(), record)


def _addresses(link: network.Link) -> list[str]:
    return [link.address, *([link.address_6] if link.has_version_6 else [])]


def _ways(link: network.Link, wanted: Iterable[Port]) -> list[Way]:
    return [Way(port.protocol, port.node_port, address, port.port) for port in wanted for address in _addresses(link)]


def _change(link: network.Link, wanted: list[Port], *, is_open: bool) -> dict[Port, str]:
    """Bring the kernel to it in one step; returns the ports that cannot be had, with why."""
    kernel, own = _listed(), _addresses(link)
    led = [way for place, ways in kernel.items() if place.startswith(_LEADS) for way in ways]
    others = {(way.protocol, way.node_port) for way in led if way.address not in own}
    here = {(way.protocol, way.node_port) for way in led if way.address in own}
    listening = {protocol: _listening(protocol) for protocol in {port.protocol for port in wanted}}
    why = {
        port: TAKEN
        for port in wanted
        if (port.protocol, port.node_port) in others
        or ((port.protocol, port.node_port) not in here and port.node_port in listening[port.protocol])
    }
    lines = _missing(kernel, link, [port for port in wanted if port not in why], is_open=is_open)
    if lines:
        commands.run("nft", "-f", "-", stdin="".join(lines).encode())
    return why


def _changed(link: network.Link, wanted: list[Port], *, is_open: bool) -> dict[Port, str]:
    """As `_change`, and looked at again: a port counts as closed or gone only once the kernel shows it so."""
    why = _change(link, wanted, is_open=is_open)
    left = _missing(_listed(), link, [port for port in wanted if port not in why], is_open=is_open)
    if left:
        raise NodeError(
            "command_failed",
            f"nftables was told, and does not show it: {left[0].strip()}. Look at what is installed as nft.",
            retryable=True,
        )
    return why


def _missing(kernel: Kernel, link: network.Link, wanted: list[Port], *, is_open: bool) -> list[str]:
    """What nftables is to be told, so that the kernel has just these ports of the link."""
    own, ways, lines = _addresses(link), _ways(link, wanted), []
    for place, present in kernel.items():
        asked = {way for way in ways for name in _NAMES if way.place(name) == place and (is_open or name == _LEADS)}
        here_now = {way for way in present if way.address in own}
        lines += [_line("delete", place, way) for way in here_now - asked]
        lines += [_line("add", place, way) for way in asked - here_now]
    return sorted(lines, reverse=True)


def _line(what: str, place: str, way: Way) -> str:
    element = way.leads if place.startswith(_LEADS) else way.passes
    if what == "delete":
        element = element.partition(" : ")[0]  # of a map, the key
    return f"{what} element inet sublet {place} {{ {element} }}\n"


def _listed() -> Kernel:
    """NodeError where the table is not there, or is one of an earlier version."""
    texts = dict(_BLOCK.findall(commands.run("nft", "list", "table", "inet", "sublet")))
    found: Kernel = {}
    for place in (f"{name}_{protocol}_{version}" for protocol, version in _KINDS for name in _NAMES):
        if place not in texts:
            raise NodeError("firewall_unavailable", f"The node's firewall has no {place}. Enrol the node again.")
        protocol = place.split("_")[-2]
        found[place] = {
            Way(protocol, int(node_port), led or passed, int(led_port or passed_port)): int(counted or 0)
            for node_port, led, led_port, passed, passed_port, counted in _ELEMENT.findall(texts[place])
        }
    return found


def _listening(protocol: str) -> set[int]:
    """The ports on which something of the node itself waits."""
    state = _LISTENING if protocol == "tcp" else _BOUND
    found = set()
    for name in (protocol, f"{protocol}6"):
        table = Path("/proc/net", name)
        for line in table.read_text().splitlines()[1:] if table.exists() else []:
            _, local, _, status, *_ = line.split()
            if status == state:
                found.add(int(local.rpartition(":")[2], 16))
    return found


def measure(inside: int, link: network.Link) -> tuple[bool, str]:
    """Whether a port of the node leads into such a network and answers come back: tried with one, from within it."""
    way = Way("tcp", _TRIAL_PORT, link.address, _TRIAL_PORT)

    def look() -> None:
        trial.join(inside)
        with socket.create_server((link.address, _TRIAL_PORT)) as server:
            server.settimeout(2)
            with socket.create_connection((link.gateway, _TRIAL_PORT), 2) as client:
                accepted, _ = server.accept()
                with accepted:
                    accepted.sendall(b"y")
                    client.settimeout(2)
                    if client.recv(1) != b"y":
                        raise OSError("what is published is not reached by a port of the node")

    places = [way.place(name) for name in _NAMES]
    with Store().locked(LOCK):
        commands.run("nft", "-f", "-", stdin="".join(_line("add", place, way) for place in places).encode())
        try:
            said = children.run(look)
        finally:
            commands.attempt("nft", "-f", "-", stdin="".join(_line("delete", place, way) for place in places).encode())
    if said:
        return False, f"A port of the node does not lead into an allocation's network: {said}"
    return True, "Tried from within: a port of the node leads into an allocation's network, and its answers out of it."
