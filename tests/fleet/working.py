"""The work on nodes, as a worker does it, a step at a time."""

from sqlalchemy import text

from sublet.core.db import Database
from sublet.core.work.reconciler import Reconciler
from sublet.fleet import observation, revocations, trial
from sublet.fleet.host_certificates import HostCertificates
from sublet.fleet.observation import Observer
from sublet.fleet.ssh_backend import SshBackend
from sublet.fleet.work import NODE, TRIAL
from tests.support import work

_SEEN = text("SELECT last_seen_at, misses FROM node WHERE id = :id")


async def look(database: Database, observer: Observer, node_id: str) -> bool:
    """Look at a node now, due or not."""
    async with database.transaction() as session:
        await observation.make_due(session, node_id)
    return await look_at(observer, node_id)


async def look_at(observer: Observer, node_id: str) -> bool:
    """Have a node looked at if it is due, and tried if that is asked for; whether it was seen."""
    before = await _standing(observer, node_id)
    worker = Reconciler(observer.database, [observer.work()])
    if not await work.look_at(worker, NODE, node_id):
        return False
    last_seen_at, misses = await _standing(observer, node_id)
    await work.look_at(Reconciler(observer.database, [trial.work(observer.backend)]), TRIAL, node_id)
    return misses == 0 and last_seen_at != before[0]


async def try_again(observer: Observer, node_id: str) -> None:
    """Try a node that is to be tried anyhow, due or not."""
    async with observer.database.transaction() as session:
        due = text("UPDATE work SET due_at = clock_timestamp() WHERE kind = 'trial' AND id = :id")
        assert (await session.execute(due, {"id": node_id})).rowcount == 1
    assert await work.look_at(Reconciler(observer.database, [trial.work(observer.backend)]), TRIAL, node_id)


async def _standing(observer: Observer, node_id: str) -> tuple[object, int]:
    async with observer.database.reading() as session:
        row = (await session.execute(_SEEN, {"id": node_id})).one()
    return row.last_seen_at, row.misses


async def note_offline(observer: Observer) -> list[str]:
    """Note nodes that were away for too long."""
    async with observer.database.transaction() as session:
        return await observer.note_offline(session)


async def renew_due(renewals: HostCertificates) -> int:
    """Push to every node that is due; how many."""
    worker = Reconciler(renewals.database, [renewals.work()])
    due = await worker.sweep()
    await worker.drain()
    return due


async def tell_revoked(database: Database, backend: SshBackend) -> int:
    """Tell nodes what is revoked, if that is due; how many rows were."""
    worker = Reconciler(database, [revocations.work(backend)])
    due = await worker.sweep()
    await worker.drain()
    return due
