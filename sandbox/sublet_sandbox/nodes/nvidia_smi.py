#!/usr/bin/env python3
# ruff: noqa: T201  (printing is what this program is for)
"""Stand-in for nvidia-smi on nodes without a GPU: answers from a recorded sample file, in the words of the real one.

Like the real program it shows only those GPUs whose device file opens for whoever asks. A sample that has `lost` is of
a GPU that has fallen off the bus, and keeps the real program, and this one, from listing any.
"""

import json
import os
import sys
from pathlib import Path

SAMPLES = Path("/usr/local/share/sublet-demo/nvidia-smi.json")
UNITS = {"memory.total": " MiB", "memory.used": " MiB", "used_memory": " MiB", "utilization.gpu": " %"}
# The lines of `nvidia-smi -q` that tell of health, with the column that each is recorded in.
LOG = (
    ("    Product Name", "name"),
    ("    MIG Mode", None),
    ("        Current", "mig.mode.current"),
    ("        Pending", "mig.mode.current"),
    ("    Serial Number", "serial"),
    ("    GPU UUID", "uuid"),
    ("    Minor Number", "index"),
    ("    GPU Reset Status", None),
    ("        Reset Required", "reset_required"),
    ("        Drain and Reset Recommended", "reset_required"),
    ("    GPU Recovery Action", "gpu_recovery_action"),
    ("    PCI", None),
    ("        Bus Id", "pci.bus_id"),
    ("    Clocks Event Reasons", None),
    ("        HW Slowdown", "clocks_event_reasons.hw_thermal_slowdown"),
    ("            HW Thermal Slowdown", "clocks_event_reasons.hw_thermal_slowdown"),
    ("            HW Power Brake Slowdown", "clocks_event_reasons.hw_power_brake_slowdown"),
    ("        SW Thermal Slowdown", "clocks_event_reasons.sw_thermal_slowdown"),
    ("    FB Memory Usage", None),
    ("        Total", "memory.total"),
    ("        Used", "memory.used"),
    ("    Utilization", None),
    ("        GPU", "utilization.gpu"),
    ("    ECC Errors", None),
    ("        Volatile", None),
    ("            SRAM Correctable", "ecc.errors.corrected.volatile.sram"),
    ("            SRAM Uncorrectable Parity", "ecc.errors.uncorrected.volatile.sram"),
    ("            DRAM Uncorrectable", "ecc.errors.uncorrected.volatile.total"),
    ("    Remapped Rows", None),
    ("        Pending", "remapped_rows.pending"),
    ("        Remapping Failure Occurred", "remapped_rows.failure"),
    ("    Temperature", None),
    ("        GPU Current Temp", "temperature.gpu"),
)
FOR_ALL = {
    "reset_required": "Requested functionality has been deprecated",
    "gpu_recovery_action": "None",
    "clocks_event_reasons.hw_thermal_slowdown": "Not Active",
    "clocks_event_reasons.hw_power_brake_slowdown": "Not Active",
    "clocks_event_reasons.sw_thermal_slowdown": "Not Active",
    "ecc.errors.corrected.volatile.sram": "0",
    "ecc.errors.uncorrected.volatile.sram": "0",
    "remapped_rows.pending": "No",
    "remapped_rows.failure": "No",
}


def opens(gpu: "dict[str, str]") -> bool:
    """Whether whoever asks may use it."""
    try:
        os.close(os.open(f"/dev/nvidia{gpu['index']}", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
    except FileNotFoundError:
        return True  # the driver makes the file for root, who asks first
    except OSError:
        return False
    return True


def short(bus: str) -> str:
    """A place on the bus as both ways to write it have it in common."""
    return bus.lower()[-12:]


def print_log(gpus: "list[dict[str, str]]") -> None:
    """As `nvidia-smi -q` does."""
    print("\n==============NVSMI LOG==============\n")
    print(f"{'Driver Version':<42}: {gpus[0]['driver_version'] if gpus else 'N/A'}\n")
    print(f"{'Attached GPUs':<42}: {len(gpus)}")
    for gpu in gpus:
        known = {**FOR_ALL, **gpu}
        print(f"GPU {gpu['pci.bus_id']}")
        for title, column in LOG:
            print(title if column is None else f"{title:<42}: {known[column]}{UNITS.get(column, '')}")


def main(arguments: "list[str]") -> int:
    """Print what was asked for; status 6 for a query this recording cannot answer, as the real program does."""
    recorded = json.loads(SAMPLES.read_text())
    gpus = [gpu for gpu in recorded["gpus"] if opens(gpu)]
    if "-i" in arguments:
        wanted = short(arguments[arguments.index("-i") + 1])
        gpus = [gpu for gpu in gpus if short(gpu["pci.bus_id"]) == wanted]
    for gpu in gpus:
        if "lost" in gpu:
            place = gpu["pci.bus_id"][4:]
            print(
                f"Unable to determine the device handle for GPU{place}: GPU is lost.  Reboot the system to recover it"
            )
            return 15
    if not gpus:
        print("No devices were found")
        return 6
    query = next((a for a in arguments if a.startswith(("--query-gpu=", "--query-compute-apps="))), None)
    if "-q" in arguments:
        print_log(gpus)
        return 0
    if query is None or "-L" in arguments:
        for gpu in gpus:
            print(f"GPU {gpu['index']}: {gpu['name']} (UUID: {gpu['uuid']})")
        return 0
    return print_table(query, next((a for a in arguments if a.startswith("--format=")), "--format=csv"), gpus, recorded)


def print_table(
    query: str, style: str, gpus: "list[dict[str, str]]", recorded: "dict[str, list[dict[str, str]]]"
) -> int:
    """As with --format=csv."""
    name, _, fields = query.partition("=")
    columns = [field.strip() for field in fields.split(",")]
    shown = {gpu["uuid"] for gpu in gpus}
    rows = gpus if name == "--query-gpu" else [row for row in recorded["processes"] if row["gpu_uuid"] in shown]
    if "noheader" not in style:
        print(", ".join(columns))
    for row in rows:
        missing = [column for column in columns if column not in row]
        if missing:
            print(f'Field "{missing[0]}" is not a valid field to query.', file=sys.stderr)
            return 6
        units = {} if "nounits" in style else UNITS
        print(", ".join(f"{row[column]}{units.get(column, '')}" for column in columns))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
