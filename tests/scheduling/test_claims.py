"""Capacity: never given twice, whoever asks at the same time and whatever the code gets wrong."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from sublet.catalog.skus import Sku
from sublet.core.clock import database_now
from sublet.core.db import Database
from sublet.fleet import nodes
from sublet.scheduling import claims
from sublet.scheduling.claims import Claim, NoCapacity
from sublet.scheduling.placement import availability
from sublet.scheduling.windows import FROM_NOW_ON, Window
from tests.scheduling.claims import free_of, make_sku, take
from tests.scheduling.fleet_rows import add_node, set_gpu_state

pytestmark = pytest.mark.anyio


async def gpu_states(database: Database, node_id: str) -> dict[str, str]:
    async with database.reading() as session:
        return {gpu.uuid: gpu.state.value for gpu in (await nodes.get(session, node_id)).gpus}


class TestPlacement:
    async def test_takes_the_smaller_of_two_idle_nodes(self, database: Database) -> None:
        await add_node(database, "big", vcpu=32, memory_mib=65536)
        small = await add_node(database, "small", vcpu=4, memory_mib=8192)
        sku = await make_sku(database, "s")
        assert (await take(database, sku, "a")).node_id == small

    async def test_spreads_over_nodes_what_needs_no_gpu(self, database: Database) -> None:
        sizes = {await add_node(database, name, vcpu=vcpu): vcpu for name, vcpu in (("a", 4), ("b", 8), ("c", 8))}
        sku = await make_sku(database, "s", vcpu=1, memory_mib=64, disk_gib=1)
        taken = [(await take(database, sku, f"s{number}")).node_id for number in range(10)]
        assert set(taken[:3]) == set(sizes)
        assert {node_id: taken.count(node_id) for node_id in sizes} == {node: size // 2 for node, size in sizes.items()}

    async def test_spreads_what_asks_at_the_same_time(self, database: Database) -> None:
        for name in "abcd":
            await add_node(database, name)
        sku = await make_sku(database, "s")
        taken = await asyncio.gather(*(take(database, sku, f"s{number}") for number in range(4)))
        assert len({one.node_id for one in taken}) > 1

    async def test_leaves_nodes_with_gpus_to_those_who_need_them(self, database: Database) -> None:
        await add_node(database, "gpu", vcpu=4, memory_mib=8192, gpus=["A"])
        plain = await add_node(database, "plain", vcpu=32, memory_mib=65536)
        assert (await take(database, await make_sku(database, "s"), "a")).node_id == plain

    async def test_keeps_whole_groups_of_gpus_together(self, database: Database) -> None:
        await add_node(database, "eight", vcpu=48, memory_mib=131072, gpus=["A"] * 8)
        pair = await add_node(database, "pair", vcpu=64, memory_mib=262144, gpus=["A"] * 2)
        one = await make_sku(database, "one", gpu_model="A", gpu_count=1)
        assert (await take(database, one, "a")).node_id == pair
        assert (await take(database, one, "b")).node_id == pair

    async def test_honours_labels_models_and_states(self, database: Database) -> None:
        await add_node(database, "cordoned", labels={"zone": "a"}, state="cordoned")
        await add_node(database, "elsewhere", labels={"zone": "b"})
        there = await add_node(database, "there", labels={"zone": "a", "disk": "fast"}, gpus=["B"])
        sku = await make_sku(database, "s", node_labels={"zone": "a"})
        assert (await take(database, sku, "a")).node_id == there
        with pytest.raises(NoCapacity):
            await take(database, await make_sku(database, "g", gpu_model="A", gpu_count=1), "b")

    async def test_takes_no_quarantined_gpu(self, database: Database) -> None:
        await add_node(database, "n", gpus=["A", "A"])
        await set_gpu_state(database, "GPU-n-0", "quarantined")
        sku = await make_sku(database, "g", gpu_count=1)
        assert (await take(database, sku, "a")).gpus == ("GPU-n-1",)
        with pytest.raises(NoCapacity):
            await take(database, sku, "b")


class TestClaims:
    async def test_a_hundred_ask_for_the_last_gpu_and_one_gets_it(self, database: Database) -> None:
        await add_node(database, "n", vcpu=256, memory_mib=1 << 20, disk_gib=10000, gpus=["A"])
        sku = await make_sku(database, "g", gpu_model="A", gpu_count=1)
        answers = await asyncio.gather(
            *(take(database, sku, f"subject-{number}") for number in range(100)), return_exceptions=True
        )
        won = [answer for answer in answers if isinstance(answer, Claim)]
        assert len(won) == 1
        assert all(isinstance(answer, NoCapacity) for answer in answers if answer is not won[0])

    async def test_parallel_claims_never_exceed_a_node(self, database: Database) -> None:
        await add_node(database, "n", vcpu=10)
        sku = await make_sku(database, "s", memory_mib=64, disk_gib=1)
        answers = await asyncio.gather(*(take(database, sku, f"s{n}") for n in range(20)), return_exceptions=True)
        assert sum(isinstance(answer, Claim) for answer in answers) == 5
        assert sum(isinstance(answer, NoCapacity) for answer in answers) == 15

    async def test_what_is_freed_can_be_claimed_again_at_once(self, database: Database) -> None:
        await add_node(database, "n", gpus=["A"])
        sku = await make_sku(database, "g", gpu_count=1)
        for number in range(5):
            subject = f"s{number}"
            assert (await take(database, sku, subject)).gpus == ("GPU-n-0",)
            async with database.transaction() as session:
                assert await claims.free(session, subject)
                assert not await claims.free(session, subject)
        assert await free_of(database, sku) == [1]

    async def test_a_blocked_claim_keeps_its_gpus_and_nothing_else(self, database: Database) -> None:
        node_id = await add_node(database, "n", gpus=["A", "A"])
        sku = await make_sku(database, "g", gpu_count=1)
        await take(database, sku, "a")
        async with database.transaction() as session:
            assert await claims.block(session, "a", "a file is left")
            assert (await claims.claimed_on(session, [node_id]))[node_id].gpus == 1
        assert (await take(database, sku, "b")).gpus == ("GPU-n-1",)
        async with database.transaction() as session:
            assert await claims.free(session, "a")
        assert (await take(database, sku, "c")).gpus == ("GPU-n-0",)

    async def test_only_the_claim_that_is_meant_is_blocked(self, database: Database) -> None:
        node_id = await add_node(database, "n", gpus=["A", "A"])
        sku = await make_sku(database, "g", gpu_count=1)
        await take(database, sku, "a")
        await take(database, sku, "b")
        async with database.transaction() as session:
            assert await claims.block(session, "a", "a file is left")
            blocked = await session.execute(text("SELECT subject_id FROM claim WHERE blocked_at IS NOT NULL"))
            assert list(blocked.scalars()) == ["a"]
        assert await gpu_states(database, node_id) == {"GPU-n-0": "quarantined", "GPU-n-1": "available"}

    async def test_a_gpu_is_cleared_and_stays_with_the_claim_that_runs(self, database: Database) -> None:
        node_id = await add_node(database, "n", gpus=["A", "A"])
        sku = await make_sku(database, "g", gpu_count=1)
        assert (await take(database, sku, "runs")).gpus == ("GPU-n-0",)
        await take(database, sku, "ended")
        await set_gpu_state(database, "GPU-n-0", "quarantined")
        async with database.transaction() as session:
            await claims.block(session, "ended", "a file is left")
            await claims.clear_gpu(session, node_id, "GPU-n-0")
            lasting = text("SELECT gpu_uuid FROM gpu_claim WHERE upper_inf(during) ORDER BY gpu_uuid")
            assert list((await session.execute(lasting)).scalars()) == ["GPU-n-0", "GPU-n-1"]

    async def test_a_gpu_was_claimed_until_it_is_taken_out(self, database: Database) -> None:
        node_id = await add_node(database, "n", gpus=["A"])
        await take(database, await make_sku(database, "g", gpu_count=1), "a")
        async with database.transaction() as session:
            await claims.block(session, "a", "a file is left")
            before = await database_now(session)
            await claims.clear_gpu(session, node_id, "GPU-n-0")
            assert (await session.execute(text("SELECT upper(during) FROM gpu_claim"))).scalar_one() >= before

    async def test_what_is_blocked_or_asked_for_is_not_given_out(self, database: Database) -> None:
        node_id = await add_node(database, "n", labels={"place": "here"})
        await add_node(database, "o", labels={"place": "there"})
        here, there = [await make_sku(database, place, node_labels={"place": place}) for place in ("here", "there")]
        for subject_id in ("runs", "blocked", "asked for", "over"):
            await take(database, here, subject_id)
        await take(database, there, "elsewhere")
        async with database.transaction() as session:
            for subject_id in ("over", "blocked", "elsewhere"):
                await claims.block(session, subject_id, "a file is left")
            await claims.free(session, "over")
            kept = await claims.not_given_out(session, node_id, subjects=["asked for", "over"])
        assert [(one.subject_id, one.blocked_reason) for one in kept] == [
            ("blocked", "a file is left"),
            ("asked for", None),
        ]

    async def test_what_is_freed_was_claimed_until_then(self, database: Database) -> None:
        await add_node(database, "n", gpus=["A"])
        await take(database, await make_sku(database, "g", gpu_count=1), "a")
        async with database.transaction() as session:
            before = await database_now(session)
            assert await claims.free(session, "a")
            for table in ("claim", "gpu_claim"):
                assert (await session.execute(text(f"SELECT upper(during) FROM {table}"))).scalar_one() >= before

    async def test_a_gpu_that_was_taken_out_of_a_claim_keeps_its_own_end(self, database: Database) -> None:
        node_id = await add_node(database, "n", gpus=["A", "A"])
        pair, one = await make_sku(database, "p", gpu_count=2), await make_sku(database, "g", gpu_count=1)
        await take(database, pair, "a")
        async with database.transaction() as session:
            await claims.block(session, "a", "a file is left")
            await claims.clear_gpu(session, node_id, "GPU-n-0")
        assert (await take(database, one, "b")).gpus == ("GPU-n-0",)
        async with database.transaction() as session:
            assert await claims.free(session, "a")
        assert await free_of(database, one) == [1]

    async def test_a_gpu_that_was_taken_out_of_a_claim_is_not_cleared_with_it(self, database: Database) -> None:
        node_id = await add_node(database, "n", gpus=["A", "A"])
        pair, one = await make_sku(database, "p", gpu_count=2), await make_sku(database, "g", gpu_count=1)
        await take(database, pair, "a")
        async with database.transaction() as session:
            await claims.block(session, "a", "a file is left")
            await claims.clear_gpu(session, node_id, "GPU-n-0")
        await take(database, one, "b")
        async with database.transaction() as session:
            await claims.block(session, "b", "a process is left")
            assert await claims.free(session, "a")
        assert await gpu_states(database, node_id) == {"GPU-n-0": "quarantined", "GPU-n-1": "available"}

    async def test_of_a_node_what_lasts_there_is_given_out(self, database: Database) -> None:
        node_id, other = await add_node(database, "n", gpus=["A", "A"]), await add_node(database, "o", gpus=["A"])
        pair, one = await make_sku(database, "p", gpu_count=2), await make_sku(database, "g", gpu_count=1)
        assert (await take(database, pair, "a")).node_id == node_id
        assert (await take(database, one, "b")).node_id == other
        async with database.transaction() as session:
            await claims.block(session, "a", "a file is left")
            await claims.clear_gpu(session, node_id, "GPU-n-0")
            given_out = await claims.claimed_on(session, [node_id])
        assert {node: claimed.gpus for node, claimed in given_out.items()} == {node_id: 1}

    async def test_a_gpu_in_quarantine_stays_so_when_a_claim_ends_that_was_not_blocked(
        self, database: Database
    ) -> None:
        node_id = await add_node(database, "n", gpus=["A"])
        await take(database, await make_sku(database, "g", gpu_count=1), "a")
        await set_gpu_state(database, "GPU-n-0", "quarantined")
        async with database.transaction() as session:
            assert await claims.free(session, "a")
        assert await gpu_states(database, node_id) == {"GPU-n-0": "quarantined"}


class TestMoving:
    async def test_takes_another_node_and_leaves_what_it_had_to_whoever_proves_it_clean(
        self, database: Database
    ) -> None:
        first, second = [await add_node(database, name, vcpu=2, gpus=["A"]) for name in "ab"]
        await add_node(database, "c")
        sku = await make_sku(database, "g", gpu_count=1)
        await take(database, await make_sku(database, "s"), "somebody else")
        had = await take(database, sku, "x")
        moved = await self._move(database, sku, left_to="left")
        assert moved is not None
        assert {had.node_id, moved.node_id} == {first, second}
        assert set(had.gpus).isdisjoint(moved.gpus)
        assert await free_of(database, sku) == [0]
        async with database.transaction() as session:
            assert await claims.free(session, "left")
            assert await claims.free(session, "somebody else")
        assert (await take(database, sku, "y")).node_id == had.node_id

    async def test_changes_nothing_where_there_is_no_other_node(self, database: Database) -> None:
        first, second = [await add_node(database, name, vcpu=2) for name in "ab"]
        sku = await make_sku(database, "s")
        had = await take(database, sku, "x")
        assert await self._move(database, sku, left_to="left", avoid=[first, second]) is None
        async with database.transaction() as session:
            assert not await claims.free(session, "left")
            assert await claims.free(session, "x")
        assert had.node_id in {first, second}

    async def test_does_not_stay_where_it_was_although_there_is_room(self, database: Database) -> None:
        await add_node(database, "a", vcpu=8)
        sku = await make_sku(database, "s")
        await take(database, sku, "x")
        assert await self._move(database, sku, left_to="left") is None

    async def test_is_not_for_what_has_nothing(self, database: Database) -> None:
        for name in "ab":
            await add_node(database, name)
        sku = await make_sku(database, "s")
        await take(database, sku, "somebody else")
        assert await self._move(database, sku, left_to="left") is None

    async def test_is_not_for_what_begins_later(self, database: Database) -> None:
        for name in "ab":
            await add_node(database, name)
        sku = await make_sku(database, "s")
        async with database.reading() as session:
            tomorrow = await database_now(session) + timedelta(days=1)
        await take(database, sku, "x", during=Window(tomorrow, tomorrow + timedelta(hours=1)))
        assert await self._move(database, sku, left_to="left") is None

    async def test_keeps_the_end(self, database: Database) -> None:
        for name in "ab":
            await add_node(database, name)
        sku = await make_sku(database, "s")
        async with database.reading() as session:
            end = await database_now(session) + timedelta(hours=1)
        await take(database, sku, "x", during=Window(None, end))
        assert await self._move(database, sku, left_to="left") is not None
        async with database.reading() as session:
            ends = set((await session.execute(text("SELECT upper(during) FROM claim"))).scalars())
        assert ends == {end}

    @staticmethod
    async def _move(database: Database, sku: Sku, *, left_to: str, avoid: Sequence[str] = ()) -> Claim | None:
        async with database.transaction() as session:
            return await claims.move_claim(session, sku, "x", left_to=left_to, avoid=avoid)


class TestTheDatabaseRefuses:
    async def test_a_gpu_claimed_twice(self, database: Database) -> None:
        await add_node(database, "n", gpus=["A"])
        first = await take(database, await make_sku(database, "g", gpu_count=1), "a")
        second = await take(database, await make_sku(database, "s"), "b")
        with pytest.raises(IntegrityError, match="gpu_claimed_once"):
            async with database.transaction() as session:
                await session.execute(
                    text("INSERT INTO gpu_claim SELECT id, :gpu, during FROM claim WHERE id = :claim"),
                    {"claim": second.id, "gpu": first.gpus[0]},
                )

    async def test_more_than_a_node_has(self, database: Database) -> None:
        node_id = await add_node(database, "n", vcpu=3)
        sku = await make_sku(database, "s")
        await take(database, sku, "a")
        insert = text(
            """
            INSERT INTO claim (id, subject_id, node_id, sku_id, vcpu, memory_mib, disk_gib, gpu_count, during)
            VALUES ('clm_x', 'b', :node, :sku, 2, 1, 1, 0, tstzrange(clock_timestamp(), NULL))
            """
        )
        with pytest.raises(IntegrityError, match="has not enough left"):
            async with database.transaction() as session:
                await session.execute(insert, {"node": node_id, "sku": sku.id})

    async def test_an_ended_claim_that_begins_again_and_any_deletion(self, database: Database) -> None:
        await add_node(database, "n")
        await take(database, await make_sku(database, "s"), "a")
        async with database.transaction() as session:
            await claims.free(session, "a")
        for statement in ("UPDATE claim SET during = tstzrange(lower(during), NULL)", "DELETE FROM claim"):
            with pytest.raises(DBAPIError):
                async with database.transaction() as session:
                    await session.execute(text(statement))


class TestAvailability:
    async def test_counts_each_shape_alone_over_all_nodes(self, database: Database) -> None:
        await add_node(database, "a", vcpu=8, memory_mib=16384, gpus=["A", "A", "A"])
        await add_node(database, "b", vcpu=4, memory_mib=16384, enforced=False)
        await add_node(database, "c", state="offline")
        small = await make_sku(database, "small")
        pair = await make_sku(database, "pair", gpu_model="A", gpu_count=2, vcpu=1)
        other = await make_sku(database, "other", gpu_model="B", gpu_count=1)
        assert await free_of(database, small, pair, other) == [6, 1, 0]
        await take(database, pair, "x")
        assert await free_of(database, small, pair, other) == [5, 0, 0]

    async def test_a_node_that_lost_capacity_takes_nothing_from_the_others(self, database: Database) -> None:
        shrunk = await add_node(database, "shrunk", vcpu=8, memory_mib=16384)
        sku = await make_sku(database, "s")
        for subject_id in "abcd":
            await take(database, sku, subject_id)
        await add_node(database, "whole", vcpu=4, memory_mib=8192)
        async with database.transaction() as session:
            await session.execute(
                text("UPDATE node SET inventory = jsonb_set(inventory, '{vcpu}', '2') WHERE id = :id"), {"id": shrunk}
            )
        assert await free_of(database, sku) == [2]

    async def test_says_when_a_node_would_not_enforce(self, database: Database) -> None:
        await add_node(database, "a", labels={"kind": "good"})
        await add_node(database, "b", enforced=False)
        good = await make_sku(database, "good", node_labels={"kind": "good"})
        mixed = await make_sku(database, "any")
        async with database.reading() as session:
            found = await availability(session, [good, mixed], during=FROM_NOW_ON)
        assert (found[good.id].limits_enforced, found[mixed.id].limits_enforced) == (True, False)
