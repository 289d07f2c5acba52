"""Keep allocations from addresses of the control plane, from what surrounds the node, and from the node's own sshd, by
the owner of each socket.

Whoever is on the node could fill sshd with connections that never log in, and nobody else would get in: neither
customers nor the control plane.

One table of nftables for all allocations, present and future: nothing has to change when one comes or goes. Where
nftables is missing, iptables does the same.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import re
import socket
from dataclasses import dataclass

from . import commands, files, paths, sshd, surroundings
from .errors import NodeError, bad_request
from .request import FIRST_UID, LAST_UID

_PROBE_UID = LAST_UID + 1
_REFUSED_BY_FIREWALL = {errno.EHOSTUNREACH, errno.EACCES, errno.EPERM, errno.ENETUNREACH}
_CHAIN = "SUBLET"
_GATEWAYS = paths.RUN / "gateways"


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
            raise bad_request(f"--deny {entry} is not HOST, HOST:PORT, [IPv6]:PORT or PREFIX/LENGTH")
        port = int(match.group(3)) if match.group(3) else None
        try:
            answers = socket.getaddrinfo(match.group(1) or match.group(2), None, type=socket.SOCK_STREAM)
        except OSError as error:
            message = f"The name in --deny {entry} cannot be resolved: {error}. Give an address, or mend the resolver."
            raise NodeError("name_unknown", message, retryable=True) from error
        found += [Target(str(answer[4][0]).partition("%")[0], port) for answer in answers]
    return sorted(set(found), key=lambda target: (target.address, target.port or 0))


def _prefix(entry: str) -> str:
    try:
        network = ipaddress.ip_network(entry)
        # One of a single address is listed as that address by the firewall.
        return str(network.network_address if network.prefixlen == network.max_prefixlen else network)
    except ValueError as error:
        raise bad_request(f"--deny {entry} is no prefix like 10.0.0.0/8 or fd00::/8: {error}") from None


def install(targets: list[Target]) -> str:
    """Put the rules in force, also for what surrounds the node now, and return which program holds them.

    NodeError when the node has none that works.
    """
    tried = []
    for program, put in (("nft", _put_nft), ("iptables", _put_iptables)):
        if not commands.installed(program):
            tried.append(f"{program} is not installed")
            continue
        try:
            put(targets)
        except NodeError as error:
            tried.append(error.message)
        else:
            files.replace(_GATEWAYS, _gateways())
            return program
    raise NodeError("firewall_unavailable", f"No firewall can be set: {'; '.join(tried)}. Install nftables.")


def is_current() -> bool:
    """False when the node has come to other gateways than those that the rules were made for."""
    with contextlib.suppress(FileNotFoundError):
        return _GATEWAYS.read_bytes() == _gateways()
    return False


def _gateways() -> bytes:
    return " ".join(surroundings.gateways()).encode()


def restore() -> bool:
    """Put back the rules that were last in force, as far as nftables held them; False when that cannot be done."""
    if not paths.FIREWALL_RULES.exists() or not commands.installed("nft"):
        return False
    return commands.attempt("nft", "-f", str(paths.FIREWALL_RULES))[0] == 0


def uninstall() -> None:
    """Take the rules away."""
    if commands.installed("nft"):
        commands.attempt("nft", "delete", "table", "inet", "sublet")
    for program in ("iptables", "ip6tables"):
        if commands.installed(program):
            commands.attempt(program, "-D", "OUTPUT", "-j", _CHAIN)
            commands.attempt(program, "-F", _CHAIN)
            commands.attempt(program, "-X", _CHAIN)
    files.remove(paths.FIREWALL_RULES)


def rules(targets: list[Target], ssh_ports: list[int]) -> str:
    """The whole table, to be loaded at once."""
    lines = [
        f'    oifname "lo" meta skuid {FIRST_UID}-{_PROBE_UID} tcp dport {port} reject with tcp reset'
        for port in ssh_ports
    ]
    around = [Target(address, None) for address in surroundings.kept_apart()]
    lines += [line for target in targets for line in _rejects(target)]
    # Names can still be asked for, unless that was denied by name.
    lines += [_line(target, protocol, "accept") for target in _nameservers(around) for protocol in ("tcp", "udp")]
    lines += [line for target in around for line in _rejects(target)]
    body = "\n".join(["  chain output {", "    type filter hook output priority 0; policy accept;", *lines, "  }"])
    return f"add table inet sublet\ndelete table inet sublet\ntable inet sublet {{\n{body}\n}}\n"


def _rejects(target: Target) -> list[str]:
    """By a reset where there can be one: a program sees it at once, also by IPv6 and next to it on the link."""
    others = "reject with icmpx type admin-prohibited"
    return [_line(target, "tcp", "reject with tcp reset"), _line(target, "udp" if target.port else "", others)]


def _line(target: Target, protocol: str, verdict: str) -> str:
    family = "ip" if target.version == 4 else "ip6"
    what = f" {protocol} dport {target.port}" if target.port else f" meta l4proto {protocol}" if protocol else ""
    return f"    meta skuid {FIRST_UID}-{_PROBE_UID} {family} daddr {target.address}{what} {verdict}"


def _nameservers(around: list[Target]) -> list[Target]:
    """Those among what is kept apart."""
    asked = [Target(address, 53) for address in surroundings.nameservers()]
    return [one for one in asked if any(ipaddress.ip_address(one.address) in target.network for target in around)]


def measure(targets: list[Target]) -> tuple[bool, str]:
    """Whether an allocation is kept out of every target and of what surrounds the node: tried, as a uid of theirs."""
    if not targets:
        return False, "No address was given with --deny, so nothing is denied."
    around = [Target(address, None) for address in surroundings.kept_apart()]
    targets = [target for target in (*targets, *around) if target.version == 4 or surroundings.has_version_6()]
    listed = _listed()
    for target in targets:
        # An address that cannot be reached anyhow looks just like one that is refused.
        if not re.search(rf"(?<![\w.:]){re.escape(target.address)}(?![\w.:])", listed):
            return False, f"The kernel lists no rule of the node's firewall for {target.address}. Enrol the node again."
        if target.network.is_link_local and target.version == 6:
            continue  # to try one needs an interface besides
        outcome = _try_as_allocation(target, socket.SOCK_STREAM)
        if outcome not in {*_REFUSED_BY_FIREWALL, errno.ECONNREFUSED}:
            return False, f"{target.address} is not refused by the node's firewall ({_say(outcome)})."
        # A reset looks like that of a closed port. What is refused to a datagram only the firewall refuses.
        outcome = _try_as_allocation(target, socket.SOCK_DGRAM)
        if outcome not in _REFUSED_BY_FIREWALL:
            return False, f"{target.address} is not refused by the node's firewall ({_say(outcome)})."
    return (
        True,
        f"Tried as an allocation's uid: {len(targets)} addresses and prefixes are refused by the node's firewall.",
    )


def _listed() -> str:
    """Our rules as the kernel has them now; "" when it has none."""
    if commands.installed("nft"):
        status, output, _ = commands.attempt("nft", "list", "table", "inet", "sublet")
        if status == 0:
            return output
    programs = [program for program in ("iptables", "ip6tables") if commands.installed(program)]
    answers = [commands.attempt(program, "-S", _CHAIN) for program in programs]
    return "\n".join(output for status, output, _ in answers if status == 0)


def _put_nft(targets: list[Target]) -> None:
    text = rules(targets, sshd.ports())
    commands.run("nft", "-f", "-", stdin=text.encode())
    files.replace(paths.FIREWALL_RULES, text.encode())


def _put_iptables(targets: list[Target]) -> None:
    around = [Target(address, None) for address in surroundings.kept_apart()]
    ordered = [(target, "REJECT") for target in targets]
    ordered += [(target, "RETURN") for target in _nameservers(around)]
    ordered += [(target, "REJECT") for target in around]
    for program, version in (("iptables", 4), ("ip6tables", 6)):
        if version == 6 and not surroundings.has_version_6():
            continue
        chosen = [(target, verdict) for target, verdict in ordered if target.version == version]
        commands.attempt(program, "-N", _CHAIN)
        commands.run(program, "-F", _CHAIN)
        for own in sshd.ports():
            commands.run(
                *(program, "-A", _CHAIN, "-o", "lo", "-m", "owner", "--uid-owner", f"{FIRST_UID}-{_PROBE_UID}"),
                *("-p", "tcp", "--dport", str(own), "-j", "REJECT", "--reject-with", "tcp-reset"),
            )
        reply = "icmp-admin-prohibited" if version == 4 else "icmp6-adm-prohibited"
        for target, verdict in chosen:
            for protocol in ("tcp", "udp") if target.port else ("tcp", "all"):
                port = ("--dport", str(target.port)) if target.port else ()
                by = ("--reject-with", "tcp-reset" if protocol == "tcp" else reply) if verdict == "REJECT" else ()
                commands.run(
                    *(program, "-A", _CHAIN, "-m", "owner", "--uid-owner", f"{FIRST_UID}-{_PROBE_UID}"),
                    *("-d", target.address, "-p", protocol, *port, "-j", verdict, *by),
                )
        if commands.attempt(program, "-C", "OUTPUT", "-j", _CHAIN)[0] != 0:
            commands.run(program, "-I", "OUTPUT", "-j", _CHAIN)


def _try_as_allocation(target: Target, kind: socket.SocketKind) -> int:
    """Connect as a uid from the range of allocations that is never given out, and send; the errno, 0 if that went."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        outcome = errno.EIO
        try:
            uid = _probe_uid()
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            family = socket.AF_INET if target.version == 4 else socket.AF_INET6
            with socket.socket(family, kind) as attempt:
                attempt.settimeout(1.0)
                first = target.network[1 if target.network.num_addresses > 1 else 0]
                attempt.connect((str(first), target.port or 9))
                attempt.send(b"\n")
                outcome = 0
        except OSError as error:
            outcome = error.errno or errno.EIO
        finally:
            os.write(writer, bytes([min(outcome, 255)]))
            os._exit(0)
    os.close(writer)
    data = os.read(reader, 1)
    os.close(reader)
    os.waitpid(child, 0)
    return data[0] if data else errno.EIO


def _probe_uid() -> int:
    """Above all allocations; on a node whose ids are mapped, the last one there is."""
    with open("/proc/self/uid_map", encoding="ascii") as stream:
        extents = [tuple(map(int, line.split())) for line in stream]
    return min(_PROBE_UID, max(first + count - 1 for first, _, count in extents))


def _say(outcome: int) -> str:
    return "it was reached" if outcome == 0 else os.strerror(outcome)
