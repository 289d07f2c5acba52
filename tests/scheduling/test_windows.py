"""Claims that begin later or end by the clock."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Row, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from sublet.core.clock import database_now
from sublet.core.db import Database
from sublet.core.errors import InvalidInput
from sublet.scheduling import claims
from sublet.scheduling.claims import NoCapacity
from sublet.scheduling.windows import Window
from tests.scheduling.fleet_rows import add_node, change, look
from tests.scheduling.test_claims import free_of, make_sku, take

pytestmark = pytest.mark.anyio

LONGER = """
    UPDATE claim SET during = tstzrange(lower(during), upper(during) + CAST(:by AS interval)) WHERE subject_id = 'first'
"""


async def now(database: Database) -> datetime:
    async with database.reading() as session:
        return await database_now(session)


def minutes(at: datetime, start: int, end: int | None) -> Window:
    """From so many minutes after an instant until so many."""
    return Window(at + timedelta(minutes=start), None if end is None else at + timedelta(minutes=end))


async def between(database: Database, start: int, end: int | None) -> Window:
    """From so many minutes from now until so many."""
    return minutes(await now(database), start, end)


async def free(database: Database, subject_id: str) -> bool:
    async with database.transaction() as session:
        return await claims.free(session, subject_id)


async def one(database: Database, statement: str) -> Row[Any]:
    async with database.reading() as session:
        return (await session.execute(text(statement))).one()


class TestAFutureClaim:
    async def test_leaves_room_before_it_and_none_for_what_has_no_end(self, database: Database) -> None:
        await add_node(database, "n", vcpu=2)
        sku, at = await make_sku(database, "s"), await now(database)
        await take(database, sku, "later", during=minutes(at, 30, 60))
        assert await free_of(database, sku) == [0]
        with pytest.raises(NoCapacity):
            await take(database, sku, "open")
        too_long, before = Window(None, at + timedelta(minutes=31)), Window(None, at + timedelta(minutes=30))
        assert await free_of(database, sku, during=too_long) == [0]
        assert await free_of(database, sku, during=before) == [1]
        await take(database, sku, "before", during=before)
        after = minutes(at, 60, None)
        assert await free_of(database, sku, during=after) == [1]
        await take(database, sku, "after", during=after)

    async def test_of_a_gpu_keeps_it_for_its_window_alone(self, database: Database) -> None:
        await add_node(database, "n", vcpu=64, memory_mib=1 << 20, disk_gib=1000, gpus=["A"])
        sku, at = await make_sku(database, "g", gpu_model="A", gpu_count=1), await now(database)
        first = await take(database, sku, "first", during=minutes(at, 10, 20))
        for start, end, fits in ((5, 15, False), (15, 25, False), (12, 18, False), (20, 30, True), (0, 10, True)):
            during = minutes(at, start, end)
            assert await free_of(database, sku, during=during) == [int(fits)]
            if fits:
                assert (await take(database, sku, f"s{start}", during=during)).gpus == first.gpus
            else:
                with pytest.raises(NoCapacity):
                    await take(database, sku, f"s{start}", during=during)

    async def test_without_an_end_leaves_the_time_before_it(self, database: Database) -> None:
        await add_node(database, "n", vcpu=2)
        sku, at = await make_sku(database, "s"), await now(database)
        await take(database, sku, "later", during=minutes(at, 30, None))
        before = Window(None, at + timedelta(minutes=30))
        assert await free_of(database, sku, during=before) == [1]
        assert await free_of(database, sku) == [0]

    async def test_that_is_freed_before_it_begins_has_taken_nothing(self, database: Database) -> None:
        await add_node(database, "n", vcpu=2, gpus=["A"])
        sku = await make_sku(database, "s", gpu_count=1)
        await take(database, sku, "later", during=await between(database, 30, None))
        assert await free(database, "later")
        assert not await free(database, "later")
        assert (await one(database, "SELECT bool_and(isempty(during)) AS nothing FROM claim")).nothing
        assert (await one(database, "SELECT bool_and(isempty(during)) AS nothing FROM gpu_claim")).nothing
        await take(database, sku, "open")

    async def test_does_not_ask_what_the_node_is_like_now(self, database: Database) -> None:
        node_id = await add_node(database, "n", vcpu=2, disk_gib=100)
        await look(database, node_id, disk_free_gib=1, fresh_for="0 s")
        sku = await make_sku(database, "s")
        later = await between(database, 30, 60)
        assert await free_of(database, sku) == [0]
        assert await free_of(database, sku, during=later) == [1]
        assert (await take(database, sku, "later", during=later)).node_id == node_id

    async def test_is_not_made_on_a_node_that_takes_no_work(self, database: Database) -> None:
        await add_node(database, "n", vcpu=2, state="cordoned")
        sku = await make_sku(database, "s")
        later = await between(database, 30, 60)
        assert await free_of(database, sku, during=later) == [0]
        with pytest.raises(NoCapacity):
            await take(database, sku, "later", during=later)


class TestABoundedClaim:
    async def test_that_is_freed_early_is_over_at_once(self, database: Database) -> None:
        await add_node(database, "n", vcpu=2, gpus=["A"])
        sku = await make_sku(database, "s", gpu_count=1)
        await take(database, sku, "a", during=await between(database, 0, 60))
        assert await free_of(database, sku) == [0]
        assert await free(database, "a")
        assert await free_of(database, sku) == [1]
        await take(database, sku, "b")

    async def test_that_has_ended_by_the_clock_is_counted_anew_by_the_sweep(self, database: Database) -> None:
        await add_node(database, "n", vcpu=2)
        sku = await make_sku(database, "s")
        await self._soon_over(database, sku)
        async with database.transaction() as session:
            assert await claims.recount_due(session) == 1
            assert await claims.recount_due(session) == 0
        assert await free_of(database, sku) == [1]
        await take(database, sku, "b")

    async def test_that_has_ended_by_the_clock_is_counted_anew_by_whoever_claims_there(
        self, database: Database
    ) -> None:
        await add_node(database, "n", vcpu=4)
        sku = await make_sku(database, "s")
        await self._soon_over(database, sku)
        await take(database, sku, "b")
        assert await free_of(database, sku) == [1]

    @staticmethod
    async def _soon_over(database: Database, sku: Any) -> None:
        await take(database, sku, "a", during=Window(None, (await now(database)) + timedelta(milliseconds=300)))
        while not (await one(database, "SELECT until <= clock_timestamp() AS over FROM claim")).over:
            await asyncio.sleep(0.02)

    async def test_is_not_made_for_a_time_that_is_over(self, database: Database) -> None:
        await add_node(database, "n")
        sku = await make_sku(database, "s")
        over = Window(None, await now(database))
        with pytest.raises(InvalidInput, match="over already"):
            await take(database, sku, "a", during=over)
        with pytest.raises(InvalidInput, match="over already"):
            await free_of(database, sku, during=over)
        with pytest.raises(InvalidInput, match="ends after it starts"):
            Window(over.end, over.end)


class TestTheDatabaseRefuses:
    async def test_an_end_that_moves_to_where_no_room_is(self, database: Database) -> None:
        await add_node(database, "n", vcpu=2)
        sku = await make_sku(database, "s")
        await take(database, sku, "first", during=await between(database, 0, 10))
        await take(database, sku, "second", during=await between(database, 20, 30))
        await change(database, LONGER, by="5 min")
        with pytest.raises(IntegrityError, match="has not enough left"):
            await change(database, LONGER, by="6 min")

    async def test_a_gpu_whose_end_moves_into_the_time_of_another(self, database: Database) -> None:
        await add_node(database, "n", vcpu=64, memory_mib=1 << 20, disk_gib=1000, gpus=["A"])
        sku = await make_sku(database, "g", gpu_count=1)
        await take(database, sku, "first", during=await between(database, 0, 10))
        await take(database, sku, "second", during=await between(database, 20, 30))
        with pytest.raises(IntegrityError, match="gpu_claimed_once"):
            await change(database, LONGER, by="11 min")

    async def test_a_beginning_that_moves(self, database: Database) -> None:
        await add_node(database, "n")
        sku = await make_sku(database, "s")
        await take(database, sku, "later", during=await between(database, 10, 20))
        await take(database, sku, "open")
        for statement in (
            "UPDATE claim SET during = tstzrange(clock_timestamp(), upper(during)) WHERE subject_id = 'later'",
            "UPDATE claim SET during = 'empty' WHERE subject_id = 'open'",
        ):
            with pytest.raises(IntegrityError, match="begins when it begins"):
                await change(database, statement)

    async def test_a_gpu_of_another_node_or_for_another_time(self, database: Database) -> None:
        await add_node(database, "n", gpus=["A"])
        await add_node(database, "other", gpus=["B"])
        plain = await take(database, await make_sku(database, "s", gpu_model="A", gpu_count=1), "a")
        insert = (
            "INSERT INTO gpu_claim SELECT id, :gpu, tstzrange(lower(during), CAST(:until AS timestamptz)) FROM claim"
        )
        for gpu, until in (("GPU-other-0", None), ("GPU-other-0", "infinity"), (plain.gpus[0], "infinity")):
            with pytest.raises(IntegrityError, match="is not on the node, or not for the time, of claim"):
                await change(database, insert, gpu=gpu, until=until)

    async def test_two_claims_of_one_subject_at_one_time(self, database: Database) -> None:
        await add_node(database, "n")
        sku = await make_sku(database, "s")
        await take(database, sku, "a", during=await between(database, 0, 10))
        with pytest.raises(IntegrityError, match="claimed_once"):
            await take(database, sku, "a", during=await between(database, 5, 15))
        await take(database, sku, "a", during=await between(database, 11, 15))

    async def test_nothing_that_is_freed_on_a_node_that_lost_capacity(self, database: Database) -> None:
        await add_node(database, "n", vcpu=4)
        sku = await make_sku(database, "s")
        for subject in "ab":
            await take(database, sku, subject)
        await change(database, "UPDATE node SET inventory = jsonb_set(inventory, '{vcpu}', '1')")
        assert await free(database, "a")
        with pytest.raises(NoCapacity):
            await take(database, sku, "c")

    async def test_a_range_that_includes_its_end_or_has_no_beginning(self, database: Database) -> None:
        await add_node(database, "n")
        sku = await make_sku(database, "s")
        insert = """
            INSERT INTO claim (id, subject_id, node_id, sku_id, vcpu, memory_mib, disk_gib, gpu_count, during)
            SELECT 'clm_x', 'x', node_id, :sku, 1, 1, 1, 0, CAST(:during AS tstzrange) FROM node_room
        """
        for during in ("[2100-01-01,2100-01-02]", "(2100-01-01,2100-01-02)", "(,2100-01-02)"):
            with pytest.raises(DBAPIError, match="claim_during_check"):
                await change(database, insert, sku=sku.id, during=during)
