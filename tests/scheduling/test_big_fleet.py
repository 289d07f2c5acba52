"""Decisions about 10,000 nodes and 100,000 claims, held by what they read: no other load on a machine changes that."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from bench.placement import fleet
from sqlalchemy import text

from sublet.catalog import skus
from sublet.catalog.skus import Sku
from sublet.core.clock import database_now
from sublet.core.db import Database
from sublet.scheduling import claims, placement
from sublet.scheduling.claims import NoCapacity
from sublet.scheduling.placement import availability
from sublet.scheduling.windows import FROM_NOW_ON, Window
from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.scheduling.fleet_rows import change

pytestmark = pytest.mark.anyio

MOST_BUFFERS = 2000
CPU, GPU = "cpu-4", "gpu-1-2"


class Undone(Exception):
    """What was done is taken back."""


@pytest.fixture(scope="module")
def big(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The URL of a database with a big fleet; whatever a test changes in it, it changes back."""
    name = f"t_{uuid4().hex[:16]}"
    postgres.sql(f"CREATE DATABASE {name} TEMPLATE sublet STRATEGY file_copy")
    try:
        fleet.build(postgres.url("sublet_owner", name))
        yield postgres.url("sublet_app", name)
    finally:
        postgres.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def database(big: str) -> AsyncIterator[Database]:
    """One connection to it, so that what it reads is counted in one place."""
    database = Database(big, pool_size=1)
    yield database
    await database.close()


async def sku_of(database: Database, code: str) -> Sku:
    async with database.reading() as session:
        return next(one for one in await skus.list_active(session) if one.code == code)


async def read_so_far(database: Database) -> int:
    """Buffers that were read in the database; there is one connection to it."""
    async with database.reading() as session:
        await session.execute(text("SELECT pg_stat_force_next_flush()"))
        read = "SELECT blks_hit + blks_read FROM pg_stat_database WHERE datname = current_database()"
        return int((await session.execute(text(read))).scalar_one())


async def decide(database: Database, sku: Sku, during: Window = FROM_NOW_ON, *, subject: str = "x") -> int:
    """Buffers that a whole decision reads, its triggers and counts included; what it claimed is taken back."""
    before = await read_so_far(database)
    try:
        async with database.transaction() as session:
            await session.execute(text("SELECT pg_stat_force_next_flush()"))
            await claims.claim(session, sku, subject, during=during)
            raise Undone
    except Undone:
        return await read_so_far(database) - before


async def refuse(database: Database, sku: Sku, during: Window = FROM_NOW_ON) -> int:
    """Buffers that it takes to find out that a shape fits nowhere."""
    before = await read_so_far(database)
    async with database.transaction() as session:
        await session.execute(text("SELECT pg_stat_force_next_flush()"))
        with pytest.raises(NoCapacity):
            await claims.claim(session, sku, "x", during=during)
    return await read_so_far(database) - before


class TestADecision:
    @pytest.mark.parametrize("code", [CPU, GPU])
    async def test_reads_little(self, database: Database, code: str) -> None:
        sku = await sku_of(database, code)
        await decide(database, sku)  # the first one of a connection also reads what everything is called
        assert await decide(database, sku) <= MOST_BUFFERS / 2

    @pytest.mark.parametrize(("code", "index"), [(CPU, "node_room_spread"), (GPU, "gpu_room_fit")])
    async def test_finds_candidates_by_an_index(self, database: Database, code: str, index: str) -> None:
        sku = await sku_of(database, code)
        statement, parameters = placement.search(sku, during=FROM_NOW_ON, limit=claims.CANDIDATES, avoid=())
        async with database.reading() as session:
            explain = text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement.text}")
            [explained] = (await session.execute(explain, parameters)).scalar_one()
        plan = explained["Plan"]
        assert index in str(plan)
        assert plan["Actual Rows"] == claims.CANDIDATES
        assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] <= MOST_BUFFERS / 20

    async def test_that_nothing_fits_reads_little(self, database: Database) -> None:
        for code, asked in ((CPU, {"vcpu": 64}), (GPU, {"gpu_count": 8}), (CPU, {"node_labels": {"zone": "none"}})):
            sku = replace(await sku_of(database, code), **asked)
            await refuse(database, sku)
            assert await refuse(database, sku) <= MOST_BUFFERS, asked

    async def test_reads_little_although_many_that_would_be_best_were_not_seen(self, database: Database) -> None:
        best = "SELECT node_id FROM node_room ORDER BY gpus_free, load, memory_free_mib, vcpu_free, node_id LIMIT 1000"
        await change(database, f"UPDATE node_room SET accepts_until = '-infinity' WHERE node_id IN ({best})")
        sku = await sku_of(database, CPU)
        try:
            await decide(database, sku)
            assert await decide(database, sku) <= MOST_BUFFERS
        finally:
            await change(database, "UPDATE node_room SET accepts_until = clock_timestamp() + interval '1 day'")

    async def test_about_a_window_reads_little_while_something_is_free_for_good(self, database: Database) -> None:
        async with database.reading() as session:
            start = await database_now(session) + timedelta(hours=1)
        during = Window(start, start + timedelta(hours=8))
        for code in (CPU, GPU):
            sku = await sku_of(database, code)
            await decide(database, sku, during)
            assert await decide(database, sku, during) <= MOST_BUFFERS / 2


class TestOffers:
    async def test_read_each_room_twice_at_most(self, database: Database) -> None:
        async with database.reading() as session:
            offered = await skus.list_active(session)
        await self._look(database, offered)
        before = await read_so_far(database)
        found = await self._look(database, offered)
        assert await read_so_far(database) - before <= MOST_BUFFERS
        assert len(found) == len(offered) == 17
        assert found[CPU] > 10_000

    @staticmethod
    async def _look(database: Database, offered: Sequence[Sku]) -> dict[str, int]:
        async with database.reading() as session:
            await session.execute(text("SELECT pg_stat_force_next_flush()"))
            found = await availability(session, offered, during=FROM_NOW_ON)
        return {sku.code: found[sku.id].available for sku in offered}
