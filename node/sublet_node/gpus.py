"""The node's GPUs, as nvidia-smi lists them, and what runs on them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from . import commands
from .errors import NodeError

_PROGRAM = "nvidia-smi"


@dataclass(frozen=True)
class Gpu:
    """One GPU and its device file."""

    index: int
    uuid: str
    model: str
    memory_mib: int
    device: str


@dataclass(frozen=True)
class Use:
    """What a GPU is doing: memory in use, and the processes that compute on it."""

    memory_used_mib: int
    processes: tuple[int, ...]


def inventory() -> list[Gpu]:
    """Every GPU. Without nvidia-smi there are none; one that fails is an error, never "no GPUs"."""
    if not commands.installed(_PROGRAM):
        return []
    found = []
    for index, uuid, name, memory, bus in _query("--query-gpu=index,uuid,name,memory.total,pci.bus_id", 5):
        found.append(Gpu(int(index), uuid, name, int(memory), f"/dev/nvidia{_minor(bus, int(index))}"))
    if not found:
        raise NodeError("gpu_listing_failed", "nvidia-smi lists no GPU. Check the driver, or remove nvidia-smi.")
    return found


def use(uuid: str) -> Use:
    """What one GPU is doing now."""
    memory = {row[0]: row[1] for row in _query("--query-gpu=uuid,memory.used", 2)}
    if uuid not in memory:
        raise NodeError("gpu_missing", f"GPU {uuid} is no longer listed by nvidia-smi.")
    rows = _query("--query-compute-apps=gpu_uuid,pid", 2)
    return Use(int(memory[uuid]), tuple(int(pid) for card, pid in rows if card == uuid))


def _query(what: str, columns: int) -> list[list[str]]:
    output = commands.run(_PROGRAM, what, "--format=csv,noheader,nounits", timeout_seconds=15)
    rows = [[part.strip() for part in line.split(",")] for line in output.splitlines() if line.strip()]
    if any(len(row) != columns for row in rows):
        raise NodeError("gpu_listing_failed", f"nvidia-smi answered {what} in a form this helper does not know.")
    return rows


def _minor(bus: str, index: int) -> int:
    """The number of the device file, which is not always the index."""
    short = re.sub(r"^0000(?=[0-9A-Fa-f]{4}:)", "", bus).lower()
    try:
        text = Path(f"/proc/driver/nvidia/gpus/{short}/information").read_text()
    except OSError:
        return index
    match = re.search(r"Device Minor:\s*(\d+)", text)
    return int(match.group(1)) if match else index
