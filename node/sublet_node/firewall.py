"""Keep allocations from addresses of the control plane, from what surrounds the node, and from the node itself.

Whoever is on the node could fill sshd with connections that never log in, and nobody else would get in: neither
customers nor the control plane. What the rules are, `rules` says. Where nftables is missing, iptables has those by the
owner of each socket; networks of their own allocations have with nftables alone.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket

from . import commands, files, network, paths, ports, rules, sshd, surroundings, trial
from .errors import NodeError
from .request import FIRST_UID
from .rules import PROBE_UID, Target, Wanted
from .store import Store

_REFUSED_BY_FIREWALL = {errno.EHOSTUNREACH, errno.EACCES, errno.EPERM, errno.ENETUNREACH}
_CHAIN = "SUBLET"
_AROUND = paths.RUN / "around"


def install(asked: Wanted) -> str:
    """Put the rules in force, also for what surrounds the node now, and return which program holds them.

    NodeError when the node has none that works.
    """
    tried = []
    for program, put in (("nft", _put_nft), ("iptables", _put_iptables)):
        if not commands.installed(program):
            tried.append(f"{program} is not installed")
            continue
        try:
            put(asked)
        except NodeError as error:
            tried.append(error.message)
        else:
            files.replace(_AROUND, _around())
            return program
    raise NodeError("firewall_unavailable", f"No firewall can be set: {'; '.join(tried)}. Install nftables.")


def is_current() -> bool:
    """False when the node has come to other gateways or name servers than those that the rules were made for."""
    with contextlib.suppress(FileNotFoundError):
        return _AROUND.read_bytes() == _around()
    return False


def knows_owners() -> bool:
    """Whether nftables keeps what the node's own network carries for allocations from what is denied, as it shows."""
    return commands.installed("nft") and commands.attempt("nft", "list", "chain", "inet", "sublet", "output")[0] == 0


def _around() -> bytes:
    return " ".join(
        [str(rules.SHAPE), *surroundings.gateways(), *surroundings.uplinks(), *surroundings.nameservers()]
    ).encode()


def follow_whole_node() -> None:
    """Bound what comes to the node while somebody is in its own network, and not while nobody is."""
    if commands.installed("nft"):
        with Store().locked(ports.LOCK):
            told = "add element inet sublet {} {{ ipv4, ipv6 }}" if _is_whole() else "flush set inet sublet {}"
            commands.attempt("nft", "-f", "-", stdin=f"{told.format(rules.WHOLE)}\n".encode())


def _is_whole() -> bool:
    """Whether somebody is in the node's own network, or about to be; so it is while a record cannot be read."""
    with contextlib.suppress(NodeError):
        found, damaged = Store().readable()
        return bool(damaged) or any(record.node_network and record.is_in for record in found)
    return False


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


def forbids_forwarding() -> list[str]:
    """Chains of somebody else's firewall that let nothing through the node unless their rules say so."""
    found, table, chain = [], "", ""
    for line in commands.run("nft", "list", "chains").splitlines():
        words = line.split()
        if words[:1] == ["table"]:
            table = " ".join(words[1:3])
        elif words[:1] == ["chain"]:
            chain = words[1]
        elif "hook forward" in line and "policy drop" in line:
            found.append(f"{chain} of {table}")
    return found


def measure(asked: Wanted) -> tuple[bool, str]:
    """Whether an allocation is kept out of all that is denied and not allowed: tried, where an allocation is."""
    if not asked.deny:
        return False, "No address was given with --deny, so nothing is denied."
    allowed = [target.network for target in asked.allow if not target.port]
    around = [target for target in asked.around if not any(_overlap(target, one) for one in allowed)]
    targets = [target for target in (*asked.deny, *around) if target.version == 4 or surroundings.has_version_6()]
    if asked.network == network.CLOSED:
        with trial.network(asked.network) as inside:
            return trial.measure_closed(inside, [(_first_address(target), target.port or 9) for target in targets])
    listed = _listed()
    for target in targets:
        # An address that cannot be reached anyhow looks just like one that is refused.
        if not re.search(rf"(?<![\w.:]){re.escape(target.address)}(?![\w.:])", listed):
            said = f"The kernel lists no rule of the node's firewall for {target.address}. Enrol the node again."
            return False, said
    # To try an address that counts on one link alone needs an interface besides.
    tried = [target for target in targets if not (target.network.is_link_local and target.version == 6)]
    reached = _reached_from_within(asked, tried) if asked.network else _reached_by_owner(tried)
    if reached:
        return False, reached
    where = "from an allocation's network" if asked.network else "as an allocation's uid"
    return True, f"Tried {where}: {len(targets)} addresses and prefixes are refused by the node's firewall."


