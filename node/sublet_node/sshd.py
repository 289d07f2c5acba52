"""The node's sshd: one drop-in, checked by sshd itself before it counts."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

from . import commands, files, paths, systemd
from .errors import NodeError

CONTROL_USER = "sublet"
CONTROL_PRINCIPAL = "sublet-control"
UNITS = ("ssh.service", "sshd.service")
PID_FILE = Path("/run/sshd.pid")
MOST_STARTUPS = 50


def command() -> str:
    """The one command of the control plane. Without systemd its account is root by another name, and needs no sudo."""
    return f"{'sudo -n ' if systemd.is_running() else ''}{paths.HELPER} rpc"


def drop_in() -> bytes:
    """The whole configuration that sublet-node adds."""
    return f"""# Written by sublet-node; removed by `sublet-node unenrol`.
HostKey /etc/ssh/ssh_host_ed25519_key
HostCertificate {paths.HOST_CERTIFICATE}
RevokedKeys {paths.REVOKED_KEYS}
MaxStartups 200:30:400
{_for_each_source()}LoginGraceTime 30

# The control plane: one command, nothing else. Only here and below are certificates believed at all, so no
# certificate opens root or any other account of this node.
Match User {CONTROL_USER}
    TrustedUserCAKeys {paths.USER_CA}
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
Match User al-*
    ChrootDirectory {paths.SESSION_ROOT}
    TrustedUserCAKeys {paths.USER_CA}
    AuthorizedPrincipalsFile {paths.PRINCIPALS}/%u
    AuthorizedPrincipalsCommand none
    AuthorizedKeysFile {paths.AUTHORIZED_KEYS}/%u
    AuthorizedKeysCommand none
    AuthenticationMethods publickey
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


def control_principals() -> bytes:
    """The control user's principals file: the restriction stands here too, so that either place alone is enough."""
    return f'restrict,command="{command()}" {CONTROL_PRINCIPAL}\n'.encode()


def install() -> bool:
    """Write the drop-in and let sshd judge it; taken back when sshd refuses. True when something changed."""
    if not _reads_drop_ins():
        raise NodeError(
            "sshd_ignores_drop_ins",
            f"{paths.SSHD_CONFIG} does not include {paths.SSHD_DROP_IN.parent}/*.conf. Put the line "
            f"`Include {paths.SSHD_DROP_IN.parent}/*.conf` at its top, then enrol again.",
        )
    before = paths.SSHD_DROP_IN.read_bytes() if paths.SSHD_DROP_IN.exists() else None
    changed = files.replace(paths.SSHD_DROP_IN, drop_in())
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd -t insists on it
    status, output, errors = commands.attempt("sshd", "-t")
    if status != 0:
        if before is None:
            files.remove(paths.SSHD_DROP_IN)
        else:
            files.replace(paths.SSHD_DROP_IN, before)
        said = (errors or output).strip()[-400:]
        raise NodeError("sshd_refused", f"sshd refuses the configuration, so it was taken back: {said}")
    return changed


def reload() -> None:
    """Let sshd read its configuration and certificate again. Open sessions go on; new ones wait for a moment."""
    if systemd.is_running():
        commands.run("systemctl", "reload", unit())
        return
    try:
        os.kill(int(PID_FILE.read_text()), signal.SIGHUP)
    except (OSError, ValueError):
        message = f"sshd does not run, or {PID_FILE} is wrong. Start it, then try again."
        raise NodeError("sshd_not_running", message, retryable=True) from None


def restart() -> None:
    """Start sshd anew, under systemd. Open sessions go on here too: they are no part of the unit's life."""
    commands.run("systemctl", "restart", unit())


def unit() -> str:
    """The unit of systemd that runs sshd."""
    for name in UNITS:
        if commands.attempt("systemctl", "is-active", "--quiet", name)[0] == 0:
            return name
    message = "Neither ssh.service nor sshd.service is active. Start OpenSSH's server, then try again."
    raise NodeError("sshd_not_running", message, retryable=True)


def ports() -> list[int]:
    """Where sshd listens, as its configuration says."""
    _, output, _ = commands.attempt("sshd", "-T")
    found = {int(port) for port in re.findall(r"^port (\d+)$", output, re.MULTILINE)}
    return sorted(found) or [22]


def version() -> str:
    """The version of OpenSSH, like "OpenSSH_9.2p1"."""
    _, output, errors = commands.attempt("sshd", "-V")
    match = re.search(r"OpenSSH_[\w.]+", output + errors)
    return match.group(0) if match else "unknown"


def _reads_drop_ins() -> bool:
    try:
        text = paths.SSHD_CONFIG.read_text()
    except FileNotFoundError:
        raise NodeError(
            "sshd_missing", f"{paths.SSHD_CONFIG} is missing. Install openssh-server, then enrol again."
        ) from None
    wanted = re.compile(r"^\s*include\s+\"?/etc/ssh/sshd_config\.d/\*(\.conf)?\"?\s*$", re.IGNORECASE | re.MULTILINE)
    return bool(wanted.search(text))
