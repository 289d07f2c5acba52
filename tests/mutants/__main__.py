"""Change the guards one word at a time, and say which change no test notices: python -m tests.mutants.

Ends with 1 if something survives that does not stand in `survivors.toml`, or stands there and does not survive.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.mutants.memory import Memory
from tests.mutants.mutant import Mutant
from tests.mutants.targets import TARGETS, Target
from tests.mutants.worker import Job, Outcome

ROOT = Path(__file__).resolve().parents[2]
SURVIVORS = Path(__file__).with_name("survivors.toml")
REMEMBERED = ROOT / ".mutants.jsonl"
COPIED = ("src", "sandbox", "node", "tests", "docs", "bench", "pyproject.toml", "README.md")
SHARED = (".venv", "console")
SECONDS_EACH = 180.0
"""Long enough for all tests of a target on a busy machine: what survives them must not count as timed out."""
BASELINE = "with nothing changed"


@dataclass
class Tally:
    """What came of a target's mutants."""

    outcomes: Counter[str] = field(default_factory=Counter)
    survivors: list[Mutant] = field(default_factory=list)
    earlier: int = 0
    not_tried: int = 0


@dataclass(frozen=True)
class Trial:
    """A mutant and what it is tried for; without one, the target's tests as they are."""

    target: Target
    mutant: Mutant | None


class Worker:
    """A worker process in a copy of the tree."""

    def __init__(self, copy: Path, process: asyncio.subprocess.Process) -> None:
        self._copy, self._process = copy, process

    @classmethod
    async def start(cls, folder: Path) -> "Worker":
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, folder / name)
        for name in SHARED:
            if (ROOT / name).exists():
                (folder / name).symlink_to(ROOT / name)
        places = os.pathsep.join(str(folder / place) for place in ("src", "sandbox", "."))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.mutants.worker"),
            cwd=folder,
            env={**os.environ, "PYTHONPATH": places},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 24,
        )
        return cls(folder, process)

    async def ask(self, job: Job) -> Outcome:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(job)).encode() + b"\n")
        await self._process.stdin.drain()
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"A worker ended while it changed {job.file}.")
        return Outcome(**json.loads(line))

    async def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()


class Run:
    """The trials of one run, and what came of them."""

    def __init__(self, targets: Sequence[Target], memory: Memory, *, deadline: float, seed: int) -> None:
        self.deadline = deadline
        self.tallies = {target.name: Tally() for target in targets}
        self.faults: list[str] = []
        self.tried: Counter[tuple[str, str, str]] = Counter()
        self._memory = memory
        self._tests = {target.name: target.test_files(ROOT) for target in targets}
        mutants = {target.name: target.mutants(ROOT) for target in targets}
        self.alike = Counter(mutant.name for found in mutants.values() for mutant in found)
        new = {target.name: self._not_remembered(target, mutants[target.name]) for target in targets}
        for found in new.values():
            random.Random(seed).shuffle(found)
        # The tests as they are first: where they fail already, they prove nothing. Then a bit of each in turn.
        self._waiting = [Trial(target, None) for target in targets if new[target.name]]
        longest = max(map(len, new.values()), default=0)
        for turn in range(longest):
            self._waiting += [Trial(one, new[one.name][turn]) for one in targets if turn < len(new[one.name])]

    def _not_remembered(self, target: Target, mutants: list[Mutant]) -> list[Mutant]:
        new = []
        for mutant in mutants:
            if (outcome := self._memory.outcome(mutant, self._tests[target.name])) is None:
                new.append(mutant)
            else:
                self._count(target, mutant, outcome)
                self.tallies[target.name].earlier += 1
        return new

    def _next(self, *, has_nodes: bool) -> Trial | None:
        for trial in self._waiting:
            if has_nodes or not trial.target.needs_node:
                self._waiting.remove(trial)
                return trial
        return None

    async def work(self, worker: Worker, *, has_nodes: bool) -> None:
        """Try one after the other until none is left, or the time is up."""
        while (trial := self._next(has_nodes=has_nodes)) is not None:
            if time.monotonic() > self.deadline:
                self.tallies[trial.target.name].not_tried += trial.mutant is not None
                continue
            self._note(trial, await worker.ask(self._job(trial)))

    def _job(self, trial: Trial) -> Job:
        tests, mutant = self._tests[trial.target.name], trial.mutant
        if mutant is None:
            return Job(None, "", tests, 5 * SECONDS_EACH)
        in_order, likely = self._memory.in_order(mutant, tests), self._memory.likely(mutant)
        return Job(mutant.file, mutant.text, in_order, SECONDS_EACH, likely)

    def _note(self, trial: Trial, outcome: Outcome) -> None:
        if trial.mutant is None:
            if outcome.what != "survived":
                self.faults.append(f"{trial.target.name}: its tests fail {BASELINE}: {outcome.by or outcome.what}")
            return
        if outcome.what in ("killed", "survived"):
            self._memory.keep(trial.mutant, self._tests[trial.target.name], outcome)
        self._count(trial.target, trial.mutant, outcome)
        if len(self._waiting) % 50 == 0:
            print(f"{len(self._waiting)} to go", flush=True)

    def _count(self, target: Target, mutant: Mutant, outcome: Outcome) -> None:
        tally = self.tallies[target.name]
        if outcome.what.startswith("broken"):
            self.faults.append(f"{mutant}: {outcome.what}")
        self.tried[mutant.name] += 1
        tally.outcomes[outcome.what] += 1
        if outcome.what == "survived":
            tally.survivors.append(mutant)


