"""Periodic work: each tick is taken by one worker among any number, through a row that says when it is due.

While a tick runs, its row is leased, so that one which takes longer than its period is not joined by another worker.
The lease is renewed as it goes on; after a crash it runs out within seconds, and another worker takes the next tick.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from sublet.core import telemetry, tracing
from sublet.core.db import Database, Session
from sublet.core.errors import SubletError

log = telemetry.get_logger(__name__)

LEASE_SECONDS = 6.0
"""How long a tick stays taken after its worker was last heard of."""

_REGISTER = text("INSERT INTO periodic_tick (name) VALUES (:name) ON CONFLICT (name) DO NOTHING")
_TAKE = text(
    """
    UPDATE periodic_tick
       SET due_at = clock_timestamp() + make_interval(secs => :seconds), last_at = clock_timestamp(),
           lease_token = nextval('lease_token'),
           lease_expires_at = clock_timestamp() + make_interval(secs => :lease_seconds)
     WHERE name = :name AND due_at <= clock_timestamp()
       AND (lease_expires_at IS NULL OR lease_expires_at <= clock_timestamp())
    RETURNING lease_token
    """
)
_RENEW = text(
    """
    UPDATE periodic_tick SET lease_expires_at = clock_timestamp() + make_interval(secs => :lease_seconds)
     WHERE name = :name AND lease_token = :token
    """
)
_GIVE_BACK = text("UPDATE periodic_tick SET lease_expires_at = NULL WHERE name = :name AND lease_token = :token")
_MAKE_DUE = text("UPDATE periodic_tick SET due_at = '-infinity' WHERE name = :name")


class TickLost(SubletError):
    """A running tick's lease could not be renewed, so another worker may have the next one: this one was ended."""

    code = "tick_lost"


@dataclass(frozen=True, slots=True)
class Periodic:
    """A task that runs every `seconds`, on one worker at a time, however long it takes."""

    name: str
    seconds: float
    run: Callable[[], Awaitable[object]]


async def take_tick(session: Session, periodic: Periodic, *, lease_seconds: float = LEASE_SECONDS) -> int | None:
    """The token of the tick if this worker has it, else None; one missed while nobody ran is taken once, not made up.

    Nobody else gets a tick of the task until the token is given back or its lease has run out.
    """
    await session.execute(_REGISTER, {"name": periodic.name})
    parameters = {"name": periodic.name, "seconds": periodic.seconds, "lease_seconds": lease_seconds}
    token = (await session.execute(_TAKE, parameters)).scalar_one_or_none()
    return None if token is None else int(token)


async def make_due(session: Session, name: str) -> None:
    """Let whichever worker looks next run a task at once, when the session's transaction has committed.

    A tick that runs just now is let finish first.
    """
    await session.execute(_MAKE_DUE, {"name": name})


async def run_tick(database: Database, periodic: Periodic, *, lease_seconds: float = LEASE_SECONDS) -> bool:
    """Run the task once if its tick is due and free; False if not. TickLost when the lease is lost on the way."""
    async with database.transaction() as session:
        token = await take_tick(session, periodic, lease_seconds=lease_seconds)
    if token is None:
        return False
    work = asyncio.create_task(_run(periodic))
    keeping = asyncio.create_task(_keep(database, periodic.name, token, lease_seconds))
    try:
        await asyncio.wait({work, keeping}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            await keeping
        await work
    finally:
        keeping.cancel()
        work.cancel()
        await asyncio.gather(work, keeping, return_exceptions=True)
        await _give_back(database, periodic.name, token)
    return True


async def _run(periodic: Periodic) -> None:
    started = time.perf_counter()
    with tracing.span(f"tick {periodic.name}"):
        await periodic.run()
    telemetry.worker_tick_seconds.labels(periodic.name).observe(time.perf_counter() - started)


async def _give_back(database: Database, name: str, token: int) -> None:
    try:
        async with database.transaction() as session:
            await session.execute(_GIVE_BACK, {"name": name, "token": token})
    except (SQLAlchemyError, OSError) as error:
        log.warning("periodic.not_given_back", task=name, error=type(error).__name__)  # it runs out by itself


async def _keep(database: Database, name: str, token: int, lease_seconds: float) -> None:
    """Renew the lease until cancelled; TickLost once it belongs to another, or may."""
    held_until = time.monotonic() + lease_seconds
    while True:
        await asyncio.sleep(lease_seconds / 3)
        asked = time.monotonic()
        try:
            async with asyncio.timeout(held_until - asked), database.transaction() as session:
                renewed = await session.execute(_RENEW, {"name": name, "token": token, "lease_seconds": lease_seconds})
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("periodic.not_renewed", task=name, error=type(error).__name__)
            if time.monotonic() >= held_until:
                raise TickLost(f"The lease of {name!r} could not be renewed in time.") from None
            continue
        if renewed.rowcount != 1:
            raise TickLost(f"The lease of {name!r} has passed to another worker.")
        held_until = asked + lease_seconds


async def run_periodically(database: Database, periodic: Periodic) -> None:
    """Run a task's ticks for ever; a failure is logged and counted, and the next tick tries again."""
    while True:
        try:
            await run_tick(database, periodic)
        except Exception as error:  # the loop must outlive whatever one tick meets
            telemetry.worker_failures_total.labels(periodic.name).inc()
            log.exception("periodic.failed", task=periodic.name, error=type(error).__name__)
        await asyncio.sleep(min(periodic.seconds, 1.0) / 2)
