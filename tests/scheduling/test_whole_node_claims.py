"""Claims of whole nodes: nobody else is there, and nobody else comes."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from sublet.core.db import Database
from sublet.scheduling import claims
from sublet.scheduling.claims import Claim, NoCapacity
from tests.scheduling.claims import free_of, make_sku, take
from tests.scheduling.fleet_rows import add_node

pytestmark = pytest.mark.anyio


class TestWholeNodes:
    async def test_are_nodes_where_nobody_is(self, database: Database) -> None:
        for name in ("a", "b"):
            await add_node(database, name)
        small, whole = await make_sku(database, "s"), await make_sku(database, "w", whole_node=True)
        assert await free_of(database, whole) == [2], "of a node that has room for four, one"
        had = await take(database, small, "s1")
        assert await free_of(database, whole) == [1]
        assert (await take(database, whole, "w1")).node_id != had.node_id
        with pytest.raises(NoCapacity):
            await take(database, whole, "w2")
        async with database.transaction() as session:
            assert await claims.free(session, "s1")
        assert (await take(database, whole, "w2")).node_id == had.node_id

    async def test_nobody_else_comes_to(self, database: Database) -> None:
        await add_node(database, "n", gpus=["A"])
        small, gpu = await make_sku(database, "s"), await make_sku(database, "g", gpu_count=1)
        await take(database, await make_sku(database, "w", whole_node=True), "w1")
        assert await free_of(database, small, gpu) == [0, 0]
        for sku in (small, gpu):
            with pytest.raises(NoCapacity):
                await take(database, sku, "x")
        async with database.transaction() as session:
            assert await claims.block(session, "w1", "a file is left")
        assert await free_of(database, small, gpu) == [0, 0]
        async with database.transaction() as session:
            assert await claims.free(session, "w1")
        assert await free_of(database, small, gpu) == [4, 1]

    async def test_stay_whole_when_more_of_them_is_found(self, database: Database) -> None:
        node_id = await add_node(database, "n")
        small = await make_sku(database, "s")
        await take(database, await make_sku(database, "w", whole_node=True), "w1")
        async with database.transaction() as session:
            larger = "inventory || jsonb_build_object('vcpu', 64, 'memory_mib', 1048576)"
            await session.execute(
                text(f"UPDATE node SET inventory = {larger} WHERE id = :id"),
                {"id": node_id},
            )
        assert await free_of(database, small) == [0]

    @pytest.mark.parametrize("first", [True, False])
    async def test_are_not_shared_whatever_is_inserted(self, database: Database, first: bool) -> None:
        node_id = await add_node(database, "n", vcpu=64, memory_mib=1 << 20)
        sku = await make_sku(database, "s", vcpu=1)
        statement = text(
            "INSERT INTO claim (id, subject_id, node_id, sku_id, vcpu, memory_mib, disk_gib, gpu_count, during,"
            " whole_node) VALUES (:id, :id, :node, :sku, 1, 64, 1, 0, tstzrange(clock_timestamp(), NULL), :whole)"
        )
        asked = {"node": node_id, "sku": sku.id}
        async with database.transaction() as session:
            await session.execute(statement, {**asked, "id": "one", "whole": first})
        with pytest.raises(IntegrityError, match="has not enough left"):
            async with database.transaction() as session:
                await session.execute(statement, {**asked, "id": "two", "whole": not first})

    async def test_are_asked_for_at_the_same_time_and_given_once(self, database: Database) -> None:
        await add_node(database, "n", vcpu=64, memory_mib=1 << 20, disk_gib=10000)
        kinds = [await make_sku(database, "s"), await make_sku(database, "w", whole_node=True)]
        answers = await asyncio.gather(
            *(take(database, kinds[number % 2], f"s{number}") for number in range(20)), return_exceptions=True
        )
        won = [number % 2 for number, answer in enumerate(answers) if isinstance(answer, Claim)]
        assert won == [1] or set(won) == {0}