def listed() -> dict[tuple[str, str, str], str]:
    """The reason of each survivor that is known, by its name."""
    entries = tomllib.loads(SURVIVORS.read_text(encoding="utf-8")).get("survivor", [])
    return {(one["file"], one["was"], one["becomes"]): one["reason"] for one in entries}


def report(run: Run) -> bool:
    """Say what came of it; True if all is well."""
    known = listed()
    survived = {mutant.name: mutant for tally in run.tallies.values() for mutant in tally.survivors}
    unknown = [mutant for name, mutant in survived.items() if name not in known]
    for name, tally in run.tallies.items():
        told = ", ".join(f"{count} {what}" for what, count in sorted(tally.outcomes.items()))
        earlier = f" ({tally.earlier} of them in earlier runs)" if tally.earlier else ""
        left = f", {tally.not_tried} not tried yet" if tally.not_tried else ""
        print(f"{name}: {told or 'nothing tried'}{earlier}{left}")
    for mutant in unknown:
        print(f"\nNo test notices this:\n  {mutant}")
    # Lines that read the same have one name: it survives as long as one of them does, and all must have been tried.
    all_tried = {name for name, count in run.tried.items() if count == run.alike[name]}
    gone = [name for name in known if name in all_tried and name not in survived]
    for file, was, becomes in gone:
        print(f"\nThis does not survive any more; take it out of {SURVIVORS.name}:\n  {file}\n    {was}\n  → {becomes}")
    for fault in run.faults:
        print(f"\n{fault}")
    return not (unknown or gone or run.faults)


async def try_all(targets: Sequence[Target], memory: Memory, *, workers: int, minutes: float, seed: int) -> Run:
    """Try as many mutants of the targets as there is time for, in the order that the seed gives."""
    run = Run(targets, memory, deadline=time.monotonic() + minutes * 60, seed=seed)
    with tempfile.TemporaryDirectory(prefix="sublet-mutants-") as folder:
        started = [await Worker.start(Path(folder) / str(number)) for number in range(workers)]
        try:
            # Nodes share the machine's network: one worker alone runs them.
            await asyncio.gather(*(run.work(worker, has_nodes=not at) for at, worker in enumerate(started)))
        finally:
            for worker in started:
                await worker.stop()
    return run


def main() -> int:
    """Read what to try from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("targets", nargs="*", help=f"only these of: {', '.join(target.name for target in TARGETS)}")
    parser.add_argument("--minutes", type=float, default=14.0, help="what is not tried by then is counted and left out")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, help="the order of an earlier run, which printed it; otherwise a new one")
    parser.add_argument("--anew", action="store_true", help="forget what earlier runs have tried")
    asked = parser.parse_args()
    if asked.anew:
        REMEMBERED.unlink(missing_ok=True)
    seed = random.SystemRandom().randrange(10**6) if asked.seed is None else asked.seed
    print(f"Order: --seed {seed}", flush=True)
    chosen = [target for target in TARGETS if not asked.targets or target.name in asked.targets]
    began = time.monotonic()
    trying = try_all(chosen, Memory(ROOT, REMEMBERED), workers=asked.workers, minutes=asked.minutes, seed=seed)
    try:
        run = asyncio.run(trying)
    except KeyboardInterrupt:
        print("\nStopped; the next run goes on from here.")
        return 130
    well = report(run)
    left = sum(tally.not_tried for tally in run.tallies.values())
    print(f"\n{run.tried.total()} mutants tried, {left} not yet; {time.monotonic() - began:.0f} s")
    if left:
        print("Run it again to go on.")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
