"""The table of states: one truth in Python and in PostgreSQL, and nothing gets past it."""

import asyncio
from itertools import product

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from sublet.allocations.states import ENDED, TRANSITIONS, AllocationState, StateForbids, move
from sublet.core.access import system_actor
from sublet.core.errors import NotFound
from tests.allocations.rental import Rental

pytestmark = pytest.mark.anyio

S = AllocationState


def reachable(start: AllocationState) -> set[AllocationState]:
    found, ahead = {start}, [start]
    while ahead:
        for state in TRANSITIONS[ahead.pop()] - found:
            found.add(state)
            ahead.append(state)
    return found


class TestTheTable:
    def test_has_every_state_and_reaches_each_from_the_beginning(self) -> None:
        assert set(TRANSITIONS) == set(AllocationState) == reachable(S.QUEUED)

    def test_every_state_that_is_not_an_end_leads_to_one(self) -> None:
        for state in AllocationState:
            assert (not TRANSITIONS[state]) == (state in ENDED)
            assert reachable(state) & ENDED

    def test_what_ran_can_only_end_by_release(self) -> None:
        for state in (S.ACTIVE, S.SUSPENDED, S.LOST):
            assert not TRANSITIONS[state] & ENDED

    async def test_says_the_same_to_postgresql(self, rental: Rental) -> None:
        stored = await rental.all("SELECT from_state || ' ' || to_state FROM allocation_transition")
        assert set(stored) == {f"{state} {target}" for state, targets in TRANSITIONS.items() for target in targets}


class TestMove:
    async def test_refuses_what_is_not_in_the_table_and_changes_nothing(self, rental: Rental) -> None:
        allocation_id = await rental.launch()
        events = await rental.events()
        for target in set(AllocationState) - TRANSITIONS[S.QUEUED]:
            with pytest.raises(StateForbids):
                async with rental.database.transaction() as session:
                    await move(session, system_actor("test"), allocation_id, target, reason="no")
        assert (await rental.row(allocation_id)).state == "queued"
        assert await rental.events() == events
        with pytest.raises(NotFound):
            async with rental.database.transaction() as session:
                await move(session, system_actor("test"), "al_none", S.ACTIVE, reason="no")

    async def test_writes_history_and_event_together_with_the_state(self, rental: Rental) -> None:
        allocation_id = await rental.launch()
        async with rental.database.transaction() as session:
            moved = await move(session, system_actor("test"), allocation_id, S.PROVISIONING, reason="because")
        assert moved.previous is S.QUEUED
        line = await rental.one("SELECT * FROM allocation_history WHERE from_state IS NOT NULL")
        assert (line.from_state, line.to_state, line.reason, line.actor) == (
            "queued",
            "provisioning",
            "because",
            "test",
        )
        event = await rental.one("SELECT data FROM outbox_event WHERE type = 'allocation.provisioning'")
        assert event.data["previous_state"] == "queued"

    async def test_of_many_at_the_same_time_one_wins(self, rental: Rental) -> None:
        allocation_id = await rental.launch()

        async def attempt() -> None:
            async with rental.database.transaction() as session:
                await move(session, system_actor("test"), allocation_id, S.PROVISIONING, reason="race")

        answers = await asyncio.gather(*(attempt() for _ in range(10)), return_exceptions=True)
        assert sum(answer is None for answer in answers) == 1


class TestPostgresqlRefuses:
    async def test_every_change_that_is_not_in_the_table(self, rental: Rental) -> None:
        allocation_id = await rental.launch()
        for start, target in product((S.QUEUED,), set(AllocationState) - TRANSITIONS[S.QUEUED] - {S.QUEUED}):
            with pytest.raises(IntegrityError, match=f"cannot go from {start} to {target}"):
                await rental.run("UPDATE allocation SET state = :to WHERE id = :id", to=target.value, id=allocation_id)

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE allocation SET generation = generation - 1",
            "DELETE FROM allocation",
            "UPDATE allocation_history SET reason = 'x'",
            "DELETE FROM allocation_history",
            "UPDATE allocation SET ended_at = clock_timestamp()",
        ],
    )
    async def test_rewriting_what_happened(self, rental: Rental, statement: str) -> None:
        await rental.launch()
        with pytest.raises(DBAPIError):
            async with rental.database.transaction() as session:
                await session.execute(text(statement))

    async def test_a_released_allocation_that_may_still_be_on_its_node(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        await rental.release(allocation_id)
        with pytest.raises(IntegrityError):
            await rental.run("UPDATE allocation SET state = 'released', ended_at = clock_timestamp()")
