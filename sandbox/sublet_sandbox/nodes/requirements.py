"""What this machine needs to run nodes, what it lacks, and how to install it without starting anything."""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from . import cgroups, idmap, rootfs
from .commands import run
from .local import Availability, NodeKind

PROGRAMS = {
    "systemd": {
        "systemd-nspawn": "systemd-container",
        "mmdebstrap": "mmdebstrap",
        "mkfs.btrfs": "btrfs-progs",
        "ip": "iproute2",
        "ssh-keygen": "openssh-client",
        "nsenter": "util-linux",
    },
    "namespace": {
        "sshd": "openssh-server",
        "ssh-keygen": "openssh-client",
        "newuidmap": "uidmap",
        "newgidmap": "uidmap",
        "nsenter": "util-linux",
        "ip": "iproute2",
        "useradd": "passwd",
        "python3": "python3",
    },
}  # fmt: skip
POLICY = Path("/usr/sbin/policy-rc.d")
# A program of its own, which goes on to the end when we are killed: packages are never left half-installed, and the
# policy goes with it. What it says goes to a file, because nobody may be there any more to read it.
_INSTALL = """
policy=$1; shift
refuse='#!/bin/sh
# Sublet is installing packages: none of their services may start.
exit 101'
said=$(mktemp) || exit 1
trap 'rm -f "$said" ${ours:+"$policy"}' EXIT
trap 'exit 1' INT TERM HUP
if [ ! -e "$policy" ] || [ "$(cat "$policy")" = "$refuse" ]; then
  ours=yes
  printf '%s\\n' "$refuse" > "$policy" && chmod 755 "$policy" || exit 1
fi
export DEBIAN_FRONTEND=noninteractive
{ apt-get -qq -y update && apt-get -qq -y -o DPkg::Lock::Timeout=600 --no-install-recommends install "$@"; } \\
  > "$said" 2>&1 < /dev/null && exit 0
tail -c 600 "$said" >&2
exit 1
"""


def availability(kind: NodeKind) -> Availability:
    """Whether this machine can run nodes of a kind, and if not, why and what to do."""
    if os.uname().sysname != "Linux":
        return _no(kind, "this is not Linux", "Use a Linux machine.")
    missing = missing_packages(kind)
    if missing:
        who = "" if os.geteuid() == 0 else "As root: "
        return _no(kind, f"{', '.join(missing)} not installed", f"{who}apt-get install {' '.join(missing)}")
    return _systemd() if kind == "systemd" else _namespace()


def best() -> Availability:
    """The better kind that can run here; else why the simpler one cannot."""
    systemd = availability("systemd")
    return systemd if systemd.available else availability("namespace")


def missing_packages(kind: NodeKind) -> list[str]:
    """Packages whose programs are not on this machine."""
    path = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"
    wanted = PROGRAMS[kind]
    places = {"python3": "/usr/bin:/bin"}  # the node sees the machine's /usr, and not what lies in a home
    return sorted({wanted[name] for name in wanted if shutil.which(name, path=places.get(name, path)) is None})


async def install_requirements(say: Callable[[str], None], *, kinds: tuple[NodeKind, ...] = ("systemd",)) -> bool:
    """As root on Debian or Ubuntu, install what is missing without starting any service; True when nothing is missing.

    CommandFailed says what apt-get said.
    """
    missing = sorted({package for kind in kinds for package in missing_packages(kind)})
    if not missing:
        return True
    if not may_install():
        say(f"not installed: {', '.join(missing)} (only root on Debian or Ubuntu can have them installed here)")
        return False
    say(f"installing {', '.join(missing)}; no service of theirs is started")
    await install(missing)
    return not any(missing_packages(kind) for kind in kinds)


def may_install() -> bool:
    """Whether this user can install packages on this machine."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


async def install(packages: Sequence[str]) -> None:
    """Install Debian packages, to the end even if we are killed; CommandFailed says what apt-get said.

    A policy-rc.d that refuses every start of a service is in place meanwhile, unless the machine has one of its own.
    """
    await run("sh", "-c", _INSTALL, "sh", str(POLICY), *packages, timeout_seconds=1200)


def _systemd() -> Availability:
    kind: NodeKind = "systemd"
    if os.geteuid() != 0:
        return _no(kind, "only root can make them", "Run as root, or use a namespace node.")
    if not _has_all_capabilities():
        return _no(kind, "this root may not make mounts or networks", "Run outside an unprivileged container.")
    if not (cgroups.has_version_1() or cgroups.machine_runs_systemd()):
        return _no(
            kind,
            "a node can be given no control groups: no version 1 hierarchies, and no systemd of this machine's own",
            "Run on a machine that was booted by systemd.",
        )
    if not rootfs.apt_sources():
        return _no(kind, "no apt sources of this machine's own release", "Run on Debian or Ubuntu.")
    return Availability(kind, True)


def _namespace() -> Availability:
    kind: NodeKind = "namespace"
    if not Path("/proc/self/ns/user").exists():
        return _no(kind, "this kernel has no user namespaces", "Use another kernel.")
    tried = subprocess.run(["unshare", "--user", "--map-root-user", "true"], capture_output=True, check=False)
    if tried.returncode != 0:
        return _no(
            kind,
            f"user namespaces are switched off ({tried.stderr.decode(errors='replace').strip()})",
            "As root: sysctl kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0",
        )
    if os.geteuid() != 0 and (idmap.subordinate("/etc/subuid") is None or idmap.subordinate("/etc/subgid") is None):
        reason, _, fix = idmap.missing_ids().partition(". ")
        return _no(kind, reason, fix)
    return Availability(kind, True)


def _has_all_capabilities() -> bool:
    """CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_MKNOD: what mounts, networks and devices need."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            held = int(line.split()[1], 16)
            return all(held >> bit & 1 for bit in (21, 12, 27))
    return False


def _no(kind: NodeKind, reason: str, fix: str) -> Availability:
    return Availability(kind, False, reason, fix)
