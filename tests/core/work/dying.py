"""A worker as its own process that ends itself with kill -9 at one boundary: python -m … URL BOUNDARY HEATED."""

import asyncio
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from tests.core.work import kettles
from tests.core.work.kettles import Stoves

from sublet.core.db import Database, Session
from sublet.core.work.declaration import AnyWork
from sublet.core.work.leases import Lease
from sublet.core.work.outcomes import Outcome
from sublet.core.work.reconciler import Reconciler

BOUNDARIES = ("leased", "taking", "taken", "acted", "concluding")


def die() -> None:
    """End as a process without power does."""
    os.kill(os.getpid(), signal.SIGKILL)


def dying(work: AnyWork, boundary: str) -> AnyWork:
    """The same work, of which nothing comes after a boundary."""
    assert work.act is not None
    assert work.conclude is not None
    take, act, conclude = work.take, work.act, work.conclude

    async def take_and_die(session: Session, lease: Lease) -> str | Outcome:
        if boundary == "leased":
            die()
        taken: str | Outcome = await take(session, lease)
        if boundary == "taking":
            die()
        return taken

    async def act_and_die(lease: Lease, taken: str) -> None:
        if boundary == "taken":
            die()
        await act(lease, taken)
        if boundary == "acted":
            die()

    async def conclude_and_die(session: Session, lease: Lease, taken: str, result: None) -> Outcome:
        outcome: Outcome = await conclude(session, lease, taken, result)
        die()
        return outcome

    return replace(work, take=take_and_die, act=act_and_die, conclude=conclude_and_die)


async def main(url: str, boundary: str, heated: Path) -> None:
    """Work until dead."""

    class Written(Stoves):
        async def heat(self, kettle_id: str, stove: str) -> None:
            await super().heat(kettle_id, stove)
            with heated.open("a") as lines:
                lines.write(f"{kettle_id}\n")

    worker = Reconciler(Database(url, pool_size=2), [dying(kettles.work(Written()), boundary)])
    await worker.sweep()
    await worker.drain()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
