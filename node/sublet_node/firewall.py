"""Keep allocations from addresses of the control plane, and from the node's own sshd, by the owner of each socket.

Whoever is on the node could fill sshd with connections that never log in, and nobody else would get in: neither
customers nor the control plane.

One table of nftables for all allocations, present and future: nothing has to change when one comes or goes. Where
nftables is missing, iptables does the same.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import re
import socket
from dataclasses import dataclass

from . import commands, files, paths, sshd
from .errors import NodeError, bad_request
from .request import FIRST_UID, LAST_UID

_PROBE_UID = LAST_UID + 1
_REFUSED_BY_FIREWALL = {errno.EHOSTUNREACH, errno.EACCES, errno.EPERM, errno.ENETUNREACH}
_CHAIN = "SUBLET"


@dataclass(frozen=True)
class Target:
    """One address, and one port of it or all of them."""

    address: str
    port: int | None

    @property
    def version(self) -> int:
        """4 or 6."""
        return ipaddress.ip_address(self.address).version


def resolve(entries: list[str]) -> list[Target]:
    """HOST, HOST:PORT or [V6]:PORT → every address it has now."""
    found: list[Target] = []
    for entry in entries:
        match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]/\s]+))(?::(\d{1,5}))?", entry)
        if match is None:
            raise bad_request(f"--deny {entry} is not HOST, HOST:PORT or [IPv6]:PORT")
        port = int(match.group(3)) if match.group(3) else None
        try:
            answers = socket.getaddrinfo(match.group(1) or match.group(2), None, type=socket.SOCK_STREAM)
        except OSError as error:
            message = f"The name in --deny {entry} cannot be resolved: {error}. Give an address, or mend the resolver."
            raise NodeError("name_unknown", message, retryable=True) from error
        found += [Target(str(answer[4][0]).partition("%")[0], port) for answer in answers]
    return sorted(set(found), key=lambda target: (target.address, target.port or 0))


def install(targets: list[Target]) -> str:
    """Put the rules in force and return which program holds them; NodeError when the node has none that works."""
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
            return program
    raise NodeError("firewall_unavailable", f"No firewall can be set: {'; '.join(tried)}. Install nftables.")


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
    for target in targets:
        family = "ip" if target.version == 4 else "ip6"
        port = f" meta l4proto {{ tcp, udp }} th dport {target.port}" if target.port else ""
        lines.append(
            f"    meta skuid {FIRST_UID}-{_PROBE_UID} {family} daddr {target.address}{port} "
            "reject with icmpx type admin-prohibited"
        )
    body = "\n".join(["  chain output {", "    type filter hook output priority 0; policy accept;", *lines, "  }"])
    return f"add table inet sublet\ndelete table inet sublet\ntable inet sublet {{\n{body}\n}}\n"


def measure(targets: list[Target]) -> tuple[bool, str]:
    """Whether an allocation is kept out of every target: tried, as a uid of theirs."""
    if not targets:
        return False, "No address was given with --deny, so nothing is denied."
    listed = _listed()
    for target in targets:
        # An address that cannot be reached anyhow looks just like one that is refused.
        if not re.search(rf"(?<![\w.:]){re.escape(target.address)}(?![\w.:])", listed):
            return False, f"The kernel lists no rule of the node's firewall for {target.address}. Enrol the node again."
        outcome = _try_as_allocation(target)
        if outcome not in _REFUSED_BY_FIREWALL:
            return False, f"{target.address} is not refused by the node's firewall ({_say(outcome)})."
    return True, f"Tried as an allocation's uid: {len(targets)} address(es) are refused by the node's firewall."


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
    for program, version in (("iptables", 4), ("ip6tables", 6)):
        chosen = [target for target in targets if target.version == version]
        if not chosen and not commands.installed(program):
            continue
        commands.attempt(program, "-N", _CHAIN)
        commands.run(program, "-F", _CHAIN)
        for own in sshd.ports():
            commands.run(
                *(program, "-A", _CHAIN, "-o", "lo", "-m", "owner", "--uid-owner", f"{FIRST_UID}-{_PROBE_UID}"),
                *("-p", "tcp", "--dport", str(own), "-j", "REJECT", "--reject-with", "tcp-reset"),
            )
        for target in chosen:
            for protocol in ("tcp", "udp") if target.port else ("all",):
                port = ("--dport", str(target.port)) if target.port else ()
                commands.run(
                    *(program, "-A", _CHAIN, "-m", "owner", "--uid-owner", f"{FIRST_UID}-{_PROBE_UID}"),
                    *("-d", target.address, "-p", protocol, *port, "-j", "REJECT"),
                    *("--reject-with", "icmp-admin-prohibited" if version == 4 else "icmp6-adm-prohibited"),
                )
        if commands.attempt(program, "-C", "OUTPUT", "-j", _CHAIN)[0] != 0:
            commands.run(program, "-I", "OUTPUT", "-j", _CHAIN)


def _try_as_allocation(target: Target) -> int:
    """Connect as a uid from the range of allocations that is never given out; the errno, 0 for a connection."""
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
            with socket.socket(family, socket.SOCK_STREAM) as attempt:
                attempt.settimeout(1.0)
                outcome = attempt.connect_ex((target.address, target.port or 9))
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
