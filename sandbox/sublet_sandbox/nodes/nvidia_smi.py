#!/usr/bin/env python3
# ruff: noqa: T201  (printing is what this program is for)
"""Stand-in for nvidia-smi on nodes without a GPU: answers CSV queries from a recorded sample file."""

import json
import sys
from pathlib import Path

SAMPLES = Path("/usr/local/share/sublet-demo/nvidia-smi.json")
UNITS = {"memory.total": " MiB", "memory.used": " MiB", "used_memory": " MiB", "utilization.gpu": " %"}


def rows_for(argument: str, recorded: "dict[str, list[dict[str, str]]]") -> "tuple[list[dict[str, str]], list[str]]":
    """The rows and the columns that one --query-… argument asks for."""
    name, _, fields = argument.partition("=")
    columns = [field.strip() for field in fields.split(",")]
    return (recorded["gpus"] if name == "--query-gpu" else recorded["processes"]), columns


def main(arguments: "list[str]") -> int:
    """Print what was asked for; status 6 for a query this recording cannot answer, as the real program does."""
    recorded = json.loads(SAMPLES.read_text())
    query = next((a for a in arguments if a.startswith(("--query-gpu=", "--query-compute-apps="))), None)
    if query is None or "-L" in arguments:
        for gpu in recorded["gpus"]:
            print(f"GPU {gpu['index']}: {gpu['name']} (UUID: {gpu['uuid']})")
        return 0
    style = next((a.partition("=")[2] for a in arguments if a.startswith("--format=")), "csv").split(",")
    rows, columns = rows_for(query, recorded)
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
