"""Periodic work: each tick is taken by one worker among any number, through a row that says when it is due."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy import text

from sublet.core import telemetry, tracing
from sublet.core.db import Database, Session

log = telemetry.get_logger(__name__)

_REGISTER = text("INSERT INTO periodic_tick (name) VALUES (:name) ON CONFLICT (name) DO NOTHING")
_TAKE = text(
    """
    UPDATE periodic_tick
       SET due_at = clock_timestamp() + make_interval(secs => :seconds), last_at = clock_timestamp()
     WHERE name = :name AND due_at <= clock_timestamp()
    RETURNING 1
    """
)

_MAKE_DUE = text("UPDATE periodic_tick SET due_at = '-infinity' WHERE name = :name")


@dataclass(frozen=True, slots=True)
class Periodic:
    """A task that runs every `seconds`, on one worker at a time."""

    name: str
    seconds: float
    run: Callable[[], Awaitable[object]]


async def take_tick(session: Session, periodic: Periodic) -> bool:
    """Whether this worker has the tick; a tick missed while nobody ran is taken once, not made up for."""
    await session.execute(_REGISTER, {"name": periodic.name})
    taken = await session.execute(_TAKE, {"name": periodic.name, "seconds": periodic.seconds})
    return taken.first() is not None


async def make_due(session: Session, name: str) -> None:
    """Let whichever worker looks next run a task at once, when the session's transaction has committed."""
    await session.execute(_MAKE_DUE, {"name": name})


async def run_periodically(database: Database, periodic: Periodic) -> None:
    """Run a task's ticks for ever; a failure is logged and counted, and the next tick tries again."""
    while True:
        try:
            async with database.transaction() as session:
                taken = await take_tick(session, periodic)
            if taken:
                started = time.perf_counter()
                with tracing.span(f"tick {periodic.name}"):
                    await periodic.run()
                telemetry.worker_tick_seconds.labels(periodic.name).observe(time.perf_counter() - started)
        except Exception as error:  # the loop must outlive whatever one tick meets
            telemetry.worker_failures_total.labels(periodic.name).inc()
            log.exception("periodic.failed", task=periodic.name, error=type(error).__name__)
        await asyncio.sleep(min(periodic.seconds, 1.0) / 2)
