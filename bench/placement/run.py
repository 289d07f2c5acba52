"""A decision about where to go among 10,000 nodes and 100,000 claims, beside one indexed query: `run()` gives the rows.

A decision is all of `claims.claim`: finding where it fits, locking, claiming, and counting anew what is left.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy import text

from bench.placement import fleet
from bench.rows import Row, table
from bench.servers import own_postgres
from sublet.catalog import skus
from sublet.catalog.skus import Sku
from sublet.core.db import Database, Session
from sublet.scheduling import claims, placement
from sublet.scheduling.windows import FROM_NOW_ON

ROUNDS = 200
WARM_UP = 20
MOST_MS = 10.0
MOST_BUFFERS = 2000
SHAPES = {"without GPUs": "cpu-4", "with 2 of 8 GPUs": "gpu-1-2"}
FLOOR = text("SELECT node_id FROM node_room WHERE node_id = :node_id")


class Undone(Exception):
    """What was done is taken back, so that each round sees the same fleet."""


def run() -> Sequence[Row]:
    """Build the fleet on a server of its own and measure."""
    with own_postgres() as server:
        fleet.build(server.owner_url)
        return asyncio.run(_measure(server.app_url))


async def _measure(url: str) -> list[Row]:
    database = Database(url, pool_size=1)
    size = f"among {fleet.NODES:,} nodes and {fleet.CLAIMS:,} claims"
    try:
        async with database.reading() as session:
            offered = await skus.list_active(session)
            node_id = (await session.execute(text("SELECT max(node_id) FROM node_room"))).scalar_one()

        async def floor(session: Session) -> None:
            await session.execute(FLOOR, {"node_id": node_id})

        async def offers(session: Session) -> None:
            await placement.availability(session, offered, during=FROM_NOW_ON)

        floor_ms, floor_buffers = await _rounds(database, floor)
        rows = []
        for name, code in SHAPES.items():
            sku = next(one for one in offered if one.code == code)
            ms, buffers = await _rounds(database, _deciding(sku))
            work = f"placement: a decision {size}, {name}"
            rows += [
                Row(work, "one indexed query", floor_ms, ms, "ms", f"≤ {MOST_MS:g} ms", ms <= MOST_MS, "p50"),
                Row(
                    f"{work}: buffers read",
                    "the same",
                    floor_buffers,
                    buffers,
                    "buffers",
                    f"≤ {MOST_BUFFERS}",
                    buffers <= MOST_BUFFERS,
                ),
            ]
        ms, _ = await _rounds(database, offers)
        rows.append(
            Row(f"offers: {len(offered)} SKUs counted {size}", "the same", floor_ms, ms, "ms", "–", None, "p50")
        )
        return rows
    finally:
        await database.close()


def _deciding(sku: Sku) -> Callable[[Session], Awaitable[None]]:
    async def decide(session: Session) -> None:
        await claims.claim(session, sku, "al_bench", during=FROM_NOW_ON)

    return decide


async def _rounds(database: Database, work: Callable[[Session], Awaitable[None]]) -> tuple[float, float]:
    """The median of the milliseconds that the work takes in a transaction that is open, and the buffers of each."""
    for _ in range(WARM_UP):
        await _once(database, work)
    before = await _buffers(database)
    times = [await _once(database, work) for _ in range(ROUNDS)]
    read = await _buffers(database) - before
    return statistics.median(times) * 1000, read / ROUNDS


async def _once(database: Database, work: Callable[[Session], Awaitable[None]]) -> float:
    seconds = 0.0
    try:
        async with database.transaction() as session:
            await session.execute(text("SELECT 1"))  # the transaction has begun
            begun = time.perf_counter()
            await work(session)
            seconds = time.perf_counter() - begun
            raise Undone
    except Undone:
        return seconds


async def _buffers(database: Database) -> int:
    """Buffers that were read in the database; there is one connection to it."""
    async with database.reading() as session:
        await session.execute(text("SELECT pg_stat_force_next_flush()"))
        read = "SELECT blks_hit + blks_read FROM pg_stat_database WHERE datname = current_database()"
        return int((await session.execute(text(read))).scalar_one())


if __name__ == "__main__":
    print(table(run()))
