"""What a launch may have left on the node before: its capacity is free once that node has proven that it is gone."""

from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import Row
from sqlalchemy.exc import DBAPIError, IntegrityError

from sublet.admin import checks
from sublet.allocations import remnants
from sublet.allocations.work import observations, relocation
from sublet.core.work import leases
from sublet.fleet import nodes
from tests.allocations.rental import Rental
from tests.allocations.simulated import Killed, unreachable
from tests.scheduling.fleet_rows import add_node
from tests.support.policy import DEFAULT_POLICY
from tests.support.work import sweep_once

pytestmark = pytest.mark.anyio


@pytest.fixture
async def moved(rental: Rental) -> str:
    """An allocation that runs on the second node; the first made the account, and has not answered since."""
    allocation_id = await rental.launch()
    await add_node(rental.database, "south")
    first = rental.backend.node(rental.node_id)

    async def lost(verb: str, moment: str) -> None:
        if (verb, moment) == ("apply", "after") and allocation_id in first.accounts and first.reachable:
            first.reachable = False
            raise unreachable()

    rental.backend.interrupt = lost
    await rental.work_until(allocation_id, "active")
    assert list(first.accounts) == [allocation_id]
    return allocation_id


async def remnant(rental: Rental) -> Row[Any]:
    return await rental.one("SELECT * FROM allocation_remnant")


async def sweep(rental: Rental) -> None:
    """A worker asks the node about what was left, now."""
    await rental.run("UPDATE work SET due_at = clock_timestamp() WHERE kind = 'remnant' AND due_at <> 'infinity'")
    await sweep_once(rental.worker())


async def sweep_until_cleaned(rental: Rental, *, most: int = 50) -> Row[Any]:
    for _ in range(most):
        await sweep(rental)
        if (await remnant(rental)).cleaned_at is not None:
            return await remnant(rental)
    raise AssertionError("it was not cleaned")


class TestARemnant:
    async def test_outlives_its_allocation(self, rental: Rental, moved: str) -> None:
        await rental.release(moved)
        await rental.work_until(moved, "released")
        assert await rental.disagreements() == []
        rental.backend.node(rental.node_id).reachable = True
        await sweep_until_cleaned(rental)
        assert rental.backend.node(rental.node_id).accounts == {}
        assert await rental.disagreements() == []

    async def test_catches_up_with_a_node_that_has_seen_a_newer_generation(self, rental: Rental, moved: str) -> None:
        node = rental.backend.node(rental.node_id)
        node.fences[moved], node.reachable = 41, True
        await sweep(rental)
        await sweep(rental)
        cleaned = await remnant(rental)
        assert (cleaned.generation, cleaned.evidence["clean"]) == (42, True)

    async def test_is_cleaned_once(self, rental: Rental, moved: str) -> None:
        rental.backend.node(rental.node_id).reachable = True
        cleaned, asked = await sweep_until_cleaned(rental), list(rental.backend.calls)
        async with rental.database.transaction() as session:
            await leases.make_due(session, remnants.WORK, cleaned.id, place=cleaned.node_id)
        await sweep_once(rental.worker())
        assert await rental.all("SELECT 1 FROM work WHERE kind = 'remnant'") == []
        assert (rental.backend.calls, await remnant(rental)) == (asked, cleaned)

    async def test_is_cleaned_by_another_worker_when_one_is_killed(self, rental: Rental, moved: str) -> None:
        rental.backend.node(rental.node_id).reachable = True
        killed: list[str] = []

        async def dies(verb: str, moment: str) -> None:
            if (verb, moment) == ("release", "after") and not killed:
                killed.append(verb)
                raise Killed

        rental.backend.interrupt = dies
        with pytest.raises(Killed):
            await sweep_until_cleaned(rental)
        assert (await remnant(rental)).cleaned_at is None
        await rental.run("UPDATE work SET lease_expires_at = clock_timestamp() WHERE kind = 'remnant'")
        await sweep_until_cleaned(rental)
        assert await rental.disagreements() == []

    async def test_is_a_finding_once_it_has_waited_until_it_is_gone(self, rental: Rental, moved: str) -> None:
        async def found() -> list[str]:
            async with rental.database.transaction() as session:
                results = await checks.run(session, thorough=False)
            return [
                one.subject_id for each in results if each.check.code == "allocations.remnant" for one in each.findings
            ]

        assert await found() == []
        with patch.object(checks, "REMNANT_SECONDS", 0):
            assert await found() == [(await remnant(rental)).id]
            rental.backend.node(rental.node_id).reachable = True
            await sweep_until_cleaned(rental)
            assert await found() == []


