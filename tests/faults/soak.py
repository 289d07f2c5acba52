"""`make soak`: launches and releases on real nodes, many at a time, while workers are killed at random; then the truth.

python -m tests.faults.soak [--launches 200] [--at-a-time 20] [--seed N] [--minutes 8] [--write]
"""

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sublet_sandbox.nodes import Enrolment, SystemdNode
from tests.faults.running import House
from tests.supervisor.running import Up
from tests.support.demo import new_data_directory, remove_data
from tests.support.leftovers import leftovers
from tests.support.nodes import CACHE, build_helper

PAGE = Path(__file__).resolve().parents[2] / "docs" / "soak.md"
NODES = 2
KILL_SECONDS = (6.0, 18.0)
SETTLE_SECONDS = 60.0
UNMETERED = "unmetered time"
"""What ended before anybody looked at it again is not billed, and listed."""
FLAT = 1.25
"""Memory may be so many times what it was after a quarter of the launches."""


@dataclass
class Run:
    """What was measured, and what was wrong."""

    seed: int
    launched: int = 0
    refused: int = 0
    launch_seconds: list[float] = field(default_factory=list)
    release_seconds: list[float] = field(default_factory=list)
    kills: list[datetime] = field(default_factory=list)
    memory_kib: list[int] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    unmetered: int = 0
    wrong: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The result, as it stands in docs/soak.md."""

        def spread(name: str, seconds: Sequence[float]) -> str:
            if len(seconds) < 2:
                return f"- {name}: too few"
            cuts = statistics.quantiles(seconds, n=20)
            return f"- {name}: p50 {statistics.median(seconds):.2f} s, p95 {cuts[18]:.2f} s"

        grew = f"{self.memory_kib[0] >> 10} MiB then {self.memory_kib[-1] >> 10} MiB" if self.memory_kib else "unknown"
        return [
            f"- seed {self.seed}; {self.launched} launched and released on {NODES} nodes; {len(self.kills)} kills",
            spread("launch → active", self.launch_seconds),
            spread("release → proven", self.release_seconds),
            f"- memory of the web process after a quarter of the launches, and at the end: {grew}",
            f"- moments of an allocation's time that nobody observed, and that are not billed: {self.unmetered}",
            f"- wrong: {'; '.join(self.wrong) or 'nothing'}",
        ]


def rent(house: House, run: Run, number: int, ends: float) -> None:
    """One launch and its release."""
    if time.monotonic() > ends:
        return
    with house.client() as client:
        offers = client.get("/offers").json()["items"]
        offer = next(item for item in offers if item["sku"]["code"] == "cpu-small")
        began = time.monotonic()
        while True:
            answer = client.post("/allocations", json={"name": f"soak-{number}", "offer_id": offer["id"]})
            if answer.status_code == 202:
                break
            run.refused += 1
            if time.monotonic() > ends or answer.status_code not in {409, 429, 503}:
                return
            time.sleep(0.5)
            began = time.monotonic()
        allocation_id = str(answer.json()["id"])
        run.ids.append(allocation_id)
        if reached(house, run, allocation_id, "active"):
            run.launch_seconds.append(time.monotonic() - began)
        began = time.monotonic()
        client.post(f"/allocations/{allocation_id}/release")
        if reached(house, run, allocation_id, "released"):
            run.release_seconds.append(time.monotonic() - began)
            run.launched += 1


def reached(house: House, run: Run, allocation_id: str, state: str) -> bool:
    """Whether it comes to a state in time."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while (now := house.state(allocation_id)) != state:
        if time.monotonic() > deadline or (now == "failed" and state != "released"):
            run.wrong.append(f"{allocation_id} is {now} and not {state}")
            return False
        time.sleep(0.05)
    return True


def kill_at_random(house: House, run: Run, stop: threading.Event) -> None:
    """Kill the second worker now and then, and start another; the supervisor's goes on meanwhile and takes over."""
    dice = random.Random(run.seed)
    while not stop.wait(dice.uniform(*KILL_SECONDS)):
        house.second.kill()
        run.kills.append(datetime.now(UTC))
        house.second.wait()
        house.start_second()


