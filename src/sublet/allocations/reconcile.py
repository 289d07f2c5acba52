"""Bring one allocation and its node to what is wanted: lease → node → result, and take over from whoever died.

No session is open while the node is asked. A result is stored only while the lease is ours, and the node refuses
whoever comes with an older generation, so that any number of workers may try at any time.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, TypeVar

from sublet.allocations import records, removal, setup
from sublet.allocations.models import allocation as allocation_table
from sublet.allocations.removal import Removal
from sublet.allocations.retries import DEFAULT_PACE, Pace
from sublet.allocations.setup import Setup
from sublet.allocations.states import AllocationState
from sublet.core import leases, telemetry
from sublet.core.db import Database, Session
from sublet.core.leases import Lease, LeaseLost
from sublet.fleet.backend import FleetBackend

log = telemetry.get_logger(__name__)

MOST_ROUNDS = 10
_SETTING_UP = frozenset({AllocationState.QUEUED, AllocationState.PROVISIONING})
_KEPT = frozenset({AllocationState.ACTIVE, AllocationState.SUSPENDED, AllocationState.LOST})
_GOING = frozenset({AllocationState.RELEASING, AllocationState.RELEASE_FAILED, AllocationState.FAILED})

T = TypeVar("T")


async def reconcile(
    database: Database, backend: FleetBackend, allocation_id: str, *, pace: Pace = DEFAULT_PACE
) -> None:
    """Do what is due on the allocation, if anything is and nobody else does it. Safe to call at any time."""
    again = True
    for _ in range(MOST_ROUNDS):
        if not again:
            return
        try:
            again = await _round(database, backend, allocation_id, pace)
        except LeaseLost:
            # What is wanted has changed, or another worker took over: whoever has the lease now goes on from there.
            log.info("allocation.overtaken", allocation=allocation_id)
            again = True


async def _round(database: Database, backend: FleetBackend, allocation_id: str, pace: Pace) -> bool:
    async with database.transaction() as session:
        work = await _take(session, allocation_id, pace)
    if isinstance(work, bool):
        return work
    if isinstance(work, Setup):
        done = await _keeping(database, work.lease, pace, setup.act(backend, work))
        async with database.transaction() as session:
            return await setup.conclude(session, work, done, pace)
    removed = await _keeping(database, work.lease, pace, removal.act(backend, work))
    async with database.transaction() as session:
        return await removal.conclude(session, work, removed, pace)


async def _take(session: Session, allocation_id: str, pace: Pace) -> Setup | Removal | bool:
    """Take the lease and say what is to be done; or whether to look again, when nothing is."""
    lease = await leases.claim(session, allocation_table, allocation_id, seconds=pace.lease_seconds)
    if lease is None:
        return False
    allocation = await records.lock(session, allocation_id)
    if allocation.state in _SETTING_UP and allocation.attempts > pace.provision_attempts:
        # Only crashes get here: a failure that was seen ends it at the last attempt.
        await setup.give_up(
            session,
            lease,
            allocation,
            "provisioning_interrupted",
            "Setting the allocation up was interrupted too often. Nothing was charged and the funds are available "
            "again. Launch again.",
        )
        return True
    if allocation.state in _SETTING_UP or allocation.state in _KEPT:
        return await setup.begin(session, lease, allocation)
    if allocation.state in _GOING and allocation.on_node:
        return await removal.begin(session, lease, allocation)
    await leases.finish(session, lease, retry_in_seconds=None)
    return False


async def _keeping(database: Database, lease: Lease, pace: Pace, work: Coroutine[Any, Any, T]) -> T:
    """Run the work and renew its lease meanwhile; a lease that is lost cancels the work."""
    task = asyncio.ensure_future(work)
    try:
        while True:
            done, _ = await asyncio.wait({task}, timeout=pace.lease_seconds / 3)
            if done:
                return task.result()
            async with database.transaction() as session:
                await leases.renew(session, lease, seconds=pace.lease_seconds)
    finally:
        if not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
