"""enrol: make this machine a node of a control plane. Each step can be repeated; sshd is touched last."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable
from pathlib import Path

from . import (
    before,
    boot,
    commands,
    confinement,
    control_plane,
    earlier,
    endpoints,
    enrolment,
    files,
    firewall,
    logins,
    maxima,
    moment,
    network,
    paths,
    preflight,
    router,
    rules,
    sshd,
    surroundings,
    systemd,
    trial,
    trust,
    unenrol,
    upgrade,
)
from .disk import homes
from .errors import NodeError
from .store import Store

_NETWORKS = ("100.96.0.0/16", "10.213.0.0/16", "172.29.0.0/16")
_UNIT = f"""[Unit]
Description=Sublet: put back firewall rules, places of logins and GPU access after a boot
After=local-fs.target network.target nss-lookup.target
Before=ssh.service sshd.service
RequiresMountsFor={paths.HOMES} {paths.STATE}

[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=120
ExecStart={paths.HELPER} boot

[Install]
WantedBy=multi-user.target
"""

Say = Callable[[str], None]


def enrol(
    url: str,
    token: str,
    deny: list[str],
    allow: list[str],
    say: Say,
    *,
    io_mib: int | None = None,
    only_look: bool = False,
) -> None:
    """Enrol or enrol again. All is looked at first; until the control plane has answered, nothing changes how people
    log in here. A first enrolment that fails later on is taken back."""
    preflight.refuse_what_cannot_work()
    known = enrolment.read()
    place = control_plane.look(url, token) if commands.installed("sshd") else None
    preflight.require(place)
    for said in (*preflight.warnings(), *([preflight.elsewhere(place)] if place else [])):
        if said:
            say(f"WARNING: {said}")
    # What was closed stays closed unless other addresses are named; at least the control plane itself is.
    deny = deny or (known.deny if known else []) or [control_plane.address_of(url)]
    allow = allow or (known.allow if known else [])
    asked = rules.Wanted(tuple(rules.resolve(deny)), tuple(rules.resolve(allow)), _network(known))
    if only_look:
        say("this machine can become a node; nothing was changed")
        return
    first = known is None and not paths.ALLOCATIONS.is_dir()
    before.keep()
    try:
        _enrol(url, token, known, asked, deny=deny, allow=allow, io_mib=io_mib, say=say)
    except (NodeError, OSError):
        if first:
            _take_back(say)
        raise


def _enrol(
    url: str,
    token: str,
    known: enrolment.Enrolment | None,
    asked: rules.Wanted,
    *,
    deny: list[str],
    allow: list[str],
    io_mib: int | None,
    say: Say,
) -> None:
    greeted = endpoints.greeting(endpoints.configured())
    _make_folders()
    _make_control_user()
    say(f"made the account {sshd.CONTROL_USER} and its one command")
    too_low = maxima.install()
    if too_low:
        say(f"WARNING: this kernel keeps its maxima, which all allocations share: {', '.join(too_low)}.")
    answer = control_plane.join(url, token)
    say(f"joined {url} as {answer['name']} ({answer['node_id']})")
    install_helper()
    say(f"installed the helper as {paths.HELPER}")
    if confinement.install():
        say("gave every login a /tmp, terminals, shared memory and a /proc of its own")
    asked = _networks(asked, say)
    say(_firewall(asked))
    limited, how = homes.capability()
    say(f"disk: {how}" if limited else f"WARNING: {how}")
    enrolment.write(
        enrolment.Enrolment(
            node_id=str(answer["node_id"]),
            name=str(answer["name"]),
            url=url,
            deny=deny,
            allow=allow,
            network=asked.network,
            io_mib=(known.io_mib if known else 0) if io_mib is None else max(0, io_mib),
            open_places=enrolment.find_open_places(),
            enrolled_at=moment.now(),
        )
    )
    trust.write(answer)
    sshd.write_principal(answer["control_principal"])
    drop_in = sshd.install(adds_key=preflight.adds_key())
    _install_unit()
    boot.boot(Store())
    earlier.clear()
    sshd.bring_into_force(drop_in, greeted)
    say("sshd now knows the control plane's certificates and shows its own")


def _take_back(say: Say) -> None:
    try:
        unenrol.take_back()
    except (NodeError, OSError) as error:
        say(f"WARNING: not all that was changed here could be taken back: {error} Run `sublet-node unenrol`.")
    else:
        say("what was changed here was taken back; the same command can be run again")


def install_helper() -> None:
    """Copy this very zipapp to where the forced command expects it."""
    source = Path(sys.argv[0]).resolve()
    if not source.is_file():
        raise NodeError("helper_not_a_file", "Run enrol from the sublet-node.pyz file itself.")
    upgrade.forget_waiting()
    if source != paths.HELPER:
        files.replace(paths.HELPER, source.read_bytes(), mode=0o755)


def _make_folders() -> None:
    for folder, mode in (
        (paths.CONFIG, 0o755),
        (paths.PRINCIPALS, 0o755),
        (paths.AUTHORIZED_KEYS, 0o755),
        (paths.STATE, 0o711),
        (paths.ALLOCATIONS, 0o700),
        (paths.LOCKS, 0o700),
        (paths.RUN, 0o755),
        (paths.PROGRAMS, 0o755),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        os.chmod(folder, mode)


def _make_control_user() -> None:
    if sshd.CONTROL_USER not in logins.passwd_entries():
        # Without systemd there is no sudo that could raise rights, so the account is root under another name,
        # and its certificate's forced command is all it can do.
        identity = ("--system",) if systemd.is_running() else ("--non-unique", "--uid", "0", "--gid", "0")
        commands.run(
            *("useradd", *identity, "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/bin/sh"),
            *("--password", "*", "--comment", preflight.CONTROL_COMMENT, sshd.CONTROL_USER),
        )
    if systemd.is_running():
        rule = f"Defaults:{sshd.CONTROL_USER} !requiretty, !lecture\n"
        rule += f"{sshd.CONTROL_USER} ALL=(root) NOPASSWD: {paths.HELPER} rpc\n"
        files.replace(paths.SUDOERS, rule.encode(), mode=0o440)
        # The control plane needs no systemd of its own on the node; starting one would delay every connection.
        confinement.mask(logins.passwd_entries()[sshd.CONTROL_USER])


def _network(known: enrolment.Enrolment | None) -> str:
    """The addresses of links: those that it has, or some that the node has no other use for."""
    kept = known.network if known else ""
    return kept if kept not in ("", network.CLOSED) else surroundings.free_network(_NETWORKS)


def _networks(asked: rules.Wanted, say: Say) -> rules.Wanted:
    """Whether allocations get networks of their own, found out by making one."""
    try:
        if not commands.installed("nft") and not systemd.is_running():
            asked = dataclasses.replace(asked, network=network.CLOSED)
        if not asked.network:
            raise NodeError("network_taken", f"the node has routes into each of {', '.join(_NETWORKS)}")
        with trial.network(asked.network):
            if asked.network != network.CLOSED:
                router.start()
                firewall.install(asked)
    except NodeError as error:
        say(f"WARNING: {error.message} {trial.why_without()}")
        return dataclasses.replace(asked, network="")
    strict = firewall.forbids_forwarding() if asked.network != network.CLOSED else []
    if strict:
        say(
            f"WARNING: this machine's own firewall forwards only what its rules name ({', '.join(strict)}). Let "
            f"interfaces named {network.NAMES} through there, both ways, or allocations reach nothing."
        )
    out = "out of which nothing leads without nftables" if asked.network == network.CLOSED else asked.network
    say(f"gave every login a network of its own ({out})")
    return asked


def _firewall(asked: rules.Wanted) -> str:
    try:
        program = firewall.install(asked)
    except NodeError as error:
        return f"WARNING: allocations can reach the denied addresses. {error.message}"
    enforced, detail = firewall.measure(asked)
    return f"{program}: {detail}" if enforced else f"WARNING: {detail}"


def _install_unit() -> None:
    if systemd.is_running():
        files.replace(paths.UNIT, _UNIT.encode())
        commands.run("systemctl", "enable", "--quiet", paths.UNIT.name)
