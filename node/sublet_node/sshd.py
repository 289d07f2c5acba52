"""The node's sshd: one drop-in, checked by sshd itself before it counts."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Collection
from pathlib import Path
from typing import Any

from . import commands, endpoints, files, paths, sshd_settings, systemd
from .endpoints import Endpoint
from .errors import NodeError, bad_request
from .request import LOGIN_GLOB

CONTROL_USER = "sublet"
PID_FILE = Path("/run/sshd.pid")
MOST_STARTUPS = 50
HOST_KEY = paths.HOST_KEY.with_suffix("")
_GREETING_SECONDS = 5.0
_OF_ALL = "sublet-control"
_PRINCIPAL = re.compile(rf"{_OF_ALL}[a-z0-9_-]{{0,64}}\Z")


def command() -> str:
    """The one command of the control plane. Without systemd its account is root by another name, and needs no sudo."""
    return f"{'sudo -n ' if systemd.is_running() else ''}{paths.HELPER} rpc"


def drop_in(*, adds_key: bool) -> bytes:
    """The whole configuration that sublet-node adds.

    A HostKey line replaces the list that sshd has of itself, so there is one only where the owner names others than the
    key that is certified (`adds_key`): every key that was offered stays offered.
    """
    key = f"HostKey {HOST_KEY}\n" if adds_key else ""
    return f"""# Written by sublet-node; removed by `sublet-node unenrol`.
{key}HostCertificate {paths.HOST_CERTIFICATE}
MaxStartups 200:30:400
{_for_each_source()}LoginGraceTime 30

# The control plane: one command, nothing else. Only here and below are certificates believed at all, so no
# certificate opens root or any other account of this node.
Match User {CONTROL_USER}
    PubkeyAuthentication yes
    TrustedUserCAKeys {paths.USER_CA}
    RevokedKeys {paths.REVOKED_KEYS}
    AuthorizedPrincipalsFile {paths.PRINCIPALS}/%u
    AuthorizedPrincipalsCommand none
    AuthorizedKeysFile none
    AuthorizedKeysCommand none
    AuthenticationMethods publickey
    ForceCommand {command()}
    DisableForwarding yes
    PermitTTY no
    PermitTunnel no
    PermitUserRC no
    MaxSessions 100

# Customers: certificates of the control plane, and the keys it placed. Keys in the home do not count, nor what the
# node's owner lets others in by. The root is the whole machine as the session is shown it: made when the session opens,
# empty if that did not happen. Nobody in another root than the first can make namespaces, and with them terminals and
# mounts beyond those given.
Match User {LOGIN_GLOB}
    ChrootDirectory {paths.SESSION_ROOT}
    PubkeyAuthentication yes
    TrustedUserCAKeys {paths.USER_CA}
    RevokedKeys {paths.REVOKED_KEYS}
    AuthorizedPrincipalsFile {paths.PRINCIPALS}/%u
    AuthorizedPrincipalsCommand none
    AuthorizedKeysFile {paths.AUTHORIZED_KEYS}/%u
    AuthorizedKeysCommand none
    AuthenticationMethods publickey
    ForceCommand none
    PermitTTY yes
    AllowTcpForwarding yes
    AllowStreamLocalForwarding yes
    AllowAgentForwarding yes
    PermitTunnel no
    PermitUserRC no
    X11Forwarding no
    MaxSessions 10
    ClientAliveInterval 30
    ClientAliveCountMax 4

