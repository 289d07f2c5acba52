"""A launch whose node cannot be used is tried on another: one allocation, one hold, nothing left behind unproven."""

import asyncio
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import Row, text

from sublet.allocations import rows
from sublet.allocations.work import observations, relocation, setup
from sublet.core.db import Session
from sublet.fleet.errors import StaleGeneration
from sublet.scheduling import claims
from tests.allocations.rental import Rental, customer
from tests.allocations.simulated import Interruption, failing, refused, unreachable
from tests.scheduling.fleet_rows import add_node
from tests.support.policy import DEFAULT_POLICY
from tests.support.work import sweep_once

pytestmark = pytest.mark.anyio

WAITS_FOR_A_TURN = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


async def rows_of(rental: Rental, statement: str) -> list[Row[Any]]:
    async with rental.database.reading() as session:
        return list((await session.execute(text(statement))).all())


async def claimed(rental: Rental) -> dict[str, str]:
    """Who has claimed something that lasts, by node."""
    rows = await rows_of(rental, "SELECT node_id, subject_id FROM claim WHERE upper_inf(during)")
    return {row.node_id: row.subject_id for row in rows}


async def cleaned(rental: Rental) -> None:
    """Workers sweep until nothing of a launch is left where it went away from."""
    for _ in range(200):
        await rental.run("UPDATE work SET due_at = clock_timestamp() WHERE kind = 'remnant' AND due_at <> 'infinity'")
        await sweep_once(rental.worker())
        if await rental.all("SELECT id FROM allocation_remnant WHERE cleaned_at IS NULL") == []:
            return
    raise AssertionError("it was not cleaned")


def unanswered(rental: Rental) -> Interruption:
    """The account is made and the answer is lost, as often as one node is asked."""
    return failing("apply", "after", unreachable, times=rental.pace.attempts_before_another_node)


class TestWorkersThatDied:
    async def died(self, rental: Rental, times: int) -> str:
        """A launch that so many workers died of, one after the other."""
        allocation_id = await rental.launch()
        await rental.run("UPDATE work SET crashes = :times WHERE kind = 'allocation'", times=times)
        return allocation_id

    async def test_of_a_launch_take_it_to_another_node(self, rental: Rental) -> None:
        second = await add_node(rental.database, "south")
        allocation_id = await self.died(rental, rental.pace.provision_crashes)
        launched_on = (await rental.row(allocation_id)).node_id
        row = await rental.work_until(allocation_id, "active", "failed")
        assert (row.state, {row.node_id, launched_on}) == ("active", {rental.node_id, second})
        await cleaned(rental)
        assert await rental.disagreements() == []

    async def test_of_it_less_often_leave_it_where_it_is(self, rental: Rental) -> None:
        allocation_id = await self.died(rental, rental.pace.provision_crashes - 1)
        launched_on = (await rental.row(allocation_id)).node_id
        await add_node(rental.database, "south")
        row = await rental.work_until(allocation_id, "active", "failed")
        assert (row.state, row.node_id) == ("active", launched_on)

    async def test_of_it_with_no_other_node_end_it_as_interrupted_and_say_nothing_of_its_node(
        self, rental: Rental
    ) -> None:
        allocation_id = await self.died(rental, rental.pace.provision_crashes)
        row = await rental.work_until(allocation_id, "active", "failed")
        assert (row.state, row.failure["code"]) == ("failed", "provisioning_interrupted")
        assert "answer" not in row.failure["message"]
        assert rental.backend.calls == []
        assert (await rental.wallet()).held.micro == 0

    async def test_are_no_silence_of_its_node(self, rental: Rental) -> None:
        rental.pace = replace(rental.pace, provision_attempts=2)
        allocation_id = await self.died(rental, rental.pace.provision_crashes - 1)
        rental.backend.interrupt = failing("apply", "before", unreachable)
        await sweep_once(rental.worker())
        assert await rental.all("SELECT attempts FROM work WHERE kind = 'allocation'") == [1]
        assert (await rental.work_until(allocation_id, "active", "failed")).state == "active"


