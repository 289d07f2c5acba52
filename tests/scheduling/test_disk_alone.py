"""Claims of disk alone: what is suspended gives the rest back, and has it again where there is room."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from sublet.catalog.skus import Sku
from sublet.core.db import Database
from sublet.scheduling import claims
from sublet.scheduling.claims import Claim, NoCapacity
from sublet.scheduling.placement import availability, fits_again
from sublet.scheduling.windows import FROM_NOW_ON
from tests.scheduling.fleet_rows import add_node
from tests.scheduling.test_claims import make_sku

pytestmark = pytest.mark.anyio


async def claim(database: Database, sku: Sku, subject: str) -> Claim:
    async with database.transaction() as session:
        return await claims.claim(session, sku, subject, during=FROM_NOW_ON)


async def keep_disk(database: Database, subject: str) -> bool:
    async with database.transaction() as session:
        return await claims.keep_disk(session, subject)


async def claim_again(database: Database, sku: Sku, subject: str, node_id: str) -> Claim | None:
    async with database.transaction() as session:
        return await claims.claim_again(session, sku, subject, node_id)


async def free(database: Database, sku: Sku) -> int:
    async with database.reading() as session:
        return (await availability(session, [sku], during=FROM_NOW_ON))[sku.id].available


async def fits(database: Database, sku: Sku, node_id: str) -> bool:
    async with database.reading() as session:
        return await fits_again(session, sku, node_id)


async def taken(database: Database, node_id: str) -> tuple[int, int, int, int]:
    async with database.reading() as session:
        row = await session.execute(
            text("SELECT taken_vcpu, taken_memory_mib, taken_disk_gib, gpus_free FROM node_room WHERE node_id = :id"),
            {"id": node_id},
        )
        return tuple(row.one())  # type: ignore[return-value]


class TestGivingBack:
    async def test_leaves_the_disk_and_nothing_else(self, database: Database) -> None:
        node = await add_node(database, "n", vcpu=4, memory_mib=8192, disk_gib=100, gpus=["A"])
        sku = await make_sku(database, "gpu", vcpu=4, memory_mib=8192, disk_gib=60, gpu_count=1)
        await claim(database, sku, "first")
        assert await taken(database, node) == (4, 8192, 60, 0)
        assert await keep_disk(database, "first")
        assert await taken(database, node) == (0, 0, 60, 1)
        # Its disk is not there for a second one.
        assert await free(database, sku) == 0
        smaller = await make_sku(database, "smaller", vcpu=4, memory_mib=8192, disk_gib=40, gpu_count=1)
        assert await free(database, smaller) == 1
        assert (await claim(database, smaller, "second")).gpus == ("GPU-n-0",)

    async def test_twice_is_harmless(self, database: Database) -> None:
        node = await add_node(database, "n")
        sku = await make_sku(database, "small")
        await claim(database, sku, "first")
        assert await keep_disk(database, "first")
        before = await taken(database, node)
        assert not await keep_disk(database, "first")
        assert not await keep_disk(database, "nobody")
        assert await taken(database, node) == before

    async def test_of_a_whole_node_lets_others_come(self, database: Database) -> None:
        node = await add_node(database, "n", vcpu=8, memory_mib=8192, disk_gib=100)
        whole = await make_sku(database, "whole", vcpu=2, memory_mib=2048, disk_gib=10, whole_node=True)
        await claim(database, whole, "first")
        assert await free(database, whole) == 0
        await keep_disk(database, "first")
        assert await free(database, whole) == 1
        await claim(database, whole, "second")
        assert not await fits(database, whole, node)
        async with database.transaction() as session:
            await claims.free(session, "second")
        again = await claim_again(database, whole, "first", node)
        assert again is not None
        assert await free(database, whole) == 0

    async def test_is_not_for_what_is_not_proven_clean(self, database: Database) -> None:
        await add_node(database, "n", gpus=["A"])
        sku = await make_sku(database, "gpu", gpu_count=1)
        await claim(database, sku, "first")
        async with database.transaction() as session:
            await claims.block(session, "first", "something is left")
        assert not await keep_disk(database, "first")

    async def test_goes_on_where_a_node_has_less_disk_than_it_had(self, database: Database) -> None:
        node = await add_node(database, "n", vcpu=4, memory_mib=8192, disk_gib=100)
        sku = await make_sku(database, "small", vcpu=2, memory_mib=1024, disk_gib=60)
        await claim(database, sku, "first")
        async with database.transaction() as session:
            shrink = "UPDATE node SET inventory = jsonb_set(inventory, '{disk_gib}', '30') WHERE id = :id"
            await session.execute(text(shrink), {"id": node})
        assert await keep_disk(database, "first")
        assert (await taken(database, node))[:3] == (0, 0, 60)

    async def test_ends_with_the_release(self, database: Database) -> None:
        node = await add_node(database, "n")
        sku = await make_sku(database, "small")
        await claim(database, sku, "first")
        await keep_disk(database, "first")
        async with database.transaction() as session:
            assert await claims.free(session, "first")
        assert (await taken(database, node))[:3] == (0, 0, 0)


class TestHavingItAgain:
    async def test_is_on_the_same_node_with_whichever_gpu_is_free(self, database: Database) -> None:
        node = await add_node(database, "n", gpus=["A", "A"])
        sku = await make_sku(database, "gpu", vcpu=1, memory_mib=1024, disk_gib=10, gpu_count=1)
        had = await claim(database, sku, "first")
        await keep_disk(database, "first")
        assert (await claim(database, sku, "second")).gpus == had.gpus
        again = await claim_again(database, sku, "first", node)
        assert again is not None
        assert (again.node_id, again.gpus) == (node, ("GPU-n-1",))

    @pytest.mark.parametrize(
        "lacks", [{"vcpu": 4, "memory_mib": 64}, {"vcpu": 1, "memory_mib": 8192}, {"gpu_count": 1}]
    )
    async def test_waits_for_what_others_have(self, database: Database, lacks: dict[str, int]) -> None:
        node = await add_node(database, "n", vcpu=4, memory_mib=8192, disk_gib=100, gpus=["A"])
        sku = await make_sku(database, "gpu", vcpu=1, memory_mib=1024, disk_gib=10, gpu_count=1)
        other = await make_sku(
            database, "other", **{"vcpu": 1, "memory_mib": 1024, "disk_gib": 1, "gpu_count": 0, **lacks}
        )
        await claim(database, sku, "first")
        await keep_disk(database, "first")
        assert await fits(database, sku, node)
        await claim(database, other, "second")
        assert not await fits(database, sku, node)
        assert await claim_again(database, sku, "first", node) is None
        async with database.transaction() as session:
            await claims.free(session, "second")
        assert await claim_again(database, sku, "first", node) is not None

    async def test_needs_no_second_disk_and_no_node_that_takes_anything_new(self, database: Database) -> None:
        node = await add_node(database, "n", vcpu=4, memory_mib=8192, disk_gib=10)
        sku = await make_sku(database, "small", vcpu=1, memory_mib=1024, disk_gib=10)
        await claim(database, sku, "first")
        await keep_disk(database, "first")
        async with database.transaction() as session:
            await session.execute(text("UPDATE node SET state = 'cordoned' WHERE id = :id"), {"id": node})
        assert await claim_again(database, sku, "first", node) is not None
        assert await taken(database, node) == (1, 1024, 10, 0)

    async def test_is_not_for_another_model_of_gpu_nor_for_one_in_quarantine(self, database: Database) -> None:
        node = await add_node(database, "n", gpus=["A", "B"])
        sku = await make_sku(database, "a", vcpu=1, memory_mib=1024, disk_gib=10, gpu_count=1, gpu_model="A")
        await claim(database, sku, "first")
        await keep_disk(database, "first")
        async with database.transaction() as session:
            await session.execute(text("UPDATE gpu SET state = 'quarantined' WHERE model = 'A'"))
        assert await claim_again(database, sku, "first", node) is None

    async def test_is_not_for_what_has_its_claim(self, database: Database) -> None:
        node = await add_node(database, "n")
        sku = await make_sku(database, "small")
        await claim(database, sku, "first")
        assert await claim_again(database, sku, "first", node) is None
        assert await claim_again(database, sku, "nobody", node) is None

    async def test_and_a_launch_race_for_the_last_gpu_and_one_gets_it(self, database: Database) -> None:
        node = await add_node(database, "n", gpus=["A"])
        sku = await make_sku(database, "gpu", vcpu=1, memory_mib=1024, disk_gib=10, gpu_count=1)
        for number in range(8):
            owner, launched = f"owner-{number}", f"launched-{number}"
            await claim(database, sku, owner)
            await keep_disk(database, owner)

            async def launch(subject: str = launched) -> bool:
                try:
                    return bool(await claim(database, sku, subject))
                except NoCapacity:
                    return False

            async def resume(subject: str = owner) -> bool:
                return await claim_again(database, sku, subject, node) is not None

            assert sorted(await asyncio.gather(launch(), resume())) == [False, True]
            async with database.transaction() as session:
                for subject in (owner, launched):
                    await claims.free(session, subject)


class TestTheDatabase:
    @pytest.mark.parametrize(
        "takes",
        [
            "0, 1024, 10, 0, false",
            "1, 0, 10, 0, false",
            "0, 0, 10, 1, false",
            "0, 0, 10, 0, true",
            "0, 0, 0, 0, false",
        ],
    )
    async def test_knows_whole_claims_and_those_of_disk_alone(self, database: Database, takes: str) -> None:
        node = await add_node(database, "n", gpus=["A"])
        sku = await make_sku(database, "small")
        columns = "id, subject_id, node_id, sku_id, vcpu, memory_mib, disk_gib, gpu_count, whole_node, during"
        insert = f"INSERT INTO claim ({columns}) VALUES ('clm_x', 'x', :node, :sku, {takes}, tstzrange(now(), NULL))"
        with pytest.raises(IntegrityError):
            async with database.transaction() as session:
                await session.execute(text(insert), {"node": node, "sku": sku.id})

    async def test_lets_nobody_begin_with_a_disk_that_is_not_there(self, database: Database) -> None:
        """Only who has had it until that instant, on that node, and no more than so much."""
        node = await add_node(database, "n", disk_gib=10)
        sku = await make_sku(database, "small")
        columns = "id, subject_id, node_id, sku_id, vcpu, memory_mib, disk_gib, gpu_count, during"
        insert = (
            f"INSERT INTO claim ({columns}) VALUES ('clm_x', 'x', :node, :sku, 0, 0, 11, 0, tstzrange(now(), NULL))"
        )
        with pytest.raises(IntegrityError, match="has not enough left"):
            async with database.transaction() as session:
                await session.execute(text(insert), {"node": node, "sku": sku.id})
