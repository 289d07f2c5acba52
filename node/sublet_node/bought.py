"""What programs in an allocation are told when they ask how much there is: what was bought, not what the node has.

Processors and GPUs by variables that programs go by, and processors and memory by files that look like the kernel's.
The kernel holds the limits whatever programs are told; these keep them from starting a thread for each processor of the
node, or from counting on memory that they will not get.
"""

from __future__ import annotations

import os
from pathlib import Path

from . import cgroups, mounts, systemd
from .gpus import Gpu
from .request import Limits

_ONLINE, _MEMORY = "sys:devices:system:cpu:online", "proc:meminfo"
# By these OpenMP (with it nproc, OpenBLAS and MKL), Go, Rust's rayon and Python choose how many threads they start.
_THREADS = ("OMP_NUM_THREADS", "GOMAXPROCS", "RAYON_NUM_THREADS", "PYTHON_CPU_COUNT")
_KIB = 1024


def variables(limits: Limits, granted: list[Gpu]) -> dict[str, str]:
    """For every session; what the customer gave an allocation counts before them. Without a GPU none is visible."""
    return {
        **dict.fromkeys(_THREADS, str(_processors(limits.cpu_percent))),
        "CUDA_VISIBLE_DEVICES": ",".join(gpu.uuid for gpu in granted),
        "SUBLET_MEMORY_MIB": str(limits.memory_mib),
    }


def show(login: str, uid: int, *, cpu_percent: int, memory_mib: int) -> None:
    """Have these files, which every session of the login is shown in place of the kernel's, say what was bought."""
    last = _processors(cpu_percent) - 1
    _write(login, _ONLINE, f"0-{last}\n" if last else "0\n")
    _write(login, _MEMORY, _meminfo(uid, memory_mib))


def refresh(login: str, uid: int, memory_mib: int) -> None:
    """Bring what is said of memory in use up to now; nothing where it was never said."""
    if _place(login, _MEMORY).exists():
        _write(login, _MEMORY, _meminfo(uid, memory_mib))


def _processors(cpu_percent: int) -> int:
    return max(1, -(-cpu_percent // 100))


def _meminfo(uid: int, memory_mib: int) -> str:
    """As /proc/meminfo has it, as far as programs ask for it. Where nothing counts what is in use, all is free."""
    name = systemd.slice_name(uid)
    total = memory_mib * _KIB
    used = min(total, (cgroups.memory_used(name) or 0) // _KIB)
    cached, shared = (count // _KIB for count in cgroups.memory_of_files(name))
    given_back = max(0, min(used, cached - shared))
    lines = {
        "MemTotal": total,
        "MemFree": total - used,
        "MemAvailable": total - used + given_back,
        "Buffers": 0,
        "Cached": min(used, cached),
        "SwapCached": 0,
        "Active": used - given_back,
        "Inactive": given_back,
        "SwapTotal": 0,
        "SwapFree": 0,
        "Shmem": min(used, shared),
        "Slab": 0,
        "SReclaimable": 0,
    }
    return "".join(f"{name + ':':<16}{kib:>12} kB\n" for name, kib in lines.items())


def _place(login: str, name: str) -> Path:
    return mounts.of(login) / "files" / name


def _write(login: str, name: str, text: str) -> None:
    """In place, because sessions have the file itself: another one under its name would be shown to the next alone."""
    descriptor = os.open(_place(login, name), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        os.pwrite(descriptor, text.encode(), 0)
        os.ftruncate(descriptor, len(text))
    finally:
        os.close(descriptor)
