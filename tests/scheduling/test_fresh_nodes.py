"""Placement believes what was seen of a node, as long as it is fresh; offers say what placement does."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from sublet.catalog.skus import Sku
from sublet.core.clock import database_now
from sublet.core.db import Database
from sublet.scheduling import claims
from sublet.scheduling.claims import NoCapacity
from sublet.scheduling.windows import Window
from tests.scheduling.fleet_rows import add_node, change, look
from tests.scheduling.test_claims import free_of, make_sku, take

pytestmark = pytest.mark.anyio


async def launched(database: Database, sku: Sku, most: int = 20) -> list[str]:
    """The nodes of as many as are admitted one after another."""
    nodes: list[str] = []
    try:
        while len(nodes) < most:
            nodes.append((await take(database, sku, f"s{len(nodes)}")).node_id)
    except NoCapacity:
        return nodes
    raise AssertionError(f"more than {most} were admitted")


class TestANodeThatWasNotSeen:
    async def test_for_three_intervals_is_neither_offered_nor_placed_on(self, database: Database) -> None:
        silent = await add_node(database, "a", vcpu=2)
        seen = await add_node(database, "b", vcpu=4)
        sku = await make_sku(database, "s")
        await look(database, silent, disk_free_gib=None, fresh_for="0 s")
        assert await free_of(database, sku) == [2]
        assert await launched(database, sku) == [seen, seen]

    async def test_is_not_for_a_window_that_has_begun_either(self, database: Database) -> None:
        node_id = await add_node(database, "a", vcpu=2, disk_gib=100)
        sku = await make_sku(database, "s")
        async with database.reading() as session:
            hour = Window(None, await database_now(session) + timedelta(hours=1))
        for fresh_for, disk_free, offered in (("0 s", None, 0), ("15 s", 19, 0), ("15 s", 20, 1)):
            await look(database, node_id, disk_free_gib=disk_free, fresh_for=fresh_for)
            assert await free_of(database, sku, during=hour) == [offered]
        assert (await take(database, sku, "x", during=hour)).node_id == node_id

    async def test_keeps_what_it_has_and_is_offered_again_with_the_next_look(self, database: Database) -> None:
        node_id = await add_node(database, "a", vcpu=4, gpus=["A", "A"])
        sku = await make_sku(database, "s", gpu_count=1)
        await take(database, sku, "x")
        await look(database, node_id, disk_free_gib=None, fresh_for="-1 s")
        assert await free_of(database, sku) == [0]
        await look(database, node_id, disk_free_gib=None)
        assert await free_of(database, sku) == [1]
        assert await launched(database, sku) == [node_id]


class TestDisk:
    async def test_that_was_seen_free_is_what_can_be_taken(self, database: Database) -> None:
        node_id = await add_node(database, "a", vcpu=64, memory_mib=1 << 20, disk_gib=200)
        sku = await make_sku(database, "s", disk_gib=20)
        assert await free_of(database, sku) == [10]
        await look(database, node_id, disk_free_gib=59)
        assert await free_of(database, sku) == [2]
        assert len(await launched(database, sku)) == 2

    async def test_that_was_claimed_since_the_look_is_not_taken_for_free(self, database: Database) -> None:
        node_id = await add_node(database, "a", vcpu=64, memory_mib=1 << 20, disk_gib=200)
        sku = await make_sku(database, "s", disk_gib=20)
        await look(database, node_id, disk_free_gib=59)
        await take(database, sku, "x")
        assert await free_of(database, sku) == [1]
        async with database.transaction() as session:
            await session.execute(text("UPDATE node SET limits_enforced = false"))  # that is no look
        assert await free_of(database, sku) == [1]
        await look(database, node_id, disk_free_gib=59)  # the new account has not filled its part yet
        assert await free_of(database, sku) == [1]

    async def test_is_sold_once_however_often_it_is_seen_before_anything_is_written(self, database: Database) -> None:
        node_id = await add_node(database, "a", vcpu=64, memory_mib=1 << 20, disk_gib=200)
        sku = await make_sku(database, "s", disk_gib=20)
        for number in range(2):
            await look(database, node_id, disk_free_gib=59)
            await take(database, sku, f"x{number}")
        await look(database, node_id, disk_free_gib=59)
        assert await free_of(database, sku) == [0]
        with pytest.raises(NoCapacity):
            await take(database, sku, "x2")

    @pytest.mark.parametrize(
        ("free", "offered"),
        [(39, 1), (19, 0), (20, 1), (150, 6), (None, 9)],
        ids=["all of it written", "others wrote", "others wrote less", "others deleted", "nobody says"],
    )
    async def test_is_known_anew_as_far_as_a_look_can_tell(
        self, database: Database, free: int | None, offered: int
    ) -> None:
        node_id = await add_node(database, "a", vcpu=64, memory_mib=1 << 20, disk_gib=200)
        sku = await make_sku(database, "s", disk_gib=20)
        await look(database, node_id, disk_free_gib=59)
        await take(database, sku, "x")
        await look(database, node_id, disk_free_gib=free)
        assert await free_of(database, sku) == [offered]

    async def test_is_free_again_when_what_was_promised_ends(self, database: Database) -> None:
        node_id = await add_node(database, "a", vcpu=64, memory_mib=1 << 20, disk_gib=200)
        sku = await make_sku(database, "s", disk_gib=20)
        await look(database, node_id, disk_free_gib=59)
        await take(database, sku, "x")
        await look(database, node_id, disk_free_gib=39)
        async with database.transaction() as session:
            await claims.free(session, "x")
        for _ in range(2):  # its files are gone by the second look
            assert await free_of(database, sku) == [2]
            await look(database, node_id, disk_free_gib=59)

    async def test_that_was_promised_counts_although_it_is_still_free(self, database: Database) -> None:
        node_id = await add_node(database, "a", vcpu=64, memory_mib=1 << 20, disk_gib=60)
        sku = await make_sku(database, "s", disk_gib=20)
        await take(database, sku, "x")
        await look(database, node_id, disk_free_gib=60)
        assert await free_of(database, sku) == [2]

    async def test_takes_that_a_customer_gets_in(self, database: Database) -> None:
        await add_node(database, "a", vcpu=2)
        sku = await make_sku(database, "s")
        await change(database, """UPDATE node SET no_entry = '{"cause": "pam_refused"}'""")
        assert await free_of(database, sku) == [0]
        assert await launched(database, sku) == []
        await change(database, "UPDATE node SET no_entry = NULL")
        assert await free_of(database, sku) == [1]

    @pytest.mark.parametrize(("inodes", "offered"), [(9_999, 0), (10_000, 1), (None, 1)])
    async def test_takes_inodes_too(self, database: Database, inodes: int | None, offered: int) -> None:
        await add_node(database, "a", vcpu=2, inodes_free=inodes)
        sku = await make_sku(database, "s")
        assert await free_of(database, sku) == [offered]
        assert len(await launched(database, sku)) == offered
