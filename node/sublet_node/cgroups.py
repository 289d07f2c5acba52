"""What the kernel itself says about a slice: its own files, in version 1 and version 2 hierarchies."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
UNLIMITED = 1 << 60


def is_version_2() -> bool:
    """True on a node with the unified hierarchy."""
    return (ROOT / "cgroup.controllers").exists()


def hierarchies() -> list[Path]:
    """Where each hierarchy is mounted, and links to them; none without control groups."""
    if is_version_2():
        return [ROOT]
    return [entry for entry in ROOT.iterdir() if entry.is_dir()] if ROOT.is_dir() else []


def group(controller: str, slice_name: str) -> Path:
    """Where a slice's files for a controller are, whether or not they exist."""
    parent = Path(slice_name) if not slice_name.startswith("user-") else Path("user.slice") / slice_name
    return ROOT / parent if is_version_2() else ROOT / controller / parent


def existing(slice_name: str) -> list[Path]:
    """Every group of that slice which exists in any hierarchy."""
    roots = [ROOT] if is_version_2() else [entry for entry in ROOT.iterdir() if entry.is_dir()]
    parent = Path(slice_name) if not slice_name.startswith("user-") else Path("user.slice") / slice_name
    return [root / parent for root in roots if (root / parent).is_dir()]


def cpu_percent(slice_name: str) -> float | None:
    """The enforced processor share, 100 for each processor; None when the kernel enforces none."""
    folder = group("cpu", slice_name)
    if is_version_2():
        quota, _, period = (_read(folder / "cpu.max") or "max 100000").partition(" ")
        return None if quota == "max" else int(quota) * 100 / int(period)
    quota = _read(folder / "cpu.cfs_quota_us") or "-1"
    period = _read(folder / "cpu.cfs_period_us") or "100000"
    return None if int(quota) < 0 else int(quota) * 100 / int(period)


def memory_bytes(slice_name: str) -> int | None:
    """The enforced memory limit; None when the kernel enforces none."""
    name = "memory.max" if is_version_2() else "memory.limit_in_bytes"
    return _limit(_read(group("memory", slice_name) / name))


def buffer_bytes(slice_name: str) -> int | None:
    """The enforced limit of network buffers where they count apart from other memory; None when there is none.

    In a version 2 hierarchy they count with all other memory.
    """
    return _limit(_read(_buffers(slice_name)))


def limit_buffers(slice_name: str, most_bytes: int) -> None:
    """Set it. Nothing where there is no such group, and where they count with all other memory."""
    with contextlib.suppress(OSError):
        if not is_version_2():
            _buffers(slice_name).write_text(str(most_bytes))


def _buffers(slice_name: str) -> Path:
    return group("memory", slice_name) / "memory.kmem.tcp.limit_in_bytes"


def tasks(slice_name: str) -> int | None:
    """The enforced number of tasks; None when the kernel enforces none."""
    return _limit(_read(group("pids", slice_name) / "pids.max"))


def stop_forks(slice_name: str) -> None:
    """Let nothing in the slice make a new process, so that a fork bomb can be killed."""
    try:
        (group("pids", slice_name) / "pids.max").write_text("0")
    except OSError:
        return  # no such group: nothing runs in it


def allowed_devices(slice_name: str) -> list[str] | None:
    """The device rules of a version 1 hierarchy, like "c 10:229 rw"; None when the kernel has no such list."""
    text = _read(group("devices", slice_name) / "devices.list")
    return None if text is None or is_version_2() else text.splitlines()


def cpu_seconds(slice_name: str) -> float | None:
    """Processor time used since the slice was made; None without a group."""
    used = None if is_version_2() else _read(group("cpuacct", slice_name) / "cpuacct.usage")
    if used is not None:
        return int(used) / 1e9
    # Also beside version 1 hierarchies: systemd keeps a version 2 tree there, and each of its groups counts time.
    for line in (_read(group("cpu" if is_version_2() else "unified", slice_name) / "cpu.stat") or "").splitlines():
        if line.startswith("usage_usec "):
            return int(line.split()[1]) / 1e6
    return None


def memory_used(slice_name: str) -> int | None:
    """Bytes in use; None without a group."""
    name = "memory.current" if is_version_2() else "memory.usage_in_bytes"
    return _limit(_read(group("memory", slice_name) / name))


def memory_of_files(slice_name: str) -> tuple[int, int]:
    """Bytes that are copies of files or lie in memory as files, and those of the latter alone; none without a group."""
    counts = {}
    for line in (_read(group("memory", slice_name) / "memory.stat") or "").splitlines():
        name, _, value = line.partition(" ")
        counts[name] = int(value)
    if is_version_2():
        return counts.get("file", 0), counts.get("shmem", 0)
    return counts.get("total_cache", 0), counts.get("total_shmem", 0)


def tasks_used(slice_name: str) -> int | None:
    """Tasks alive; None without a group."""
    return _limit(_read(group("pids", slice_name) / "pids.current"))


def process_ids(slice_name: str) -> set[int]:
    """Every process in the slice, in any hierarchy, however deep."""
    found: set[int] = set()
    for root in existing(slice_name):
        for folder, _, _ in os.walk(root):
            found.update(map(int, (_read(Path(folder) / "cgroup.procs") or "").split()))
    return found


def remove_empty(root: Path) -> None:
    """Remove a group and all beneath; the kernel itself refuses where a process is left."""
    for folder, _, _ in os.walk(root, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def _limit(text: str | None) -> int | None:
    if text is None or text == "max":
        return None
    return None if int(text) >= UNLIMITED else int(text)


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
