"""Periodic work: each tick is taken by one worker among any number, and one missed while nobody ran is not made up."""

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sublet.core import telemetry, tracing
from sublet.core.db import Database, Session
from sublet.core.work import leases, within
from sublet.core.work.declaration import End, Step, Work
from sublet.core.work.leases import Lease
from sublet.core.work.outcomes import Again, Outcome
from sublet.core.work.pace import Pace

TICK = "tick"
LONGEST_RETRY_SECONDS = 10.0

STEPS = (
    Step(
        "run",
        "does the task whose time has come",
        "whatever the task commits: ticks of the database are one transaction, others say so themselves",
        "the next tick: a task begins where the books stand, not where a former tick ended",
    ),
    Step("rest", "notes when the next tick is due", "the row, due a period later", "none needed"),
)

END = End(
    None,
    "never ends: tried every ten seconds at last",
    "never ends: tried every ten minutes at last; a tick takes up all that is due since the last that ran",
)


@dataclass(frozen=True, slots=True)
class Tick:
    """A task that runs every `seconds`, on one worker at a time, however long it takes.

    `run` gets a session and is one transaction with the note that it ran. `run_alone` opens its own.
    """

    name: str
    seconds: float
    run: Callable[[Session], Awaitable[object]] | None = None
    run_alone: Callable[[], Awaitable[object]] | None = None


def ticks(tasks: Sequence[Tick]) -> Work[Tick, None]:
    """The kind of work that ticks are. `register` lets their rows exist."""
    by_name = {task.name: task for task in tasks}

    async def take(session: Session, lease: Lease) -> Tick | Outcome:
        task = by_name[lease.id]
        if task.run is None:
            return task
        with _measured(task):
            await task.run(session)
        return Again(task.seconds)

    async def act(_lease: Lease, task: Tick) -> None:
        assert task.run_alone is not None  # or `take` had done it
        with _measured(task):
            await task.run_alone()

    async def conclude(_session: Session, _lease: Lease, task: Tick, _result: None) -> Outcome:
        return Again(task.seconds)

    return Work(
        kind=TICK,
        take=take,
        act=act,
        conclude=conclude,
        pace=Pace(shortest_seconds=0.25, longest_seconds=LONGEST_RETRY_SECONDS),
        end=END,
        slots=max(1, len(tasks)),
        slots_each=1,
        only=tuple(by_name),
        longest_seconds={task.name: max(task.seconds, LONGEST_RETRY_SECONDS) for task in tasks},
        steps=STEPS,
    )


async def register(database: Database, tasks: Sequence[Tick]) -> None:
    """Let each task's row exist; one that does keeps its time, unless that is further away than a tick takes."""
    async with database.transaction() as session:
        await leases.ensure(session, TICK, [task.name for task in tasks])
        await within.bring_within(session, TICK, {task.name: task.seconds for task in tasks})


async def make_due(session: Session, name: str) -> None:
    """Let whichever worker looks next run a task at once; a tick that runs just now is let finish first."""
    await leases.make_due(session, TICK, name, place=name)


@contextmanager
def _measured(task: Tick) -> Iterator[None]:
    started = time.perf_counter()
    with tracing.span(f"tick {task.name}"):
        yield
    telemetry.worker_tick_seconds.labels(task.name).observe(time.perf_counter() - started)