class TestANodeThatDoesNotAnswer:
    async def test_is_left_for_another_and_the_customer_sees_one_launch(self, rental: Rental) -> None:
        allocation_id = await rental.launch()
        second = await add_node(rental.database, "south")
        rental.backend.node(rental.node_id).reachable = False
        row = await rental.work_until(allocation_id, "active")
        assert row.node_id == second
        assert await rental.all("SELECT id FROM allocation") == [allocation_id]
        assert len(await rental.all("SELECT id FROM ledger.hold")) == 1
        assert await rental.all("SELECT node_id FROM meter") == [second]
        assert await rental.all("SELECT state FROM allocation_operation") == ["succeeded"]
        assert await rental.disagreements() == []

    async def test_keeps_its_capacity_claimed_until_it_has_proven_that_nothing_is_left(self, rental: Rental) -> None:
        first, allocation_id = rental.node_id, await rental.launch()
        second = await add_node(rental.database, "south")
        rental.backend.interrupt = unanswered(rental)
        while (await rental.row(allocation_id)).node_id == first:
            await sweep_once(rental.worker())
        late = rental.backend.node(first).accounts[allocation_id].desired
        rental.backend.node(first).reachable = False
        await rental.work_until(allocation_id, "active")
        assert await rental.all("SELECT place FROM work WHERE kind = 'allocation'") == [second]
        [remnant] = await rows_of(rental, "SELECT id, node_id, cleaned_at FROM allocation_remnant")
        assert (remnant.node_id, remnant.cleaned_at) == (first, None)
        assert await claimed(rental) == {first: remnant.id, second: allocation_id}
        rental.backend.node(first).reachable = True
        await cleaned(rental)
        with pytest.raises(StaleGeneration):
            await rental.backend.apply(first, late)
        assert rental.backend.node(first).accounts == {}
        assert list(rental.backend.node(second).accounts) == [allocation_id]
        assert await claimed(rental) == {second: allocation_id}
        [evidence] = await rental.all("SELECT evidence FROM allocation_remnant")
        assert evidence["clean"]

    async def test_blocks_what_is_not_clean_there(self, rental: Rental) -> None:
        allocation_id = await rental.launch()
        await add_node(rental.database, "south")
        rental.backend.node(rental.node_id).dirty.add(allocation_id)
        rental.backend.interrupt = unanswered(rental)
        await rental.work_until(allocation_id, "active")
        await rental.run("UPDATE work SET due_at = clock_timestamp() WHERE kind = 'remnant'")
        await sweep_once(rental.worker())
        [reason] = await rental.all("SELECT blocked_reason FROM claim WHERE blocked_at IS NOT NULL")
        assert reason.startswith("Left by a launch that went to another node. Something is left")
        rental.backend.node(rental.node_id).dirty.clear()
        await cleaned(rental)

    async def test_has_no_strangers_meanwhile_and_its_late_word_counts_for_nothing(self, rental: Rental) -> None:
        first, allocation_id = rental.node_id, await rental.launch()
        await add_node(rental.database, "south")
        rental.backend.interrupt = unanswered(rental)
        while (await rental.row(allocation_id)).node_id == first:
            await sweep_once(rental.worker())
        rental.backend.node(first).reachable = True
        late = await rental.backend.observe(first)
        await rental.work_until(allocation_id, "active")
        before = await rental.row(allocation_id)
        await observations.on_observed(rental.database, first, late, policy=DEFAULT_POLICY, release_lost_seconds=None)
        after = await rental.row(allocation_id)
        assert (after.node_id, after.generation, after.unproven) == (before.node_id, before.generation, False)
        assert await rental.all("SELECT strangers FROM node WHERE strangers <> '[]'") == []

    async def test_fails_as_before_where_there_is_no_other(self, rental: Rental) -> None:
        allocation_id = await rental.launch()
        rental.backend.node(rental.node_id).reachable = False
        row = await rental.work_until(allocation_id, "failed")
        assert row.failure["code"] == "node_unreachable"
        assert await rental.all("SELECT id FROM allocation_remnant") == []
        assert await rental.all("SELECT subject_id FROM claim") == [allocation_id]
        assert (await rental.wallet()).held.micro == 0

    async def test_is_asked_twice_before_that(self, rental: Rental) -> None:
        allocation_id = await rental.launch()
        await add_node(rental.database, "south")
        asked: list[str] = []

        async def count(verb: str, moment: str) -> None:
            if (verb, moment) == ("apply", "before"):
                asked.append((await rental.row(allocation_id)).node_id)
                if asked[-1] == rental.node_id:
                    raise unreachable()

        rental.backend.interrupt = count
        row = await rental.work_until(allocation_id, "active")
        assert asked == [rental.node_id, rental.node_id, row.node_id]

    async def test_is_asked_once_when_the_fleet_has_not_seen_it_either(self, rental: Rental) -> None:
        rental.pace = replace(rental.pace, attempts_before_another_node=99, provision_attempts=99)
        allocation_id = await rental.launch()
        second = await add_node(rental.database, "south")
        rental.backend.node(rental.node_id).reachable = False
        await sweep_once(rental.worker())
        assert (await rental.row(allocation_id)).node_id == rental.node_id, "it was seen lately, and is asked again"
        await rental.run("UPDATE node SET fresh_until = clock_timestamp() WHERE id = :id", id=rental.node_id)
        await rental.run("UPDATE work SET due_at = clock_timestamp() WHERE kind = 'allocation'")
        await sweep_once(rental.worker())
        assert (await rental.row(allocation_id)).node_id == second

    async def test_is_asked_again_though_not_seen_when_it_says_that_it_could_not(self, rental: Rental) -> None:
        rental.pace = replace(rental.pace, attempts_before_another_node=99, provision_attempts=99)
        allocation_id = await rental.launch()
        await add_node(rental.database, "south")
        rental.backend.interrupt = failing("apply", "before", lambda: refused("busy", retryable=True))
        await rental.run("UPDATE node SET fresh_until = clock_timestamp() WHERE id = :id", id=rental.node_id)
        await sweep_once(rental.worker())
        assert (await rental.row(allocation_id)).node_id == rental.node_id

    async def test_is_asked_once_where_a_launch_has_one_attempt(self, rental: Rental) -> None:
        rental.pace = replace(rental.pace, provision_attempts=1)
        allocation_id = await rental.launch()
        second = await add_node(rental.database, "south")
        rental.backend.node(rental.node_id).reachable = False
        row = await rental.work_until(allocation_id, "active", "failed")
        assert (row.state, row.node_id) == ("active", second)

    async def test_may_be_cancelled_before_the_next_one_has_begun(self, rental: Rental) -> None:
        allocation_id = await rental.launch()
        await add_node(rental.database, "south")
        rental.backend.node(rental.node_id).reachable = False
        async with rental.database.transaction() as session:
            await setup.begin(session, await rows.lock(session, allocation_id))
        async with rental.database.transaction() as session:
            allocation = await rows.lock(session, allocation_id)
            assert await relocation.relocate(session, setup.worker(), allocation)
        await rental.release(allocation_id)
        row = await rental.work_until(allocation_id, "released")
        assert (await rental.wallet()).held.micro == 0
        assert list(await claimed(rental)) == [rental.node_id], "what may be left there is not proven gone"
        assert await rental.all("SELECT state FROM allocation_operation ORDER BY seq DESC LIMIT 1") == ["succeeded"]
        assert rental.backend.node(row.node_id).accounts == {}
        assert await rental.disagreements() == []

    async def test_is_told_in_the_history_of_one_launch(self, rental: Rental) -> None:
        allocation_id = await rental.launch()
        await add_node(rental.database, "south")
        rental.backend.node(rental.node_id).reachable = False
        await rental.work_until(allocation_id, "active")
        told = await rows_of(rental, "SELECT from_state, to_state, reason, code FROM allocation_history ORDER BY id")
        assert [tuple(row) for row in told] == [
            (None, "queued", "launched", None),
            ("queued", "provisioning", "a worker has begun", None),
            ("provisioning", "provisioning", "The node did not answer. Another node is tried.", "node_unreachable"),
            ("provisioning", "active", "set up and verified", None),
        ]

    async def test_stays_the_node_of_what_has_run_there(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        await add_node(rental.database, "south")
        rental.backend.node(rental.node_id).reachable = False
        await rental.suspend(allocation_id)
        for _ in range(rental.pace.provision_attempts + 1):
            await rental.run("UPDATE work SET due_at = clock_timestamp() WHERE id = :id", id=allocation_id)
            await rental.work(allocation_id)
        assert await rental.all("SELECT last_error FROM work WHERE kind = 'allocation'") == ["node_unreachable"]
        assert (await rental.row(allocation_id)).node_id == rental.node_id

    async def test_stays_the_node_of_an_organization_that_has_left_much(self, rental: Rental) -> None:
        rental.backend.node(rental.node_id).reachable = False
        moved = await rental.launch()
        second = await add_node(rental.database, "south")
        await rental.work_until(moved, "active")
        await rental.run("UPDATE node SET state = 'cordoned' WHERE id = :id", id=second)
        kept, others = await rental.launch(), await rental.launch(await customer(rental.database))
        await rental.run("UPDATE node SET state = 'ready' WHERE id = :id", id=second)
        with patch.object(relocation, "MOST_REMNANTS", 1):
            row = await rental.work_until(kept, "failed")
            assert (row.node_id, row.failure["code"]) == (rental.node_id, "node_unreachable")
            assert (await rental.work_until(others, "active")).node_id == second

    async def test_stays_the_node_of_all_but_one_when_many_would_leave_the_last_that_may_be_left(
        self, rental: Rental
    ) -> None:
        first, second = await rental.launch(), await rental.launch()
        await add_node(rental.database, "south")

        async def moves(allocation_id: str) -> bool:
            async with rental.database.transaction() as session:
                return await relocation.relocate(session, setup.worker(), await rows.lock(session, allocation_id))

        with patch.object(relocation, "MOST_REMNANTS", 1):
            async with rental.database.transaction() as session:
                assert await relocation.relocate(session, setup.worker(), await rows.lock(session, first))
                other = asyncio.create_task(moves(second))
                async with asyncio.timeout(10):
                    while not other.done() and not await rental.all(WAITS_FOR_A_TURN):
                        await asyncio.sleep(0.01)
            assert not await other


class TestANodeThatGoesByANewerGeneration:
    """The books were restored, or somebody has asked it in their name."""

    async def test_is_caught_up_with_and_not_left(self, rental: Rental) -> None:
        allocation_id = await rental.launch()
        await add_node(rental.database, "south")
        node = rental.backend.node(rental.node_id)
        rental.backend.interrupt = failing("apply", "after", unreachable)
        await sweep_once(rental.worker())
        node.fences[allocation_id] = 50
        row = await rental.work_until(allocation_id, "active", "failed")
        assert (row.state, row.node_id, row.generation) == ("active", rental.node_id, 51)

    async def test_is_passed_where_the_books_have_gone_further_meanwhile(self, rental: Rental) -> None:
        allocation_id = await rental.launch()
        rental.backend.interrupt = failing("apply", "after", unreachable)
        await sweep_once(rental.worker())
        rental.backend.node(rental.node_id).fences[allocation_id] = 50

        async def changed_meanwhile(verb: str, moment: str) -> None:
            if (verb, moment) == ("observe", "after"):
                await rental.run("UPDATE allocation SET generation = 90 WHERE generation < 90")

        rental.backend.interrupt = changed_meanwhile
        row = await rental.work_until(allocation_id, "active", "failed")
        assert (row.state, row.generation) == ("active", 91)

    async def test_is_given_up_where_it_always_does_and_cleaned(self, rental: Rental) -> None:
        allocation_id = await rental.launch()
        node = rental.backend.node(rental.node_id)
        rental.backend.interrupt = failing("apply", "after", unreachable)
        await sweep_once(rental.worker())

        async def overtaken(verb: str, moment: str) -> None:
            if (verb, moment) == ("apply", "before"):
                node.fences[allocation_id] += 50

        rental.backend.interrupt = overtaken
        row = await rental.work_until(allocation_id, "active", "failed")
        assert (row.state, row.failure["code"]) == ("failed", "stale_generation")
        while (await rental.row(allocation_id)).on_node:
            await sweep_once(rental.worker())
        assert node.accounts == {}
        assert await rental.disagreements() == []


class TestAMoveInVain:
    async def test_gives_the_locks_on_nodes_back(self, rental: Rental) -> None:
        """Whoever gives up after it locks the wallet, which everybody locks before any node."""
        allocation_id = await rental.launch()
        await add_node(rental.database, "south")

        async def looks_in_vain(session: Session, *_rest: object, **_options: object) -> None:
            await session.execute(text("SELECT 1 FROM node_room FOR NO KEY UPDATE"))

        async with rental.database.transaction() as session:
            allocation = await rows.lock(session, allocation_id)
            with patch.object(claims, "move_claim", looks_in_vain):
                assert not await relocation.relocate(session, setup.worker(), allocation)
            assert len(await rental.all("SELECT 1 FROM node_room FOR NO KEY UPDATE SKIP LOCKED")) == 2
