"""The table of states: one truth in Python and in PostgreSQL, and nothing gets past it."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from sublet.allocations.operations import running
from sublet.allocations.states import (
    BEING_SET_UP,
    ENDED,
    KEPT,
    STEADY,
    TRANSITIONS,
    AllocationState,
    OperationState,
    StateForbids,
    end_operation,
    move,
    remark,
)
from sublet.core.actors import system_actor
from sublet.core.db import Session
from sublet.core.errors import NotFound
from tests.allocations.rental import Rental
from tests.support.arrows import Machine

pytestmark = pytest.mark.anyio

S = AllocationState

ALLOCATIONS = Machine(
    "allocation",
    """
    queued         → provisioning released failed
    provisioning   → active releasing failed
    active         → suspended releasing lost
    suspended      → active releasing lost
    lost           → active suspended releasing
    releasing      → released release_failed
    release_failed → released
    released
    failed
    """,
    companions="release_requested_at = now(), ended_at = CASE WHEN :to IN ('released', 'failed') THEN now() END",
)
OPERATIONS = Machine(
    "allocation_operation",
    """
    running → succeeded failed cancelled
    succeeded
    failed
    cancelled
    """,
    companions="finished_at = CASE WHEN :to <> 'running' THEN now() END",
)
ENDS = ["succeeded", "failed", "cancelled"]


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

    def test_leads_from_being_set_up_to_being_kept_and_not_back(self) -> None:
        assert {state for state in S if reachable(state) >= KEPT} == BEING_SET_UP | KEPT
        assert {state for state in S if S.PROVISIONING in reachable(state)} == BEING_SET_UP
        assert TRANSITIONS[S.LOST] == STEADY | {S.RELEASING}

    async def test_is_every_change_that_postgresql_allows(self, rental: Rental) -> None:
        allocation_id = await rental.launch()
        async with rental.database.transaction() as session:
            assert await ALLOCATIONS.allowed_by_postgresql(session, allocation_id) == ALLOCATIONS.arrows

    async def test_begins_queued(self, rental: Rental) -> None:
        await rental.launch()
        copied = """
            INSERT INTO allocation (id, organization_id, name, state, sku_id, price_id, sku, price, nano_per_hour,
                                    suspended_nano_per_hour, currency, hold_id, node_id, login, uid)
            SELECT 'al_copy', organization_id, 'copy', :state, sku_id, price_id, sku, price, nano_per_hour,
                   suspended_nano_per_hour, currency, hold_id, node_id, 'copy', uid + 1 FROM allocation
            """
        with pytest.raises(IntegrityError, match="begins queued, not provisioning"):
            await rental.run(copied, state="provisioning")
        await rental.run(copied, state="queued")


class TestMove:
    async def test_makes_every_change_of_the_table_and_no_other(self, rental: Rental) -> None:
        allocation_id = await rental.launch()

        async with rental.database.transaction() as session:

            async def attempt(to: str) -> bool:
                before = await _told(session)
                try:
                    await move(session, system_actor("test"), allocation_id, S(to), reason="tried")
                except StateForbids:
                    assert await _told(session) == before
                    return False
                return True

            assert await ALLOCATIONS.allowed_by(session, allocation_id, attempt) == ALLOCATIONS.arrows

    async def test_finds_no_allocation_that_is_not_there(self, rental: Rental) -> None:
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

    async def test_may_be_remarked_upon_without_a_change(self, rental: Rental) -> None:
        allocation_id = await rental.launch()
        async with rental.database.transaction() as session:
            await remark(session, system_actor("test"), allocation_id, AllocationState.QUEUED, reason="so it is")
        lines = await rental.one(
            "SELECT from_state, to_state, reason, actor FROM allocation_history ORDER BY id DESC LIMIT 1"
        )
        assert tuple(lines) == ("queued", "queued", "so it is", "test")
        assert (await rental.row(allocation_id)).state == "queued"

    async def test_of_many_at_the_same_time_one_wins(self, rental: Rental) -> None:
        allocation_id = await rental.launch()

        async def attempt() -> None:
            async with rental.database.transaction() as session:
                await move(session, system_actor("test"), allocation_id, S.PROVISIONING, reason="race")

        answers = await asyncio.gather(*(attempt() for _ in range(10)), return_exceptions=True)
        assert sum(answer is None for answer in answers) == 1

    async def test_leaves_every_other_allocation_as_it_is(self, rental: Rental) -> None:
        moved, other = await rental.launch(), await rental.launch()
        before = await rental.row(other)
        async with rental.database.transaction() as session:
            await move(session, system_actor("test"), moved, S.PROVISIONING, reason="because")
        assert (await rental.row(moved)).state == "provisioning"
        assert await rental.row(other) == before
        lines = "SELECT to_state FROM allocation_history WHERE allocation_id = :id"
        assert await rental.all(lines, id=other) == ["queued"]

    async def test_that_is_refused_names_the_allocation_among_others(self, rental: Rental) -> None:
        refused, _ = await rental.launch(), await rental.launch()
        name = (await rental.row(refused)).name
        with pytest.raises(StateForbids, match=f"^{name} is queued and cannot become active"):
            async with rental.database.transaction() as session:
                await move(session, system_actor("test"), refused, S.ACTIVE, reason="no")

    async def test_begins_with_a_line_of_history_and_an_event(self, rental: Rental) -> None:
        allocation_id = await rental.launch()
        line = await rental.one("SELECT * FROM allocation_history")
        begun = (line.allocation_id, line.from_state, line.to_state, line.reason, line.actor)
        assert begun == (allocation_id, None, "queued", "launched", rental.actor.shown_as)
        event = await rental.one("SELECT * FROM outbox_event WHERE type = 'allocation.created'")
        assert (event.subject, event.organization_id) == (allocation_id, rental.actor.organization)
        assert (event.data["state"], event.data["previous_state"]) == ("queued", None)

    async def test_tells_of_a_resumption_only_from_suspended_to_active(self, rental: Rental) -> None:
        allocation_id = await rental.launch()
        way = (S.PROVISIONING, S.ACTIVE, S.SUSPENDED, S.ACTIVE, S.SUSPENDED, S.LOST, S.ACTIVE)
        async with rental.database.transaction() as session:
            for to in way:
                await move(session, system_actor("test"), allocation_id, to, reason="on its way")
        told = await rental.all(
            "SELECT type FROM outbox_event "
            "WHERE type LIKE 'allocation.%' AND data ->> 'reason' = 'on its way' ORDER BY id"
        )
        kinds = ["provisioning", "active", "suspended", "resumed", "suspended", "lost", "active"]
        assert told == [f"allocation.{kind}" for kind in kinds]


async def _told(session: Session) -> tuple[int, int]:
    """How many lines of history and events there are."""
    counted = "SELECT (SELECT count(*) FROM allocation_history), (SELECT count(*) FROM outbox_event)"
    history, events = (await session.execute(text(counted))).one()
    return history, events


class TestOperations:
    async def test_end_once_in_one_of_three_ways(self, rental: Rental) -> None:
        allocation_id = await rental.launch()
        async with rental.database.transaction() as session:
            operation = await running(session, allocation_id, rental.actor.organization)
            assert operation is not None

            async def attempt(to: str) -> bool:
                return await end_operation(session, operation.id, OperationState(to), steps=operation.steps, error=None)

            assert await OPERATIONS.allowed_by(session, operation.id, attempt, among=ENDS) == OPERATIONS.arrows

    async def test_end_without_ending_another(self, rental: Rental) -> None:
        ended, other = await rental.launch(), await rental.launch()
        async with rental.database.transaction() as session:
            operation = await running(session, ended, rental.actor.organization)
            assert operation is not None
            assert await end_operation(session, operation.id, OperationState.FAILED, steps=[], error=None)
        states = "SELECT state FROM allocation_operation WHERE allocation_id = :id"
        assert await rental.all(states, id=ended) == ["failed"]
        assert await rental.all(states, id=other) == ["running"]

    async def test_are_rewritten_by_nobody(self, rental: Rental) -> None:
        allocation_id = await rental.launch()
        async with rental.database.transaction() as session:
            operation = await running(session, allocation_id, rental.actor.organization)
            assert operation is not None

            async def attempt(to: str) -> bool:
                try:
                    async with session.begin_nested():
                        await OPERATIONS.set_state(session, operation.id, to)
                except IntegrityError:
                    return False
                return True

            changed = await OPERATIONS.allowed_by(session, operation.id, attempt)
            assert changed - {("running", "running")} == OPERATIONS.arrows


class TestPostgresqlRefuses:
    @pytest.mark.parametrize(
        "statement",
        [
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

    async def test_a_generation_that_goes_back(self, rental: Rental) -> None:
        await rental.launch()
        await rental.run("UPDATE allocation SET generation = generation + 1")
        with pytest.raises(IntegrityError, match="refused"):
            await rental.run("UPDATE allocation SET generation = generation - 1")

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE allocation SET name = 'renamed'",
            'UPDATE allocation SET price = price || \'{"id": "prc_other"}\'',
            "UPDATE allocation_operation SET attempts = attempts + 1 WHERE finished_at IS NOT NULL",
            "DELETE FROM allocation_operation",
        ],
    )
    async def test_changing_what_was_sold_or_has_ended(self, rental: Rental, statement: str) -> None:
        await rental.running()
        with pytest.raises(DBAPIError, match=r"append-only|permission denied"):
            await rental.run(statement)

    async def test_another_of_what_it_was_launched_as(self, rental: Rental) -> None:
        await rental.launch()
        for column in ("id", "organization_id", "name", "sku", "price", "currency", "login", "created_at"):
            with pytest.raises(IntegrityError, match="refused"):
                await rental.run(f"UPDATE allocation SET {column} = {column}")

    async def test_a_released_allocation_that_may_still_be_on_its_node(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        await rental.release(allocation_id)
        with pytest.raises(IntegrityError):
            await rental.run("UPDATE allocation SET state = 'released', ended_at = clock_timestamp()")
