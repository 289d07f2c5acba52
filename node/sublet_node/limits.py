"""Limits of an allocation: asked of systemd, then read back from the kernel's own files.

`systemctl set-property` can succeed, and show the limits, while no control group exists. So what was asked for counts
for nothing here: only the kernel's files do.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

from . import cgroups, commands, devices, files, io, memory, paths, systemd
from .gpus import Gpu
from .request import Limits

_READ_BACK_SECONDS = 2.0
_STAYS = "50-sublet.conf"
_BUFFERS_SHARE, _LEAST_BUFFERS = 16, 4 << 20


def ensure(uid: int, limits: Limits, granted: list[Gpu]) -> None:
    """Set the slice's properties, which persist over a reboot, and start it. Nothing to do without systemd."""
    if systemd.is_running():
        memory.note(uid)
        put_in_force(systemd.slice_name(uid), limits, devices.paths_of(granted))
        memory.note(uid)


def put_in_force(name: str, limits: Limits, device_paths: list[str]) -> None:
    """Set all properties in one call, and see to it that the kernel's groups exist.

    systemd stops a login's slice when its last session ends, and makes some groups only when something runs in it.
    So the slice is told to stay, and where groups are missing something runs in it, once.
    """
    files.replace(paths.UNITS / f"{name}.d" / _STAYS, b"[Unit]\nStopWhenUnneeded=no\n")
    commands.run(
        *("systemctl", "set-property", name),
        f"CPUQuota={limits.cpu_percent}%",
        f"MemoryMax={limits.memory_mib}M",
        "MemorySwapMax=0",
        f"TasksMax={limits.tasks_max}",
        "CPUAccounting=yes",
        "DevicePolicy=closed",
        "DeviceAllow=",
        *(f"DeviceAllow={path} rw" for path in device_paths),
        *io.properties(),
    )
    commands.run("systemctl", "start", name)
    _put_besides(name, limits)
    if not in_force(name, limits):
        commands.run("systemd-run", "--quiet", "--scope", f"--slice={name}", "true")
    deadline = time.monotonic() + _READ_BACK_SECONDS
    while not in_force(name, limits) and time.monotonic() < deadline:
        time.sleep(0.005)  # systemd works from a queue, just after it answers
        _put_besides(name, limits)


def _put_besides(name: str, limits: Limits) -> None:
    """What systemd does not put in force."""
    cgroups.limit_buffers(name, buffers(limits))
    io.put_in_force(name)


def buffers(limits: Limits) -> int:
    """How many bytes of network buffers an allocation may have where they count apart, beside its memory.

    The kernel has about a tenth of all memory for those of everybody together. It counts all, and refuses more; but to
    each end of a connection it gives about 64 KiB whatever the limit says.
    """
    return max(_LEAST_BUFFERS, (limits.memory_mib << 20) // _BUFFERS_SHARE)


def start(known: dict[int, Limits]) -> None:
    """Have the slices of these logins there before anybody is in them, as far as each can be."""
    if systemd.is_running() and known:
        commands.attempt("systemctl", "start", *map(systemd.slice_name, known))
        for uid, limits in known.items():
            _put_besides(systemd.slice_name(uid), limits)


def in_force(name: str, limits: Limits) -> bool:
    """True when the kernel's own files show every limit of the slice, and rules for its devices."""
    devices_ruled = cgroups.is_version_2() or cgroups.allowed_devices(name) is not None
    besides = io.is_in_force(name) or not io.can_be()
    return devices_ruled and besides and all(matches(name, limits).values())


def enforced(uid: int, limits: Limits, granted: list[Gpu], foreign: list[Gpu]) -> list[dict[str, Any]]:
    """What the kernel enforces now, one entry for each limit but that of the disk."""
    name = systemd.slice_name(uid)
    cpu, memory, tasks = cgroups.cpu_percent(name), cgroups.memory_bytes(name), cgroups.tasks(name)
    found = matches(name, limits)
    cards_closed, cards_detail = devices.closed(name, granted, foreign)
    shown = "" if memory is None else f"{memory >> 20} MiB"
    if memory is not None and not cgroups.is_version_2():
        shown += f", and {(cgroups.buffer_bytes(name) or 0) >> 20} MiB of network buffers (more for many connections)"
    return [
        _entry("cpu", f"{limits.cpu_percent}%", None if cpu is None else f"{cpu:g}%", found["cpu"]),
        _entry("memory", f"{limits.memory_mib} MiB", shown or None, found["memory"]),
        _entry("tasks", str(limits.tasks_max), None if tasks is None else str(tasks), found["tasks"]),
        {
            "limit": "devices",
            "requested": ", ".join(gpu.uuid for gpu in granted) or "no GPU",
            "value": ", ".join(gpu.device for gpu in granted) or "none",
            "enforced": cards_closed,
            "detail": cards_detail,
        },
        *io.enforced(name),
    ]


def _entry(limit: str, requested: str, value: str | None, shown: bool) -> dict[str, Any]:
    if shown:
        detail = "Read back from the kernel's control group."
    elif not systemd.is_running():
        detail = "This node has no systemd of its own, so nothing is limited."
    else:
        detail = "The kernel's control group does not show it."
    return {"limit": limit, "requested": requested, "value": value, "enforced": shown, "detail": detail}


def matches(name: str, limits: Limits) -> dict[str, bool]:
    """Which limits of a slice the kernel's files show as asked for."""
    cpu, memory, tasks = cgroups.cpu_percent(name), cgroups.memory_bytes(name), cgroups.tasks(name)
    return {
        "cpu": cpu is not None and abs(cpu - limits.cpu_percent) <= max(1.0, limits.cpu_percent * 0.01),
        "memory": memory is not None and memory == limits.memory_mib << 20 and _buffers_end(name, limits),
        "tasks": tasks == limits.tasks_max,
    }


def _buffers_end(name: str, limits: Limits) -> bool:
    """Whether network buffers have a limit, too: where they count apart and have none, memory is not limited."""
    return cgroups.is_version_2() or cgroups.buffer_bytes(name) == buffers(limits)


def release(uid: int) -> None:
    """Stop the slice and take its properties away."""
    if systemd.is_running():
        stop_slice(systemd.slice_name(uid))
    remove_properties(systemd.slice_name(uid))


def stop_slice(name: str) -> None:
    """Stop a slice and remove its groups; systemd leaves empty ones to a queue, which may take its time."""
    commands.run("systemctl", "stop", name)
    for group in cgroups.existing(name):
        cgroups.remove_empty(group)


def remove_properties(name: str) -> None:
    """Remove what `set_properties` stored. (`systemctl revert` does the same and reloads all units for it.)"""
    for folder in property_folders(name):
        if folder.exists():
            shutil.rmtree(folder)


def property_folders(slice_name: str) -> list[Path]:
    """Where systemd keeps properties of a slice: they persist by uid, so they must go."""
    name = f"{slice_name}.d"
    return [paths.SLICE_PROPERTIES / name, paths.UNITS / name, Path("/run/systemd/system.control") / name]


def traces(uid: int) -> list[str]:
    """What is left of the slice."""
    name = systemd.slice_name(uid)
    found = [str(folder) for folder in property_folders(name) if os.path.lexists(folder)]
    if os.path.isdir("/sys/fs/cgroup"):
        found += [str(group) for group in cgroups.existing(name)]
    if systemd.is_running():
        state = commands.run("systemctl", "show", "--property=ActiveState", "--value", name).strip()
        if state != "inactive":
            found.append(f"{name} is {state or 'in an unknown state'}")
    return found
