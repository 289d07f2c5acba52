"""probe: what the node is, has, and can enforce."""

from __future__ import annotations

import os
import platform
import socket
from pathlib import Path
from typing import Any

from . import HELPER_VERSION, capabilities, doors, gpus, moment, space, sshd, systemd
from .errors import NodeError

_LIMITS = {"cpu", "memory", "tasks", "devices"}


def probe(*, helper_sha256: str = "") -> dict[str, Any]:
    """Inventory and capabilities. `time` is the node's clock, for the control plane to compare with its own.

    `helper_sha256` is the digest of the helper that answers; null where it does not serve the protocol yet.
    """
    available = gpus.inventory()
    found = capabilities.read(available)
    return {
        "vcpu": len(os.sched_getaffinity(0)),
        "memory_mib": _memory_mib(),
        "disk_gib": space.free()["disk_free_gib"],
        "kernel": platform.release(),
        "os": _os_name(),
        "hostname": socket.gethostname(),
        "helper_version": HELPER_VERSION,
        "helper_sha256": helper_sha256 or None,
        "python": platform.python_version(),
        "openssh": sshd.version(),
        "time": moment.now(),
        "boot_id": moment.boot_id(),
        "doors": doors.fingerprint(),
        "own_principal": sshd.has_own_principal(),
        "gpus": [dict(vars(gpu)) for gpu in available],
        "capabilities": found,
        "limits_enforced": all(entry["enforced"] for entry in found if entry["name"] in _LIMITS),
        "mode": systemd.mode(),
    }


def _memory_mib() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) >> 10
    message = "/proc/meminfo does not say how much memory there is."
    raise NodeError("listing_failed", message, retryable=True)


def _os_name() -> str:
    try:
        for line in Path("/etc/os-release").read_text().splitlines():
            if line.startswith("PRETTY_NAME="):
                return line.partition("=")[2].strip().strip('"')
    except FileNotFoundError:
        pass
    return platform.system()
