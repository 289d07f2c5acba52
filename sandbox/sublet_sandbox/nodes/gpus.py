"""Stand-in GPUs: device files that open, and an `nvidia-smi` that answers from recorded samples.

They are installed only on nodes made by this package, at the paths a real driver uses, so that the node's helper
treats them as it treats real ones.
"""

import json
import os
import uuid
from importlib import resources
from pathlib import Path

from .local import StandInGpu

# Character devices (major, minor) that open for whoever may and are nobody's: who has one can do nothing that a program
# without it could not. The first ones answer what the processor says of itself, for which every program can ask it; the
# last makes interfaces of a network, but for nobody without rights over that. None is among those that are open to all.
_CPUID, _TUN = 203, (10, 200)

MODEL = "NVIDIA L4"
MEMORY_MIB = 23034
SAMPLES_PATH = "/usr/local/share/sublet-demo/nvidia-smi.json"


def plan(node_name: str, count: int, *, workshop: Path) -> list[StandInGpu]:
    """Give a node `count` stand-ins, trying each candidate in the folder `workshop`; fewer when fewer open here."""
    candidates = [*((_CPUID, processor) for processor in range(os.cpu_count() or 1)), _TUN]
    chosen = [pair for pair in candidates if _opens(pair, workshop)][:count]
    return [StandInGpu(index, _uuid(node_name, index), MODEL, MEMORY_MIB, *pair) for index, pair in enumerate(chosen)]


def plain(node_name: str, count: int) -> list[StandInGpu]:
    """Stand-ins without a device of their own, for nodes that may not make device files."""
    return [StandInGpu(index, _uuid(node_name, index), MODEL, MEMORY_MIB, 0, 0) for index in range(count)]


def _uuid(node_name: str, index: int) -> str:
    """The same one at every start of a node."""
    return f"GPU-{uuid.uuid5(uuid.NAMESPACE_DNS, f'{node_name}.{index}')}"


def _opens(pair: tuple[int, int], workshop: Path) -> bool:
    probe = workshop / f"probe-{pair[0]}-{pair[1]}"
    try:
        os.mknod(probe, 0o600 | 0o020000, os.makedev(*pair))
        os.close(os.open(probe, os.O_RDWR | os.O_NONBLOCK))
    except OSError:
        return False
    finally:
        probe.unlink(missing_ok=True)
    return True


def nvidia_smi() -> bytes:
    """The stand-in program, for /usr/bin/nvidia-smi."""
    return resources.files(__package__).joinpath("nvidia_smi.py").read_bytes()


def samples(gpus: list[StandInGpu]) -> bytes:
    """What the stand-in program answers from: one recorded row for each GPU, and no process on any."""
    rows = [
        {
            "index": str(gpu.index),
            "uuid": gpu.uuid,
            "name": gpu.model,
            "serial": f"132292307{gpu.index:04d}",
            "pci.bus_id": f"00000000:{gpu.index + 1:02X}:00.0",
            "driver_version": "570.86.15",
            "memory.total": str(gpu.memory_mib),
            "memory.used": "1",
            "mig.mode.current": "N/A",
            "utilization.gpu": "0",
            "ecc.errors.uncorrected.volatile.total": "0",
            "temperature.gpu": "34",
        }
        for gpu in gpus
    ]
    return json.dumps({"gpus": rows, "processes": []}, indent=1).encode()
