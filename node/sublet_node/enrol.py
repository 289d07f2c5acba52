"""enrol: make this machine a node of a control plane. Each step can be repeated; sshd is touched last."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import socket
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import (
    HELPER_VERSION,
    boot,
    commands,
    confinement,
    earlier,
    enrolment,
    files,
    firewall,
    gpus,
    logins,
    maxima,
    moment,
    network,
    paths,
    router,
    rules,
    sshd,
    surroundings,
    systemd,
    trial,
    trust,
    upgrade,
)
from .disk import homes
from .errors import NodeError
from .probe import probe
from .store import Store

_TIMEOUT_SECONDS = 30
_NETWORKS = ("100.96.0.0/16", "10.213.0.0/16", "172.29.0.0/16")
_ANSWERED = {"node_id", "name", "user_ca_public_keys", "revoked_keys_base64", "host_certificate"}
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


def enrol(url: str, token: str, deny: list[str], allow: list[str], say: Say, *, io_mib: int | None = None) -> None:
    """Enrol or enrol again. Until the control plane has answered, nothing changes how people log in here."""
    _refuse_what_cannot_work()
    known = enrolment.read()
    # What was closed stays closed unless other addresses are named; at least the control plane itself is.
    deny = deny or (known.deny if known else []) or [_address_of(url)]
    allow = allow or (known.allow if known else [])
    asked = rules.Wanted(tuple(rules.resolve(deny)), tuple(rules.resolve(allow)), _network(known))
    _make_folders()
    _make_control_user()
    say(f"made the account {sshd.CONTROL_USER} and its one command")
    too_low = maxima.install()
    if too_low:
        say(f"WARNING: this kernel keeps its maxima, which all allocations share: {', '.join(too_low)}.")
    answer = _join(url, token)
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
    files.replace(paths.PRINCIPALS / sshd.CONTROL_USER, sshd.control_principals())
    sshd.install()
    _install_unit()
    boot.boot(Store())
    earlier.clear()
    sshd.reload()
    say("sshd now knows the control plane's certificates and shows its own")


def _address_of(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise NodeError("url_wrong", f"{url} is not an http or https address. Copy it from the join command.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def _refuse_what_cannot_work() -> None:
    if os.geteuid() != 0:
        raise NodeError("not_root", "Enrolment changes sshd and accounts. Run it as root.")
    if sys.version_info < (3, 9):
        raise NodeError("python_too_old", "Python 3.9 or newer is needed. Install a newer python3.")
    wanted = {"sshd": "openssh-server", "useradd": "passwd", "find": "findutils", "ipcrm": "util-linux"}
    if systemd.is_running():
        wanted["sudo"] = "sudo"
    for program, package in wanted.items():
        if not commands.installed(program):
            raise NodeError("program_missing", f"The program {program} is missing. Install the package {package}.")
    confinement.module()
    trust.host_public_key()


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
            *("--password", "*", "--comment", "Sublet control plane", sshd.CONTROL_USER),
        )
    if systemd.is_running():
        rule = f"Defaults:{sshd.CONTROL_USER} !requiretty, !lecture\n"
        rule += f"{sshd.CONTROL_USER} ALL=(root) NOPASSWD: {paths.HELPER} rpc\n"
        files.replace(paths.SUDOERS, rule.encode(), mode=0o440)
        # The control plane needs no systemd of its own on the node; starting one would delay every connection.
        for mask in confinement.masks(logins.passwd_entries()[sshd.CONTROL_USER]):
            if not mask.is_symlink():
                mask.symlink_to("/dev/null")


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


def _join(url: str, token: str) -> dict[str, Any]:
    _address_of(url)
    inventory = probe()
    gpus.keep_only([gpu["uuid"] for gpu in inventory["gpus"]])
    body = {
        "join_token": token,
        "host_public_key": trust.host_public_key(),
        "inventory": inventory,
        "helper_version": HELPER_VERSION,
    }
    request = urllib.request.Request(  # noqa: S310  (the scheme is checked by _address_of)
        f"{url.rstrip('/')}/api/v1/nodes/enrol",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "User-Agent": f"sublet-node/{HELPER_VERSION}"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310  (as above)
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        raise NodeError("join_refused", _explain(url, error)) from error
    except (OSError, ValueError) as error:
        raise NodeError(
            "control_plane_unreachable",
            f"{url} cannot be reached from this node: {error}. Check the address and the firewall between, "
            "then enrol again.",
            retryable=True,
        ) from error
    missing = _ANSWERED - set(answer)
    if missing:
        raise NodeError(
            "join_answer_wrong", f"{url} answered without {', '.join(sorted(missing))}. Is it a Sublet server?"
        )
    return dict(answer)


def _explain(url: str, error: urllib.error.HTTPError) -> str:
    try:
        problem = json.load(error)
        said = f"{problem.get('title', '')} {problem.get('detail', '')}".strip()
    except (ValueError, AttributeError):
        said = ""
    hint = (
        "Make a new join token for the node and run its command."
        if error.code in (401, 403, 404, 409, 410, 422)
        else ""
    )
    return f"{url} refused the node ({error.code}): {(said or error.reason).rstrip('.')}. {hint}".strip()


def _install_unit() -> None:
    if systemd.is_running():
        files.replace(paths.UNIT, _UNIT.encode())
        commands.run("systemctl", "enable", "--quiet", paths.UNIT.name)


def unenrol(say: Say, *, force: bool) -> None:
    """Give the machine back as it was; refuses while allocations are on it, unless forced."""
    store = Store()
    present = [record.login for record in store.all() if not record.released] if paths.ALLOCATIONS.is_dir() else []
    if present and not force:
        names = ", ".join(present[:5])
        message = f"{len(present)} allocation(s) are still here: {names}. Release them first, or use --force."
        raise NodeError("allocations_present", message)
    files.remove(paths.SSHD_DROP_IN)
    sshd.reload()
    say("sshd is as it was")
    confinement.uninstall()
    maxima.uninstall()
    network.cut_all()
    firewall.uninstall()
    router.uninstall()
    if systemd.is_running() and paths.UNIT.exists():
        commands.attempt("systemctl", "disable", "--quiet", paths.UNIT.name)
        files.remove(paths.UNIT)
    files.remove(paths.SUDOERS)
    uid = logins.passwd_entries().get(sshd.CONTROL_USER)
    if uid is not None:
        for mask in confinement.masks(uid):
            files.remove(mask)
        commands.run("userdel", *(("--force",) if uid == 0 else ()), sshd.CONTROL_USER, ok=(0, 6, 8, 12))
    homes.unenrol()
    for folder in (paths.CONFIG, paths.STATE, paths.RUN):
        shutil.rmtree(folder, ignore_errors=True)
    files.remove(paths.HELPER)
    say(f"{socket.gethostname()} is no longer a node")
