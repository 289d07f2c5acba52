"""What this node can truly enforce, found out by trying it once after each boot."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

from . import (
    HELPER_VERSION,
    cgroups,
    confinement,
    connections,
    devices,
    enrolment,
    files,
    firewall,
    gpus,
    io,
    journal,
    limits,
    moment,
    network,
    paths,
    ports,
    rate,
    rules,
    sshd,
    surroundings,
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
_CLOSED = "No way leads into or out of an allocation's network on this node: that takes nftables and systemd."
_TRIAL = Limits(cpu_percent=50, memory_mib=64, tasks_max=32, disk_gib=0)


def read(available: list[gpus.Gpu]) -> list[dict[str, Any]]:
    """Every capability. A trial that went well is kept until the next boot; the rest is looked at each time."""
    return [
        *_trial(available),
        _entry("disk_quota", *homes.capability()),
        _entry("hidepid", *_confined("/proc shows a login its own processes only")),
        _entry("private_tmp", *_confined("every login has a /tmp and a /var/tmp of its own")),
        _entry("network_deny", *_network()),
        *_own_network(),
        _entry("network_buffers", *_network_buffers()),
        _entry("own_log", *journal.capability()),
        _entry("ssh_startups", *_startups()),
    ]


def _trial(available: list[gpus.Gpu]) -> list[dict[str, Any]]:
    about = [moment.boot_id(), HELPER_VERSION, io.wanted_mib(), *(gpu.device for gpu in available)]
    # One at a time: the slice of the trial has one name, and whoever ends first takes it away.
    with Store().locked(_LOCK):
        with contextlib.suppress(FileNotFoundError, ValueError, KeyError):
            kept = json.loads(_CACHE.read_bytes())
            if kept["about"] == about:
                return list(kept["capabilities"])
        found = _try_limits(available)
        not_to_be_had = {"buffered_writes", *(() if io.can_be() else ("io",))}
        if all(entry["enforced"] for entry in found if entry["name"] not in not_to_be_had):
            files.replace(_CACHE, json.dumps({"about": about, "capabilities": found}).encode(), mode=0o600)
        return found


def _try_limits(available: list[gpus.Gpu]) -> list[dict[str, Any]]:
    if not systemd.is_running():
        detail = "The node has no systemd of its own, so the kernel is asked for no limits."
        limited = [_entry(name, False, detail) for name in ("cpu", "memory", "tasks", "devices")]
        return [*limited, *(_entry(*one) for one in io.capabilities(_SLICE))]
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
            *(_entry(*one) for one in io.capabilities(_SLICE)),
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


def _own_network() -> list[dict[str, Any]]:
    """What depends on it too: ports of the node that lead into it, and a limit on its link."""
    names = ("own_network", "published_ports", "network_rate")
    known = enrolment.read()
    if known is None or not known.network:
        return [_entry(name, False, trial.why_without()) for name in names]
    try:
        with trial.network(known.network) as inside:
            own = _entry("own_network", *trial.measure(inside))
            if known.network == network.CLOSED:
                return [own, *(_entry(name, False, _CLOSED) for name in names[1:])]
            link = network.Link(trial.NUMBER, known.network, surroundings.has_version_6())
            connections.of([link.address])  # without that no release of one would be proven
            return [
                own,
                _tried("published_ports", lambda: ports.measure(inside, link)),
                _tried("network_rate", lambda: rate.measure(inside, trial.UID)),
            ]
    except NodeError as error:
        return [_entry(name, False, error.message) for name in names]


def _tried(name: str, measure: Callable[[], tuple[bool, str]]) -> dict[str, Any]:
    try:
        return _entry(name, *measure())
    except NodeError as error:
        return _entry(name, False, error.message)


def _network_buffers() -> tuple[bool, str]:
    if not systemd.is_running():
        return False, "The node has no systemd of its own, so the kernel is asked for no limits."
    if cgroups.is_version_2():
        return True, "They count with all other memory of an allocation."
    return False, (
        "With version 1 control groups they count apart: what an allocation may have of them has a limit, beyond which "
        "each end of a connection still gets about 64 KiB. With the unified hierarchy they count with all other memory."
    )


def _startups() -> tuple[bool, str]:
    if not sshd.counts_sources():
        return False, "OpenSSH before 8.5 counts all who begin together, so one address can keep everybody else out."
    most = sshd.startups()
    if most is None or most > sshd.MOST_STARTUPS:
        return (
            False,
            "sshd's configuration lets one address keep everybody else out. Look for PerSourceMaxStartups in it.",
        )
    return True, f"At most {most} who have not logged in yet come from one address."


def _entry(name: str, enforced: bool, detail: str) -> dict[str, Any]:
    return {"name": name, "enforced": enforced, "detail": detail}
