"""What is left of a node follows what the fleet knows of it, in the same transaction."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from sublet.catalog.skus import Sku
from sublet.core.db import Database
from sublet.scheduling import claims
from sublet.scheduling.placement import availability
from sublet.scheduling.windows import FROM_NOW_ON
from tests.scheduling.fleet_rows import add_node, change, set_gpu_state
from tests.scheduling.test_claims import free_of, make_sku, take
from tests.scheduling.test_lock_order import until_somebody_waits

pytestmark = pytest.mark.anyio

SECONDS = 10.0
"""Longer than anything takes here that waits for nobody."""


async def free(database: Database, subject_id: str) -> None:
    async with database.transaction() as session:
        assert await claims.free(session, subject_id)


async def enforced(database: Database, sku: Sku) -> bool:
    async with database.reading() as session:
        return (await availability(session, [sku], during=FROM_NOW_ON))[sku.id].limits_enforced


class TestARoom:
    async def test_opens_and_closes_with_the_nodes_state(self, database: Database) -> None:
        await add_node(database, "n", vcpu=2)
        sku = await make_sku(database, "s")
        for state, offered in (("cordoned", 0), ("ready", 1), ("offline", 0)):
            await change(database, "UPDATE node SET state = :state", state=state)
            assert await free_of(database, sku) == [offered]

    async def test_has_the_nodes_labels_and_what_it_enforces(self, database: Database) -> None:
        await add_node(database, "n", vcpu=2, labels={"zone": "a"})
        sku = await make_sku(database, "s", node_labels={"zone": "b"})
        assert await free_of(database, sku) == [0]
        await change(database, """UPDATE node SET labels = '{"zone": "b", "disk": "fast"}'""")
        assert (await free_of(database, sku), await enforced(database, sku)) == ([1], True)
        await change(database, "UPDATE node SET limits_enforced = false")
        assert not await enforced(database, sku)

    async def test_grows_and_shrinks_with_the_nodes_inventory(self, database: Database) -> None:
        await add_node(database, "n", vcpu=1, gpus=["A", "A"])
        plain, gpu = await make_sku(database, "s"), await make_sku(database, "g", gpu_count=1)
        for vcpu, offered in (("2", 1), ("4", 2), ("0", 0)):
            await change(
                database, "UPDATE node SET inventory = inventory || jsonb_build_object('vcpu', :vcpu)", vcpu=int(vcpu)
            )
            assert await free_of(database, plain, gpu) == [offered, offered]
            if offered == 2:
                await take(database, gpu, "x")
                await free(database, "x")

    async def test_counts_gpus_as_the_fleet_lets_them_be_given_out(self, database: Database) -> None:
        await add_node(database, "n", gpus=["A", "A"])
        one, any_pair = (
            await make_sku(database, "g", gpu_model="A", gpu_count=1),
            await make_sku(database, "p", gpu_count=2),
        )
        assert await free_of(database, one, any_pair) == [2, 1]
        for state, offered in (("missing", [1, 0]), ("available", [2, 1]), ("quarantined", [1, 0])):
            await set_gpu_state(database, "GPU-n-0", state)
            assert await free_of(database, one, any_pair) == offered

    async def test_has_none_left_of_a_model_that_its_driver_calls_otherwise_now(self, database: Database) -> None:
        await add_node(database, "n", gpus=["A"])
        old, new = [await make_sku(database, model.lower(), gpu_model=model, gpu_count=1) for model in "AB"]
        await change(database, "UPDATE gpu SET model = 'B'")
        assert await free_of(database, old, new) == [0, 1]
        assert (await take(database, new, "x")).gpus == ("GPU-n-0",)


class TestTheLock:
    async def test_is_taken_by_whoever_writes_a_claim_without_asking(self, database: Database) -> None:
        node_id = await add_node(database, "n", vcpu=2)
        sku = await make_sku(database, "s")
        insert = text(
            """
            INSERT INTO claim (id, subject_id, node_id, sku_id, vcpu, memory_mib, disk_gib, gpu_count, during)
            VALUES (:id, :id, :node, :sku, 2, 1, 1, 0, tstzrange(clock_timestamp(), NULL))
            """
        )

        async def write(claim_id: str) -> None:
            async with database.transaction() as session:
                await session.execute(insert, {"id": claim_id, "node": node_id, "sku": sku.id})

        async with database.transaction() as session:
            await session.execute(insert, {"id": "clm_a", "node": node_id, "sku": sku.id})
            second = asyncio.create_task(write("clm_b"))
            await until_somebody_waits(database)
        with pytest.raises(IntegrityError, match="has not enough left"):
            await second

    async def test_is_of_the_node_alone_to_take_something_there_and_to_give_it_back(self, database: Database) -> None:
        skus = []
        for name in "ab":
            await add_node(database, name, labels={"name": name})
            skus.append(await make_sku(database, name, node_labels={"name": name}))
        await take(database, skus[0], "x")
        async with database.transaction() as session, asyncio.timeout(SECONDS):
            await claims.claim(session, skus[0], "y", during=FROM_NOW_ON)
            await take(database, skus[1], "z")
            await free(database, "z")