def examine(house: House, run: Run, nodes: Sequence[SystemdNode], runner: asyncio.Runner) -> None:
    """What has to be true afterwards."""
    with house.client("operator") as operator:
        checks = operator.post("/admin/reconcile").json()["checks"]
    run.wrong += [f"the books: {check}" for check in checks if not check["ok"] and check["name"] != UNMETERED]
    held = house.query("SELECT count(*) FROM ledger.open_hold")
    if held != house.query("SELECT count(*) FROM allocation WHERE ended_at IS NULL"):
        run.wrong.append(f"{held} holds are open")
    run.unmetered = sum(len(check["findings"]) for check in checks if check["name"] == UNMETERED)
    if left := house.accounts_on_node():
        run.wrong.append(f"accounts on the demo node: {left}")
    for node in nodes:
        listed = runner.run(node.run_as_root("cut", "-d:", "-f1", "/etc/passwd")).text
        if left := [name for name in listed.splitlines() if name.startswith("al-")]:
            run.wrong.append(f"accounts on {node.name}: {left}")
    twice = house.query(
        "SELECT allocation_id FROM allocation_history WHERE to_state = 'active' AND from_state = 'provisioning' "
        "GROUP BY allocation_id HAVING count(*) > 1"
    )
    run.wrong += [f"{one} became active twice" for one in twice]
    # Whoever was killed held it; its lease runs out six seconds later, and another worker begins anew.
    again = house.query(
        "SELECT allocation_id, kind, started_at, coalesce(finished_at, clock_timestamp()) "
        "FROM allocation_operation WHERE attempts > 1"
    )
    for allocation_id, kind, began, ended in again:
        if not any(began <= kill <= ended for kill in run.kills):
            run.wrong.append(f"{kind} of {allocation_id} was tried again, and no worker was killed meanwhile")
    if run.memory_kib and run.memory_kib[-1] > FLAT * run.memory_kib[0]:
        run.wrong.append("memory grew")


def memory_kib(pid: int) -> int:
    """Resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def main() -> int:
    """Run it, print what came of it; status 1 when anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak")
    parser.add_argument("--launches", type=int, default=200)
    parser.add_argument("--at-a-time", type=int, default=20)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--minutes", type=float, default=8.0, help="nothing new is launched after that")
    parser.add_argument("--write", action="store_true", help="write docs/soak.md")
    given = parser.parse_args()
    run = Run(given.seed)
    directory = new_data_directory()
    more = [SystemdNode("soak", directory=Path(tempfile.mkdtemp(prefix="sublet-soak-")), cache=CACHE)]
    up = Up(directory)
    with asyncio.Runner() as runner:
        try:
            up.ready()
            house = House(up, up.info())
            for node in more:
                join(house, node, runner, up.port)
            soak(house, run, given, more, runner)
            house.close()
        finally:
            for node in more:
                runner.run(node.discard())
            up.stop()
            left = leftovers(directory, port=up.port)
            remove_data(directory)
    run.wrong += [f"left on the machine: {one}" for one in left]
    print("\n".join(run.lines()))
    if given.write:
        day = datetime.now(UTC).date().isoformat()
        head = "# Soak\n\n`make soak` launches and releases many allocations on real nodes while workers are killed\n"
        head += f"at random, and then looks for what should not be. The last run, {day}:\n\n"
        PAGE.write_text(head + "\n".join(run.lines()) + "\n", encoding="utf-8")
    return 1 if run.wrong else 0


def join(house: House, node: SystemdNode, runner: asyncio.Runner, port: int) -> None:
    """Start another node, and let it join."""
    runner.run(node.start())
    with house.client("operator") as operator:
        asked = {"name": node.name, "address": node.address, "port": node.port}
        added = operator.post("/admin/nodes", json=asked)
        assert added.status_code == 201, added.text
        token = added.json()["join"]["token"]
        helper = build_helper(Path(tempfile.mkdtemp(prefix="sublet-soak-")) / "sublet-node.pyz")
        runner.run(node.enrol(Enrolment(helper=helper, control_plane_port=port, token=token)))
        path = f"/admin/nodes/{added.json()['node']['id']}"
        house.wait("the second node", lambda: operator.get(path).json()["state"] == "ready", seconds=90, pause=0.3)


def soak(
    house: House, run: Run, given: argparse.Namespace, nodes: Sequence[SystemdNode], runner: asyncio.Runner
) -> None:
    """Launch and release while workers are killed, then look."""
    ends = time.monotonic() + 60 * given.minutes
    stop = threading.Event()
    killer = threading.Thread(target=kill_at_random, args=(house, run, stop))
    killer.start()
    try:
        with ThreadPoolExecutor(given.at_a_time) as pool:
            for done, _ in enumerate(pool.map(lambda number: rent(house, run, number, ends), range(given.launches)), 1):
                if done >= given.launches // 4:
                    run.memory_kib.append(memory_kib(house.web))
                if done % 20 == 0:
                    print(f"{done} of {given.launches}, {len(run.kills)} kills", file=sys.stderr, flush=True)
    finally:
        stop.set()
        killer.join()
    house.wait("the worker", lambda: house.worker, seconds=30)
    examine(house, run, nodes, runner)


if __name__ == "__main__":
    sys.exit(main())
