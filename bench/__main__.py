"""`make bench`: the table, in one run; every measurement brings what it needs and takes it away again."""

import argparse
import os
import platform
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from bench.fleet.run import run as fleet
from bench.launch.run import run as launch
from bench.ledger.run import run as charge
from bench.listing.measure import run as listing
from bench.pages.run import run as pages
from bench.placement.run import run as placement
from bench.rows import Row, table
from bench.servers import own_postgres
from bench.settlement.beside import run as beside
from bench.settlement.run import run as settlement
from bench.terminal.run import run as terminal

PAGE = Path(__file__).resolve().parents[1] / "docs" / "bench.md"
HEADER = """# Measurements

`make bench` prints this table, and `python -m bench --write` writes it here. Ratios taken in one run on one machine
count; absolute figures are only indications. Each floor is what the machine does without Sublet: a bare script, a bare
driver, a bare ssh client. Peers are not installed by this run: `--pgledger DIR` names a checkout of pgledger, which is
then measured in the same turns; webssh and JupyterHub are not there.
"""


def ledger(pgledger: Path | None = None) -> Sequence[Row]:
    """One charge against the floor, on a server of its own, and beside pgledger where that is."""
    if pgledger is None:
        print("pgledger is not installed: its rows are left out (--pgledger DIR).", file=sys.stderr, flush=True)
    with own_postgres() as server:
        return charge(server.owner_url, pgledger=pgledger)


MEASUREMENTS: dict[str, Callable[[], Sequence[Row]]] = {
    "launch": launch,
    "ledger": ledger,
    "settlement": settlement,
    "beside": beside,
    "listing": listing,
    "placement": placement,
    "fleet": fleet,
    "pages": pages,
    "terminal": terminal,
}


def main() -> int:
    """Run the measurements, print the table, and with --write keep it in docs/bench.md."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure as ratios against floors.")
    parser.add_argument("--only", choices=sorted(MEASUREMENTS), action="append", help="only this; may be repeated")
    parser.add_argument("--write", action="store_true", help="write docs/bench.md")
    parser.add_argument("--pgledger", type=Path, metavar="DIR", help="a checkout of pgledger to measure beside ours")
    given = parser.parse_args()
    rows: list[Row] = []
    measurements: dict[str, Callable[[], Sequence[Row]]] = {**MEASUREMENTS, "ledger": partial(ledger, given.pgledger)}
    for name, measure in measurements.items():
        if given.only is None or name in given.only:
            print(f"Measuring {name}", file=sys.stderr, flush=True)
            rows += measure()
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}"
    print(f"{table(rows)}\n\n{machine}")
    if given.write:
        PAGE.write_text(f"{HEADER}\n{table(rows)}\n\nMeasured on: {machine}.\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
