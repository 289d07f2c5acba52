"""GPU device files: only the logins that hold a GPU may open it, by access list and by the slice's device rules."""

from __future__ import annotations

import ctypes
import os
import platform
from pathlib import Path

from . import acl, cgroups, systemd
from .errors import NodeError
from .gpus import Gpu

# A program on one GPU also opens these, when the driver has made them.
_SHARED = ("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia-modeset")
_BPF_NUMBER = {"x86_64": 321, "aarch64": 280}
_BPF_PROG_QUERY, _BPF_CGROUP_DEVICE = 16, 6


def select(available: list[Gpu], wanted: tuple[str, ...]) -> list[Gpu]:
    """The GPUs with these UUIDs; NodeError when one is not on the node."""
    by_uuid = {gpu.uuid: gpu for gpu in available}
    missing = [uuid for uuid in wanted if uuid not in by_uuid]
    if missing:
        raise NodeError(
            "gpu_missing", f"The node has no GPU {missing[0]}. Probe it again and place the allocation anew."
        )
    return [by_uuid[uuid] for uuid in wanted]


def paths_of(granted: list[Gpu]) -> list[str]:
    """Device files to allow for these GPUs: their own and the shared ones."""
    return [gpu.device for gpu in granted] + [path for path in _SHARED if granted and os.path.exists(path)]


def numbers(available: list[Gpu], held: list[str]) -> tuple[frozenset[int], frozenset[int]]:
    """The device numbers of the GPUs in `held`, and those that their driver shares between all."""
    own = [gpu.device for gpu in available if gpu.uuid in held and os.path.exists(gpu.device)]
    shared = [path for path in _SHARED if held and os.path.exists(path)]
    return frozenset(os.stat(path).st_rdev for path in own), frozenset(os.stat(path).st_rdev for path in shared)


def grant(uid: int, granted: list[Gpu], available: list[Gpu]) -> None:
    """Give `uid` its GPUs and take all others from it."""
    held = {gpu.uuid for gpu in granted}
    for gpu in available:
        path = Path(gpu.device)
        others = acl.users(path) - {uid}
        if gpu.uuid in held and others:
            raise NodeError(
                "gpu_in_use", f"GPU {gpu.uuid} is still open to uid {min(others)}. Release that allocation first."
            )
        acl.set_users(path, others | ({uid} if gpu.uuid in held else set()))


def revoke(uid: int, available: list[Gpu]) -> None:
    """Take every GPU from `uid`."""
    grant(uid, [], available)


def holders(uid: int, available: list[Gpu]) -> list[str]:
    """GPUs whose access list still names `uid`."""
    return [gpu.uuid for gpu in available if uid in acl.users(Path(gpu.device))]


def closed(slice_name: str, granted: list[Gpu], foreign: list[Gpu]) -> tuple[bool, str]:
    """Whether the kernel keeps the slice from the node's other GPUs, and how that is known."""
    if not systemd.is_running():
        return False, "This node has no device rules; only the access list of each device file keeps others out."
    if cgroups.is_version_2():
        attached = _device_programs(cgroups.group("devices", slice_name))
        return attached > 0, f"{attached} device filter(s) are attached to the slice's control group."
    rules = cgroups.allowed_devices(slice_name)
    if rules is None:
        return False, "The slice has no device rules in the kernel."
    opened = [gpu.device for gpu in foreign if any(_opens(rule, gpu) for rule in rules)]
    shut = [gpu.device for gpu in granted if not any(_opens(rule, gpu) for rule in rules)]
    if opened or shut:
        return False, f"The kernel's device rules leave {', '.join(opened + shut)} in the wrong state."
    return True, f"The kernel's device list has {len(rules)} rules and no other GPU."


def _opens(rule: str, gpu: Gpu) -> bool:
    """Whether a rule like "c 195:* rw" lets the slice open a GPU's device file, wholly or in part."""
    kind, _, rest = rule.partition(" ")
    major, _, minor = rest.partition(" ")[0].partition(":")
    device = os.stat(gpu.device).st_rdev
    return (
        kind in ("c", "a")
        and major in (str(os.major(device)), "*")
        and minor in (str(os.minor(device)), "*")
        and any(way in rest.partition(" ")[2] for way in "rw")
    )


class _Query(ctypes.Structure):
    """The part of `union bpf_attr` that a query reads."""

    _fields_ = (
        ("target", ctypes.c_uint32),
        ("attach_type", ctypes.c_uint32),
        ("query_flags", ctypes.c_uint32),
        ("attach_flags", ctypes.c_uint32),
        ("programs", ctypes.c_uint64),
        ("count", ctypes.c_uint32),
        ("padding", ctypes.c_uint32 * 9),
    )


def _device_programs(group: Path) -> int:
    """How many device filters the kernel has attached to a version 2 group."""
    number = _BPF_NUMBER.get(platform.machine())
    if number is None or not group.is_dir():
        return 0
    descriptor = os.open(group, os.O_RDONLY | os.O_DIRECTORY)
    try:
        query = _Query(target=descriptor, attach_type=_BPF_CGROUP_DEVICE)
        status = ctypes.CDLL(None).syscall(number, _BPF_PROG_QUERY, ctypes.byref(query), ctypes.sizeof(query))
        return int(query.count) if status == 0 else 0
    finally:
        os.close(descriptor)
