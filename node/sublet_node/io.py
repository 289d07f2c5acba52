"""How much a login may read from and write to the disk of the homes in a second, where the node's owner said so.

With version 1 control groups the kernel knows only of direct writes whose they are: others go to memory, and are
written by the kernel itself.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from . import cgroups, enrolment, paths, systemd

_DEVICES = Path("/sys/dev/block")
_FILES = ("blkio.throttle.read_bps_device", "blkio.throttle.write_bps_device")
_BUFFERED = "What is written without `O_DIRECT` is not limited with version 1 control groups."
_NOT_ASKED = "No limit was asked for. Enrol again with `--io-mib`."


def wanted_mib() -> int:
    """MiB a second; 0 when there is no limit."""
    known = enrolment.read()
    return known.io_mib if known else 0


def properties() -> list[str]:
    """What systemd is told, so that the slice has a group in which the kernel can limit it."""
    return ["IOAccounting=yes"] if wanted_mib() else []


def can_be() -> bool:
    """Whether there is a limit to put in force, a disk and a kernel that limits it."""
    if cgroups.is_version_2():
        limits = "io" in (cgroups.ROOT / "cgroup.controllers").read_text().split()
    else:
        limits = (cgroups.ROOT / "blkio").is_dir()
    return bool(wanted_mib()) and limits and _disk() is not None


def put_in_force(slice_name: str) -> None:
    """Limit a slice, or take its limit away. systemd could not: it asks for a device file, which containers lack."""
    device, most = _disk(), wanted_mib() << 20
    if device is None:
        return
    with contextlib.suppress(OSError):  # no such group, which `is_in_force` finds out
        if cgroups.is_version_2():
            most_text = str(most) if most else "max"
            (_group(slice_name) / "io.max").write_text(f"{device} rbps={most_text} wbps={most_text}")
        else:
            for name in _FILES:
                (_group(slice_name) / name).write_text(f"{device} {most}")


def is_in_force(slice_name: str) -> bool:
    """Whether the kernel's own files show the limit."""
    device, most = _disk(), wanted_mib() << 20
    if device is None or not most:
        return False
    with contextlib.suppress(OSError):
        if cgroups.is_version_2():
            lines = (_group(slice_name) / "io.max").read_text().splitlines()
            shown = [set(line.split()[1:]) for line in lines if line.split()[0] == device]
            return bool(shown) and {f"rbps={most}", f"wbps={most}"} <= shown[0]
        files = [(_group(slice_name) / name).read_text().splitlines() for name in _FILES]
        return all(f"{device} {most}" in lines for lines in files)
    return False


def enforced(slice_name: str) -> list[dict[str, Any]]:
    """One entry, as of any other limit; none when no limit was asked for."""
    most = wanted_mib()
    if not most:
        return []
    shown = is_in_force(slice_name)
    detail = "Read back from the kernel's control group." if shown else _why_not()
    if shown and not cgroups.is_version_2():
        detail += f" {_BUFFERED}"
    value = f"{most} MiB/s" if shown else None
    return [{"limit": "io", "requested": f"{most} MiB/s", "value": value, "enforced": shown, "detail": detail}]


def capabilities(slice_name: str) -> list[tuple[str, bool, str]]:
    """Name, whether it holds and why, found out on a slice that `put_in_force` has limited."""
    shown = is_in_force(slice_name)
    detail = f"Tried on {slice_name}: the kernel's own files show {wanted_mib()} MiB/s." if shown else _why_not()
    buffered = detail if not shown or cgroups.is_version_2() else _BUFFERED
    return [("io", shown, detail), ("buffered_writes", shown and cgroups.is_version_2(), buffered)]


def _why_not() -> str:
    if not wanted_mib():
        return _NOT_ASKED
    if not systemd.is_running():
        return "The node has no systemd of its own, so the kernel is asked for no limits."
    return "The homes are on no disk that the kernel limits." if _disk() is None else "The kernel does not show it."


def _group(slice_name: str) -> Path:
    return cgroups.group("blkio", slice_name)


def _disk() -> str | None:
    """The number, like "8:0", of the whole disk on which the homes are; None when it is none, or more than one."""
    status = os.stat(paths.HOMES)
    number = f"{os.major(status.st_dev)}:{os.minor(status.st_dev)}"
    if not (_DEVICES / number).exists():  # btrfs has numbers of its own
        source = _source()
        try:
            number = Path("/sys/class/block", os.path.basename(source), "dev").read_text().strip()
        except OSError:
            return None
    place = (_DEVICES / number).resolve()
    return (place.parent / "dev").read_text().strip() if (place / "partition").exists() else number


def _source() -> str:
    """What is mounted where the homes are."""
    found = ""
    longest = -1
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as stream:
        for line in stream:
            before, _, after = line.partition(" - ")
            where = before.split(" ")[4]
            inside = os.path.commonpath((where, str(paths.HOMES))) == where
            if inside and len(where) >= longest:
                found, longest = after.split(" ")[1], len(where)
    return found
