"""Kettles, stoves and workers on a test's database; time is moved by moving what is stored."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, text
from tests.core.work import kettles
from tests.core.work.kettles import Stoves, want_hot

from sublet.core.db import Database
from sublet.core.work.reconciler import Reconciler


@dataclass
class Kitchen:
    """What a test of the engine touches."""

    database: Database
    stoves: Stoves = field(default_factory=Stoves)

    def worker(self, *, lease_seconds: float = 6.0, **options: Any) -> Reconciler:
        """A worker that sweeps when told to, and renews nothing unless told to."""
        return Reconciler(self.database, [kettles.work(self.stoves, **options)], lease_seconds=lease_seconds)

    async def want(self, *kettle_ids: str, stove: str = "north", cook: str = "") -> None:
        """Kettles that are wanted hot, by a cook who shares the stove with others."""
        for kettle_id in kettle_ids:
            async with self.database.transaction() as session:
                await want_hot(session, kettle_id, stove, cook)

    async def work(self, worker: Reconciler) -> None:
        """Sweep until nothing is ready and nothing is under way."""
        await worker.drain()
        while await worker.sweep():
            await worker.drain()

    async def state(self, kettle_id: str = "a") -> str:
        """How a kettle stands."""
        return str((await self.one("SELECT state FROM kettle WHERE id = :id", id=kettle_id)).state)

    async def states(self) -> dict[str, str]:
        """How all kettles stand."""
        async with self.database.reading() as session:
            return {row.id: row.state for row in await session.execute(text("SELECT id, state FROM kettle"))}

    async def row(self, kettle_id: str = "a") -> Row[Any] | None:
        """A kettle's row of work; None when nothing is to be done."""
        statement = text(
            "SELECT *, due_at = 'infinity' AS undated FROM (SELECT kind, id, place, lease_token, attempts, "
            "crashes, last_error, lease_expires_at IS NOT NULL AS leased, set_aside_at IS NOT NULL AS aside, "
            "due_at::text AS due_at FROM work) w WHERE id = :id"
        )
        async with self.database.reading() as session:
            return (await session.execute(statement, {"id": kettle_id})).one_or_none()

    async def one(self, statement: str, **parameters: Any) -> Row[Any]:
        """One row of anything."""
        async with self.database.reading() as session:
            return (await session.execute(text(statement), parameters)).one()

    async def run(self, statement: str, **parameters: Any) -> None:
        """Change anything, behind everybody's back."""
        async with self.database.transaction() as session:
            await session.execute(text(statement), parameters)

    async def leases_run_out(self) -> None:
        """Let so much time pass that nobody holds anything any more."""
        await self.run("UPDATE work SET lease_expires_at = clock_timestamp() WHERE lease_expires_at IS NOT NULL")

    async def waits_pass(self) -> None:
        """Let so much time pass that everything that waits is due."""
        await self.run("UPDATE work SET due_at = clock_timestamp() WHERE due_at < 'infinity'")


DEADLINE = 10.0


class Held:
    """A stove that is slow: it heats when it is let."""

    def __init__(self, kitchen: Kitchen) -> None:
        self.begun, self.let = asyncio.Event(), asyncio.Event()
        self.running, self.most, self.cancelled = 0, 0, 0
        self._heat = kitchen.stoves.heat
        kitchen.stoves.heat = self.heat  # type: ignore[method-assign]

    async def heat(self, kettle_id: str, stove: str) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        self.begun.set()
        try:
            await self.let.wait()
            await self._heat(kettle_id, stove)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1

    async def has_begun(self) -> None:
        async with asyncio.timeout(DEADLINE):
            await self.begun.wait()


async def die(worker: Reconciler) -> None:
    """End a worker as kill -9 would: nothing of what it does is finished, and nothing is given back."""
    await worker._cancel(worker._slots.held)