def _reached_from_within(asked: Wanted, targets: list[Target]) -> str:
    """What the firewall lets through, as it counts itself; there is nothing to wait for, as there would be outside."""
    tried = [(_first_address(target), target.port or 9) for target in targets if not target.network.is_loopback]
    with trial.network(asked.network) as inside:
        before = _counted(rules.TRIED), _counted(rules.PASSED)
        trial.send(inside, tried)
        after = _counted(rules.TRIED), _counted(rules.PASSED)
        if after[1] == before[1]:
            return "" if after[0] > before[0] else "Nothing comes from an allocation's network to the node's firewall."
        for address, port in tried:
            trial.send(inside, [(address, port)])
            if _counted(rules.PASSED) > after[1]:
                return f"{address} is not refused by the node's firewall (it was let through)."
    return "The node's firewall lets through what it is to refuse."


def _counted(name: str) -> int:
    output = commands.run("nft", "list", "counter", "inet", "sublet", name)
    found = re.search(r"packets (\d+)", output)
    if found is None:
        raise NodeError("firewall_unavailable", f"The node's firewall does not count {name}. Enrol the node again.")
    return int(found.group(1))


def _reached_by_owner(targets: list[Target]) -> str:
    for target in targets:
        outcome = _try_as_allocation(target, socket.SOCK_STREAM)
        if outcome not in {*_REFUSED_BY_FIREWALL, errno.ECONNREFUSED}:
            return f"{target.address} is not refused by the node's firewall ({_say(outcome)})."
        # A reset looks like that of a closed port. What is refused to a datagram only the firewall refuses.
        outcome = _try_as_allocation(target, socket.SOCK_DGRAM)
        if outcome not in _REFUSED_BY_FIREWALL:
            return f"{target.address} is not refused by the node's firewall ({_say(outcome)})."
    return ""


def _first_address(target: Target) -> str:
    return str(target.network[1 if target.network.num_addresses > 1 else 0])


def _overlap(target: Target, other: object) -> bool:
    return type(target.network) is type(other) and target.network.overlaps(other)


def _listed() -> str:
    """Our rules as the kernel has them now; "" when it has none."""
    if commands.installed("nft"):
        status, output, _ = commands.attempt("nft", "list", "table", "inet", "sublet")
        if status == 0:
            return output
    programs = [program for program in ("iptables", "ip6tables") if commands.installed(program)]
    answers = [commands.attempt(program, "-S", _CHAIN) for program in programs]
    return "\n".join(output for status, output, _ in answers if status == 0)


def _put_nft(asked: Wanted) -> None:
    with Store().locked(ports.LOCK):
        text = rules.table(asked, sshd.ports(), is_whole=_is_whole())
        commands.run("nft", "-f", "-", stdin=text.encode())
    files.replace(paths.FIREWALL_RULES, text.encode())


def _put_iptables(asked: Wanted) -> None:
    if asked.network:
        raise NodeError("program_missing", "networks of their own need nftables")
    ordered = [(target, "REJECT") for target in asked.deny]
    ordered += [(target, "RETURN") for target in (*asked.allow, *rules.nameservers(asked.around))]
    ordered += [(target, "REJECT") for target in asked.around]
    for program, version in (("iptables", 4), ("ip6tables", 6)):
        if version == 6 and not surroundings.has_version_6():
            continue
        chosen = [(target, verdict) for target, verdict in ordered if target.version == version]
        commands.attempt(program, "-N", _CHAIN)
        commands.run(program, "-F", _CHAIN)
        for own in sshd.ports():
            commands.run(
                *(program, "-A", _CHAIN, "-o", "lo", "-m", "owner", "--uid-owner", f"{FIRST_UID}-{PROBE_UID}"),
                *("-p", "tcp", "--dport", str(own), "-j", "REJECT", "--reject-with", "tcp-reset"),
            )
        if version == 4:
            commands.run(
                *(program, "-A", _CHAIN, "-m", "owner", "--uid-owner", f"{FIRST_UID}-{PROBE_UID}"),
                *("-m", "addrtype", "--dst-type", "BROADCAST", "-j", "DROP"),
            )
        reply = "icmp-admin-prohibited" if version == 4 else "icmp6-adm-prohibited"
        for target, verdict in chosen:
            for protocol in ("tcp", "udp") if target.port else ("tcp", "all"):
                port = ("--dport", str(target.port)) if target.port else ()
                by = ("--reject-with", "tcp-reset" if protocol == "tcp" else reply) if verdict == "REJECT" else ()
                commands.run(
                    *(program, "-A", _CHAIN, "-m", "owner", "--uid-owner", f"{FIRST_UID}-{PROBE_UID}"),
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
                attempt.connect((_first_address(target), target.port or 9))
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
    return min(PROBE_UID, max(first + count - 1 for first, _, count in extents))


def _say(outcome: int) -> str:
    return "it was reached" if outcome == 0 else os.strerror(outcome)
