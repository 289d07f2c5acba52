"""The node's GPUs, as nvidia-smi lists them, and what runs on them.

One that has fallen off the bus can keep nvidia-smi from listing any. So those that were ever listed are remembered, and
then each is asked for alone: the others go on.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path

from . import commands, files, paths
from .errors import NodeError

PROGRAM = "nvidia-smi"
_LIST = "--query-gpu=index,uuid,name,memory.total,pci.bus_id"
_NVIDIA, _DISPLAY = "0x10de", "0x03"
_WITHOUT = ("No devices were found", "couldn't communicate with the NVIDIA driver")
"""What nvidia-smi says where there is no GPU; the second also where there is one without its driver."""
SECONDS = 15.0


@dataclass(frozen=True)
class Gpu:
    """One GPU and its device file; `bus` is its place on the PCI bus, like `0000:3b:00.0`."""

    index: int
    uuid: str
    model: str
    memory_mib: int
    device: str
    bus: str = ""


@dataclass(frozen=True)
class Use:
    """What a GPU is doing: memory in use, and the processes that compute on it."""

    memory_used_mib: int
    processes: tuple[int, ...]


def installed() -> bool:
    """Whether the node has nvidia-smi."""
    return commands.installed(PROGRAM)


def inventory() -> list[Gpu]:
    """Every GPU that answers. Without nvidia-smi there are none, nor where it finds none and the PCI bus has none; one
    that fails otherwise is an error, never "no GPUs"."""
    if not installed():
        return []
    before = remembered()
    try:
        rows = _query(_LIST, 5)
    except NodeError as error:
        if not before and any(words in error.message for words in _WITHOUT) and not _has_card():
            return []
        rows = _one_by_one(before)
        if not rows:
            raise
    found = [gpu for gpu in map(_gpu, rows) if gpu is not None]
    if not found:
        raise NodeError("gpu_listing_failed", "nvidia-smi lists no GPU that answers. Check the driver, or remove it.")
    _remember(before, found)
    return found


def known() -> list[Gpu]:
    """Every GPU that answers, and those that did once and have their device file still."""
    answering = inventory()
    uuids = {gpu.uuid for gpu in answering}
    return [*answering, *(gpu for gpu in present() if gpu.uuid not in uuids)]


def present() -> list[Gpu]:
    """Every GPU that was listed once and has its device file still, whether or not nvidia-smi answers now."""
    return [gpu for gpu in remembered() if os.path.exists(gpu.device)]


def remembered() -> list[Gpu]:
    """Every GPU that was listed since the node was enrolled; none when nobody wrote that down."""
    with contextlib.suppress(FileNotFoundError, ValueError, TypeError):
        return [Gpu(**one) for one in json.loads(paths.GPUS.read_bytes())]
    return []


def keep_only(uuids: Collection[str]) -> None:
    """Remember no others: the node joins with these."""
    files.replace(paths.GPUS, _stored([gpu for gpu in remembered() if gpu.uuid in uuids]), mode=0o600)


def use(uuid: str) -> Use:
    """What one GPU is doing now."""
    answers = _query("--query-gpu=uuid,memory.used", 2, *_only(uuid))
    memory = {row[0]: row[1] for row in answers}
    if uuid not in memory:
        raise NodeError("gpu_missing", f"GPU {uuid} is no longer listed by nvidia-smi.")
    if not memory[uuid].isdigit():
        raise NodeError("gpu_missing", f"GPU {uuid} does not answer: nvidia-smi says {memory[uuid]} of its memory.")
    rows = _query("--query-compute-apps=gpu_uuid,pid", 2, *_only(uuid))
    return Use(int(memory[uuid]), tuple(int(pid) for card, pid in rows if card == uuid))


def short_bus(text: str) -> str:
    """A place on the PCI bus as the kernel writes it: nvidia-smi has four zeros more, and capitals."""
    return re.sub(r"^0000(?=[0-9a-f]{4}:)", "", text.strip().lower())


def _only(uuid: str) -> tuple[str, ...]:
    """Ask for that GPU alone, where another one does not answer."""
    place = next((gpu.bus for gpu in remembered() if gpu.uuid == uuid and gpu.bus), "")
    return ("-i", place) if place else ()


def _one_by_one(before: list[Gpu]) -> list[list[str]]:
    rows = []
    for gpu in before:
        with contextlib.suppress(NodeError):
            rows += _query(_LIST, 5, "-i", gpu.bus) if gpu.bus else []
    return rows


def _query(what: str, columns: int, *more: str) -> list[list[str]]:
    output = commands.run(PROGRAM, what, "--format=csv,noheader,nounits", *more, timeout_seconds=SECONDS)
    if output.strip() == _WITHOUT[0]:
        raise NodeError("gpu_listing_failed", f"nvidia-smi says: {output.strip()}.")
    rows = [[part.strip() for part in line.split(",")] for line in output.splitlines() if line.strip()]
    if any(len(row) != columns for row in rows):
        raise NodeError("gpu_listing_failed", f"nvidia-smi answered {what} in a form this helper does not know.")
    return rows


def _gpu(row: list[str]) -> Gpu | None:
    """None for one that is listed and does not answer, as in `[GPU is lost]`."""
    index, uuid, name, memory, bus = row
    if not (index.isdigit() and memory.isdigit() and uuid.startswith("GPU-")):
        return None
    place = short_bus(bus)
    return Gpu(int(index), uuid, name, int(memory), f"/dev/nvidia{_minor(place, int(index))}", place)


def _remember(before: list[Gpu], found: list[Gpu]) -> None:
    """A GPU in the place of another one is there instead of it."""
    uuids, places = {gpu.uuid for gpu in found}, {gpu.bus for gpu in found}
    kept = [gpu for gpu in before if gpu.uuid not in uuids and gpu.bus not in places]
    if [*found, *kept] != before:
        files.replace(paths.GPUS, _stored([*found, *kept]), mode=0o600)


def _stored(cards: list[Gpu]) -> bytes:
    return json.dumps([asdict(gpu) for gpu in cards]).encode()


def _minor(place: str, index: int) -> int:
    """The number of the device file, which is not always the index."""
    try:
        text = Path(f"/proc/driver/nvidia/gpus/{place}/information").read_text()
    except OSError:
        return index
    match = re.search(r"Device Minor:\s*(\d+)", text)
    return int(match.group(1)) if match else index


def _has_card() -> bool:
    """Whether the PCI bus has a display of NVIDIA's, whatever its driver does."""
    for place in paths.PCI.glob("*"):
        with contextlib.suppress(OSError):
            kind, maker = (place / "class").read_text(), (place / "vendor").read_text()
            if maker.strip() == _NVIDIA and kind.startswith(_DISPLAY):
                return True
    return False
