"""One sweep over 1,000 nodes, and one list of revoked certificates told to 1,000 and to 10,000: `run()` gives the rows.

Everything that a worker does is done: leases, transactions, what the layers above make of each observation.
"""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text
from tests.support.ports import free_port

from bench.fleet import made
from bench.rows import Row, table
from bench.servers import own_postgres
from sublet.allocations.work import observations
from sublet.billing.policy import Policy
from sublet.core.actors import system_actor
from sublet.core.db import Database
from sublet.core.key_files import keyring_at
from sublet.core.runtime import allow_many_connections
from sublet.core.settings import Settings
from sublet.core.work.declaration import AnyWork
from sublet.core.work.reconciler import Reconciler
from sublet.fleet import certificates, revocations
from sublet.fleet.ca import CertificateAuthority
from sublet.fleet.kinds import SSH, BackendsByKind
from sublet.fleet.krl import RevocationList
from sublet.fleet.observation import Observer
from sublet.fleet.pool import NodePool
from sublet.fleet.ssh_backend import SshBackend

NODES = 1_000
MANY_NODES = 10_000
ROUND_TRIP_SECONDS = 0.02
SWEEP_SECONDS = 30.0
MOST_CORE = 0.5
REVOKED_SECONDS = 15.0
REVOKED_MANY_SECONDS = 60.0
PATIENCE_SECONDS = 300.0
ALLOCATION = "al_aaaaaaaaaaaaaaaa"


@dataclass(frozen=True, slots=True)
class Cost:
    """How long something took, and the CPU time that this process used for it."""

    seconds: float
    cpu: float


class Answering(SshBackend):
    """Nodes that are not there: each answers a list of revoked keys after one round trip."""

    async def revoke(self, node_id: str, revoked: RevocationList) -> None:
        """Take the list."""
        await asyncio.sleep(ROUND_TRIP_SECONDS)


def run() -> Sequence[Row]:
    """Measure on a server and with nodes of its own."""
    allow_many_connections()
    with own_postgres() as server, tempfile.TemporaryDirectory() as directory:
        return asyncio.run(_measure(server.app_url, Path(directory)))


async def _measure(url: str, directory: Path) -> list[Row]:
    database = Database(url)
    settings = Settings(data_directory=directory, public_url="https://sublet.test", observe_interval_seconds=3600)
    authority = CertificateAuthority(database, keyring_at(directory / "encryption.key"))
    pool = NodePool(database, authority, connect_seconds=60.0)
    try:
        who = await made.join_all(database, authority, nodes=NODES, port=free_port())
        with made.simulated(who, directory) as nodes:
            backend = BackendsByKind(database, {SSH: SshBackend(pool)})
            observer = Observer(database, backend, settings)
            observer.on_observed.append(
                observations.handler(database, policy=Policy.of(settings), release_lost_seconds=None)
            )
            observer.expected = observations.expected_on
            await _sweep(database, observer)  # opens the connections
            looks = await _sweep(database, observer)
            floor = await _round_trips(pool)
            certified = await _count(database, "issued_certificate WHERE kind = 'host'")
            told = await _revoke(database, revocations.work(backend), authority)
            await pool.close()
        if nodes.asked["revoke"] != NODES or nodes.asked.get("trust", 0):
            raise RuntimeError(f"each node was to be told once, and of nothing else: {nodes.asked}")
        if await _count(database, "issued_certificate WHERE kind = 'host'") != certified:
            raise RuntimeError("a revocation made host certificates")
        await made.join_all(database, authority, nodes=MANY_NODES - NODES, first=NODES, port=free_port())
        many = await _revoke(database, revocations.work(Answering(pool)), authority)
    finally:
        await pool.close()
        await database.close()
    work = f"fleet: one sweep over {NODES:,} nodes with one worker"
    share = looks.cpu / SWEEP_SECONDS
    return [
        Row(work, "round trips on open connections", floor, looks.seconds, "s", "≤ 30 s", looks.seconds <= 30),
        Row(
            f"{work}: CPU, one every {SWEEP_SECONDS:g} s",
            "a core",
            1,
            share,
            "cores",
            "≤ 50 % of a core",
            share <= MOST_CORE,
        ),
        Row(
            f"fleet: a revocation known to {NODES:,} nodes",
            "round trips on open connections",
            floor,
            told.seconds,
            "s",
            f"≤ {REVOKED_SECONDS:g} s",
            told.seconds <= REVOKED_SECONDS,
            f"{told.cpu:.1f} s of CPU",
        ),
        Row(
            f"fleet: a revocation known to {MANY_NODES:,} simulated nodes",
            f"round trips of {ROUND_TRIP_SECONDS * 1000:g} ms, {revocations.NODES_AT_A_TIME} at a time",
            MANY_NODES * ROUND_TRIP_SECONDS / revocations.NODES_AT_A_TIME,
            many.seconds,
            "s",
            f"≤ {REVOKED_MANY_SECONDS:g} s",
            many.seconds <= REVOKED_MANY_SECONDS,
            f"{many.cpu:.1f} s of CPU",
        ),
    ]


async def _sweep(database: Database, observer: Observer) -> Cost:
    async with database.transaction() as session:
        await session.execute(text("UPDATE work SET due_at = clock_timestamp() WHERE kind = 'node'"))
        begun = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    return await _until(database, observer.work(), f"node WHERE last_seen_at > '{begun}'", NODES)


async def _revoke(database: Database, work: AnyWork, authority: CertificateAuthority) -> Cost:
    signer = await authority.user_signer()
    async with database.transaction() as session:
        await certificates.issue_terminal(session, system_actor(), ALLOCATION, signer=signer, login="al-bench")
        nodes = (await session.execute(text("SELECT count(*) FROM node"))).scalar_one()
        assert await certificates.revoke_subject(session, ALLOCATION, reason="measured") == 1
        mark = (await session.execute(text("SELECT CAST(pg_current_xact_id() AS text)"))).scalar_one()
    return await _until(database, work, f"node WHERE revocations_below > '{mark}'", nodes)


async def _until(database: Database, work: AnyWork, which: str, wanted: int) -> Cost:
    worker = Reconciler(database, [work])
    begun, cpu = time.perf_counter(), time.process_time()
    working = asyncio.create_task(worker.run())
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await _count(database, which) < wanted:  # noqa: ASYNC110 - another process may do it
                await asyncio.sleep(0.1)
        return Cost(time.perf_counter() - begun, time.process_time() - cpu)
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def _count(database: Database, which: str) -> int:
    async with database.reading() as session:
        return int((await session.execute(text(f"SELECT count(*) FROM {which}"))).scalar_one())


async def _round_trips(pool: NodePool) -> float:
    """The floor: one request to each node on its open connection, and nothing else."""
    begun = time.perf_counter()
    await asyncio.gather(*(connection.request("observe", {}) for connection in pool._open.values()))
    return time.perf_counter() - begun


if __name__ == "__main__":
    print(table(run()))
