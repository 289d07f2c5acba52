"""Control groups for a node, nested under the ones this process lives in.

A node's systemd can only enforce a limit in a group it may write. On a machine with version 1 hierarchies each
controller has its own tree, so the node gets one group in each of them; on a machine run by systemd, the machine's
own systemd makes a delegated scope instead and nothing of this is needed.
"""

import contextlib
import os
import signal
import time
from pathlib import Path

_SKIPPED = {"net_cls", "net_prio", "perf_event", "hugetlb", "rdma", "misc"}


def machine_runs_systemd() -> bool:
    """True when this machine's own PID 1 is systemd, which then makes the node's groups itself."""
    return Path("/run/systemd/system").is_dir()


def has_version_1() -> bool:
    """True when the controllers that limit a node are mounted as version 1 hierarchies."""
    return {"cpu", "memory", "pids", "devices"} <= {name for names, _ in _own_groups() for name in names}


def controller_mounts() -> list[str]:
    """Directory names under /sys/fs/cgroup of the version 1 hierarchies a node is given."""
    return sorted({mount.name for mount in _mounts().values() if mount.parent == Path("/sys/fs/cgroup")} - {"unified"})


def create(name: str) -> list[Path]:
    """Make the node's group in every hierarchy; returns them. Making them again is harmless."""
    made = planned(name)
    for controllers, own in _own_groups():
        for group in (own / "sublet", own / "sublet" / name):
            group.mkdir(exist_ok=True)
            if "cpuset" in controllers:
                for setting in ("cpuset.cpus", "cpuset.mems"):
                    (group / setting).write_text((own / setting).read_text())
    return made


def planned(name: str) -> list[Path]:
    """The groups that `create` makes, known before anything is made."""
    return [own / "sublet" / name for _, own in _own_groups()]


def remove(groups: list[Path], *, deadline_seconds: float = 10) -> None:
    """Kill whatever still runs in these groups and remove them, with everything beneath."""
    deadline = time.monotonic() + deadline_seconds
    while True:
        alive = [pid for group in groups for pid in _processes(group)]
        for pid in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not alive:
            for group in groups:
                _remove_tree(group)
            if not any(group.exists() for group in groups):
                break
        if time.monotonic() > deadline:
            left = [str(group) for group in groups if group.exists()]
            raise TimeoutError(f"these control groups could not be removed: {', '.join(left)}")
        time.sleep(0.02)
    for group in groups:
        with contextlib.suppress(OSError):
            group.parent.rmdir()  # shared by all nodes: goes with the last one


def _processes(group: Path) -> list[int]:
    found: list[int] = []
    for folder, _, _ in os.walk(group):
        with contextlib.suppress(OSError):
            found += [int(line) for line in (Path(folder) / "cgroup.procs").read_text().split()]
    return [pid for pid in found if pid > 0]


def _remove_tree(group: Path) -> None:
    for folder, _, _ in os.walk(group, topdown=False):
        with contextlib.suppress(OSError):
            Path(folder).rmdir()


def _mounts() -> dict[str, Path]:
    """Controller name (or "name=systemd", or "" for version 2) → where its hierarchy is mounted."""
    found: dict[str, Path] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        where = Path(before.split(" ")[4])
        if kind == "cgroup2":
            found.setdefault("", where)
        elif kind == "cgroup":
            for option in options.split(" ")[-1].split(","):
                found.setdefault(option, where)
    return found


def _own_groups() -> list[tuple[set[str], Path]]:
    """This process's own group in each hierarchy, with the controllers that hierarchy carries."""
    mounts, found = _mounts(), []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        controllers = set(names.split(","))
        mount = next((mounts[name] for name in controllers if name in mounts), None)
        if mount is None or controllers & _SKIPPED:
            continue
        own = mount / path.lstrip("/")
        if own.is_dir():
            found.append((controllers, own))
    return found