Match all
""".encode()


def _for_each_source() -> str:
    """So many who have not said yet who they are from one address, or nobody else would be heard. The control plane
    and an office come from one address, too."""
    return f"PerSourceMaxStartups {MOST_STARTUPS}\nPerSourceNetBlockSize 32:64\n" if counts_sources() else ""


def counts_sources() -> bool:
    """Whether this sshd can bound how many it lets begin from one address."""
    found = re.match(r"OpenSSH_(\d+)\.(\d+)", version())
    return found is not None and (int(found.group(1)), int(found.group(2))) >= (8, 5)


def startups() -> int | None:
    """How many it lets begin from one address, as its configuration counts; None for any number."""
    _, output, _ = commands.attempt("sshd", "-T")
    found = re.search(r"^persourcemaxstartups (\d+)$", output, re.MULTILINE)
    return int(found.group(1)) if found else None


def write_principal(principal: Any) -> None:
    """Whom the control user's certificates have to be for: this node's own control plane, and of no other node. The
    restriction stands here too, so that either place alone is enough."""
    if not isinstance(principal, str) or not _PRINCIPAL.match(principal):
        raise bad_request("control_principal must be a name like sublet-control-nd_…")
    line = f'restrict,command="{command()}" {principal}\n'
    files.replace(paths.PRINCIPALS / CONTROL_USER, line.encode())


def has_own_principal() -> bool:
    """Whether certificates for all nodes of a control plane, as earlier versions had them, open nothing here."""
    try:
        return f" {_OF_ALL}-" in (paths.PRINCIPALS / CONTROL_USER).read_text()
    except FileNotFoundError:
        return False


def install(*, adds_key: bool) -> bytes | None:
    """Write the drop-in and let sshd judge it; taken back when sshd refuses. Returns what was there before."""
    if not sshd_settings.reads_drop_ins():
        raise NodeError(
            "sshd_ignores_drop_ins",
            f"{paths.SSHD_CONFIG} does not include {paths.SSHD_DROP_IN.parent}/*.conf. Put the line "
            f"`Include {paths.SSHD_DROP_IN.parent}/*.conf` at its top, then enrol again.",
        )
    before = paths.SSHD_DROP_IN.read_bytes() if paths.SSHD_DROP_IN.exists() else None
    files.replace(paths.SSHD_DROP_IN, drop_in(adds_key=adds_key))
    said = sshd_settings.judge()
    if said:
        put_back(before)
        raise NodeError("sshd_refused", f"sshd refuses the configuration, so it was taken back: {said}")
    return before


def put_back(before: bytes | None) -> None:
    """The drop-in as it was."""
    if before is None:
        files.remove(paths.SSHD_DROP_IN)
    else:
        files.replace(paths.SSHD_DROP_IN, before)


def bring_into_force(before: bytes | None, greeted: Collection[Endpoint]) -> None:
    """Let sshd read the drop-in, and ask for its greeting where it greeted before. Without one the drop-in is put back
    as it was, sshd started anew, and NodeError says so."""
    try:
        reload()
        silent = set(greeted) - set(endpoints.greeting(greeted, seconds=_GREETING_SECONDS))
        what = f"it did not greet any more at {', '.join(sorted(map(str, silent)))}" if silent else ""
    except NodeError as error:
        what = error.message
    if not what:
        return
    put_back(before)
    restart()
    back = set(endpoints.greeting(greeted, seconds=_GREETING_SECONDS)) == set(greeted)
    raise NodeError(
        "sshd_not_running",
        f"With Sublet's configuration sshd does not go on: {what}. It was taken back, and sshd "
        f"{'greets as before' if back else 'STILL DOES NOT GREET: look at `journalctl -u ssh` before you log out'}. "
        "Look at what its log says of that moment, then enrol again with the same command.",
        retryable=True,
    )


def reload() -> None:
    """Let sshd read its configuration and certificate again. Open sessions go on; new ones wait for a moment.

    Where a socket of systemd starts it, one that is idle reads all anew when somebody comes, and one that runs is
    started anew, because it has its sockets from systemd.
    """
    if not systemd.is_running():
        _signal()
        return
    service, socket = endpoints.active(endpoints.SERVICES), endpoints.active(endpoints.SOCKETS)
    if service is not None:
        commands.run("systemctl", "restart" if socket else "reload", service)
    elif socket is None:
        raise _not_running()


def _signal() -> None:
    try:
        os.kill(int(PID_FILE.read_text()), signal.SIGHUP)
    except (OSError, ValueError):
        message = f"sshd does not run, or {PID_FILE} is wrong. Start it, then try again."
        raise NodeError("sshd_not_running", message, retryable=True) from None


def restart() -> None:
    """Start sshd anew, also one that has ended. Open sessions go on here too: they are no part of the unit's life."""
    if not systemd.is_running():
        with contextlib.suppress(NodeError):
            _signal()
        return
    unit = endpoints.active((*endpoints.SOCKETS, *endpoints.SERVICES))
    if unit is None:
        known = [name for name in endpoints.SERVICES if commands.attempt("systemctl", "cat", name)[0] == 0]
        unit = next(iter(known), endpoints.SERVICES[0])
    commands.attempt("systemctl", "reset-failed", unit)
    commands.attempt("systemctl", "restart", unit)


def _not_running() -> NodeError:
    named = ", ".join((*endpoints.SERVICES, *endpoints.SOCKETS))
    return NodeError(
        "sshd_not_running", f"None of {named} is active. Start OpenSSH's server, then try again.", retryable=True
    )


def ports() -> list[int]:
    """Where sshd listens."""
    return sorted({place.port for place in endpoints.configured()}) or [22]


def version() -> str:
    """The version of OpenSSH, like "OpenSSH_9.2p1"."""
    _, output, errors = commands.attempt("sshd", "-V")
    match = re.search(r"OpenSSH_[\w.]+", output + errors)
    return match.group(0) if match else "unknown"
