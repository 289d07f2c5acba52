"""What this node can truly enforce, found out by trying it once after each boot."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from . import (
    HELPER_VERSION,
    cgroups,
    confinement,
    devices,
    enrolment,
    files,
    firewall,
    gpus,
    limits,
    moment,
    paths,
    rules,
    systemd,
    trial,
)
from .disk import homes
from .errors import NodeError
from .request import Limits
from .store import Store

_CACHE = paths.RUN / "capabilities.json"
_LOCK = "capabilities"
_SLICE = "subletprobe.slice"  # a dash would nest it in another slice
_TRIAL = Limits(cpu_percent=50, memory_mib=64, tasks_max=32, disk_gib=0)


def read(available: list[gpus.Gpu]) -> list[dict[str, Any]]:
    """Every capability. A trial that went well is kept until the next boot; the rest is looked at each time."""
    return [
        *_trial(available),
        _entry("disk_quota", *homes.capability()),
        _entry("hidepid", *_confined("/proc shows a login its own processes only")),
        _entry("private_tmp", *_confined("every login has a /tmp and a /var/tmp of its own")),
        _entry("network_deny", *_network()),
        _entry("own_network", *_own_network()),
    ]


def _trial(available: list[gpus.Gpu]) -> list[dict[str, Any]]:
    about = [moment.boot_id(), HELPER_VERSION, *(gpu.device for gpu in available)]
    # One at a time: the slice of the trial has one name, and whoever ends first takes it away.
    with Store().locked(_LOCK):
        with contextlib.suppress(FileNotFoundError, ValueError, KeyError):
            kept = json.loads(_CACHE.read_bytes())
            if kept["about"] == about:
                return list(kept["capabilities"])
        found = _try_limits(available)
        if all(entry["enforced"] for entry in found):
            files.replace(_CACHE, json.dumps({"about": about, "capabilities": found}).encode(), mode=0o600)
        return found


def _try_limits(available: list[gpus.Gpu]) -> list[dict[str, Any]]:
    if not systemd.is_running():
        detail = "The node has no systemd of its own, so the kernel is asked for no limits."
        return [_entry(name, False, detail) for name in ("cpu", "memory", "tasks", "devices")]
    try:
        limits.put_in_force(_SLICE, _TRIAL, [])
        matches = limits.matches(_SLICE, _TRIAL)
        shut, detail = devices.closed(_SLICE, [], available)
        return [
            *(
                _entry(name, matches[name], f"Tried on {_SLICE}: the kernel's own file shows {_shown(name)}.")
                for name in ("cpu", "memory", "tasks")
            ),
            _entry("devices", shut, detail),
        ]
    finally:
        limits.stop_slice(_SLICE)
        limits.remove_properties(_SLICE)


def _shown(name: str) -> str:
    if name == "cpu":
        percent = cgroups.cpu_percent(_SLICE)
        return "no limit" if percent is None else f"{percent:g}%"
    value = cgroups.memory_bytes(_SLICE) if name == "memory" else cgroups.tasks(_SLICE)
    return "no limit" if value is None else f"{value} bytes" if name == "memory" else str(value)


def _confined(promise: str) -> tuple[bool, str]:
    if confinement.in_place():
        return True, f"Set up for every session: {promise}."
    return False, ("What sublet-node set up for sessions is missing, or is from an earlier version. Run enrol again.")


def _network() -> tuple[bool, str]:
    known = enrolment.read()
    try:
        return firewall.measure(rules.wanted(known))
    except NodeError as error:
        return False, error.message


def _own_network() -> tuple[bool, str]:
    known = enrolment.read()
    if known is None or not known.network:
        return False, trial.why_without()
    try:
        with trial.network(known.network) as inside:
            return trial.measure(inside)
    except NodeError as error:
        return False, error.message


def _entry(name: str, enforced: bool, detail: str) -> dict[str, Any]:
    return {"name": name, "enforced": enforced, "detail": detail}