class TestALookAtTheNode:
    async def test_from_before_the_cleaning_finds_no_stranger_and_a_later_one_does(
        self, rental: Rental, moved: str
    ) -> None:
        rental.backend.node(rental.node_id).reachable = True
        seen = await rental.backend.observe(rental.node_id)
        await sweep_until_cleaned(rental)
        await observations.on_observed(
            rental.database, rental.node_id, seen, policy=DEFAULT_POLICY, release_lost_seconds=None
        )
        async with rental.database.reading() as session:
            assert await nodes.strangers(session) == []
        later = replace(seen, observed_at=(await remnant(rental)).cleaned_at)
        await observations.on_observed(
            rental.database, rental.node_id, later, policy=DEFAULT_POLICY, release_lost_seconds=None
        )
        async with rental.database.reading() as session:
            assert [name for name, _ in await nodes.strangers(session)] == ["north"]

    async def test_at_a_third_node_finds_a_stranger(self, rental: Rental, moved: str) -> None:
        rental.backend.node(rental.node_id).reachable = True
        third = await add_node(rental.database, "third")
        seen = replace(await rental.backend.observe(rental.node_id), node_id=third)
        await observations.on_observed(rental.database, third, seen, policy=DEFAULT_POLICY, release_lost_seconds=None)
        async with rental.database.reading() as session:
            assert [name for name, _ in await nodes.strangers(session)] == ["third"]


class TestAWorkerThatIsKilled:
    async def test_between_the_move_and_its_end_has_moved_nothing(self, rental: Rental) -> None:
        allocation_id = await rental.launch()
        await add_node(rental.database, "south")
        rental.backend.node(rental.node_id).reachable = False
        relocate, killed = relocation.relocate, list[bool]()

        async def dies(*arguments: object, **options: object) -> bool:
            moved = await relocate(*arguments, **options)  # type: ignore[arg-type]
            if moved and not killed:
                killed.append(moved)
                raise Killed
            return moved

        with patch.object(relocation, "relocate", dies):
            with pytest.raises(Killed):
                await rental.work_until(allocation_id, "active")
            assert (await rental.row(allocation_id)).node_id == rental.node_id
            assert await rental.all("SELECT id FROM allocation_remnant") == []
            await rental.run("UPDATE work SET lease_expires_at = clock_timestamp() WHERE kind = 'allocation'")
            await rental.work_until(allocation_id, "active")
        assert len(await rental.all("SELECT id FROM allocation_remnant")) == 1
        assert await rental.disagreements() == []


class TestPostgreSQL:
    @pytest.mark.parametrize(
        "change",
        [
            pytest.param("state = 'failed', ended_at = now()", id="has failed"),
            pytest.param("started_at = now()", id="was billed"),
        ],
    )
    async def test_lets_nothing_move_that(self, rental: Rental, change: str) -> None:
        await rental.launch()
        other = await add_node(rental.database, "south")
        await rental.run(f"UPDATE allocation SET {change}")
        with pytest.raises(DBAPIError):
            await rental.run("UPDATE allocation SET node_id = :node, generation = generation + 1", node=other)

    async def test_lets_nothing_move_without_a_newer_generation(self, rental: Rental) -> None:
        await rental.launch()
        other = await add_node(rental.database, "south")
        with pytest.raises(DBAPIError):
            await rental.run("UPDATE allocation SET node_id = :node", node=other)
        await rental.run("UPDATE allocation SET node_id = :node, generation = generation + 1", node=other)

    @pytest.mark.parametrize("evidence", ["NULL", "'{}'", """'{"clean": false}'"""])
    async def test_lets_nothing_be_gone_without_proof(self, rental: Rental, moved: str, evidence: str) -> None:
        with pytest.raises(IntegrityError, match="allocation_remnant_cleaned_on_proof"):
            await rental.run(f"UPDATE allocation_remnant SET cleaned_at = now(), evidence = {evidence}")

    async def test_lets_nothing_that_is_gone_be_there_again(self, rental: Rental, moved: str) -> None:
        rental.backend.node(rental.node_id).reachable = True
        await sweep_until_cleaned(rental)
        with pytest.raises(DBAPIError):
            await rental.run("UPDATE allocation_remnant SET cleaned_at = NULL")

    async def test_lets_no_generation_shrink(self, rental: Rental, moved: str) -> None:
        with pytest.raises(DBAPIError):
            await rental.run("UPDATE allocation_remnant SET generation = generation - 1")
