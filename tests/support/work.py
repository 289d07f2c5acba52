"""One row of leased work, looked at now by a worker that does nothing else."""

import asyncio
from unittest.mock import patch

from sublet.core.work import leases
from sublet.core.work.leases import Lease
from sublet.core.work.reconciler import Reconciler


async def look_at(worker: Reconciler, kind: str, row_id: str) -> bool:
    """Let a worker do one row, if that is ready and nobody has it; whether it was. Its lease is renewed meanwhile."""
    async with worker.database.transaction() as session:
        lease = await leases.lease_one(session, kind, row_id, seconds=worker.lease_seconds)
    if lease is None:
        return False
    worker._begin(lease)
    task = worker._tasks[lease.token]
    keeping = asyncio.create_task(worker._renew_for_ever())
    try:
        await asyncio.wait({task})
    finally:
        keeping.cancel()
        await worker._cancel([lease])
    if not task.cancelled():
        task.result()
    return True


async def sweep_once(worker: Reconciler) -> int:
    """Let a worker do all that is ready; how many rows. What kills it is raised, also while it is still looking."""
    tasks: list[asyncio.Task[None]] = []
    begin = worker._begin

    def begin_and_keep(lease: Lease) -> None:
        begin(lease)
        tasks.append(worker._tasks[lease.token])

    with patch.object(worker, "_begin", begin_and_keep):
        begun = await worker.sweep()
    keeping = asyncio.create_task(worker._renew_for_ever())
    try:
        if tasks:
            await asyncio.wait(tasks)
    finally:
        keeping.cancel()
        await worker._cancel(worker._slots.held)
    for task in tasks:
        if not task.cancelled():
            task.result()
    return begun
