"""What is suspended and used all the same is found, with who uses it, until its node shows otherwise."""

import pytest

from sublet.core.db import Database
from sublet.findings import findings
from sublet.findings.findings import Severity, StoredFinding
from sublet.fleet.backend import EvidenceCheck, Holder
from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.allocations.rental import Rental
from tests.allocations.test_suspended_claim import ALL, DISK, HOUR, SHAPE, claimed, suspended
from tests.support.clock import Clock

pytestmark = pytest.mark.anyio

HELD = EvidenceCheck("held", False, "Left: a GPU in train (41)", (Holder(41, "al-somebodyelse0000", "train", "a GPU"),))
UNHELD = EvidenceCheck("held", True, "Looked again: nothing left.")


async def found(rental: Rental) -> list[StoredFinding]:
    """What was found of a claim that is not given back."""
    wanted = findings.Filter(None, "allocations.claim_not_given_back", None, None, None, None)
    async with rental.database.transaction() as session:
        return await findings.newest(session, wanted, before=None, limit=10)


@pytest.fixture
def postgres(clocked_postgres: EmbeddedPostgres) -> EmbeddedPostgres:
    """A database whose time can be moved: a claim lasts for hours."""
    return clocked_postgres


@pytest.fixture
async def rental(database: Database) -> Rental:
    """A node with one GPU, which a suspended allocation keeps for four hours."""
    return await Rental.open(database, kept_hours=4, **SHAPE)


class TestTheFinding:
    async def test_is_of_what_is_not_given_back_when_its_time_is_over(self, rental: Rental, clock: Clock) -> None:
        allocation_id = await suspended(rental)
        rental.backend.node(rental.node_id).given_back = (HELD,)
        clock.later(4 * HOUR + 60)
        for _ in range(2):
            await rental.work(allocation_id)
            clock.later(120)
        [one] = await found(rental)
        assert (one.subject_type, one.subject_id, one.until) == ("allocation", allocation_id, None)
        assert one.severity is Severity.CRITICAL
        assert "Who holds it: al-somebodyelse0000: train (41) has a GPU." in one.detail["problem"]
        rental.backend.node(rental.node_id).given_back = (UNHELD,)
        await rental.work(allocation_id)
        assert await claimed(rental, allocation_id) == DISK
        [one] = await found(rental)
        assert one.until is not None

    async def test_is_of_a_node_that_says_nothing_too(self, rental: Rental, clock: Clock) -> None:
        allocation_id = await suspended(rental)
        rental.backend.node(rental.node_id).given_back = ()
        clock.later(4 * HOUR + 60)
        await rental.work(allocation_id)
        [one] = await found(rental)
        assert "its node does not say" in one.detail["problem"]

    async def test_is_of_gpus_that_others_use_while_it_keeps_its_place(self, rental: Rental, clock: Clock) -> None:
        rental.backend.node(rental.node_id).kept = (HELD,)
        allocation_id = await suspended(rental)
        [one] = await found(rental)
        assert (one.subject_id, one.severity, one.until) == (allocation_id, Severity.CRITICAL, None)
        assert "al-somebodyelse0000: train (41) has a GPU" in one.detail["problem"]
        rental.backend.node(rental.node_id).kept = (UNHELD,)
        clock.later(120)
        await rental.work(allocation_id)
        assert (await found(rental))[0].until is not None
        assert await claimed(rental, allocation_id) == ALL

    async def test_closes_when_it_runs_again(self, rental: Rental) -> None:
        rental.backend.node(rental.node_id).kept = (HELD,)
        allocation_id = await suspended(rental)
        await rental.resume(allocation_id)
        await rental.work_until(allocation_id, "active")
        assert (await found(rental))[0].until is not None

    async def test_closes_when_it_has_ended_and_not_before(self, rental: Rental) -> None:
        rental.backend.node(rental.node_id).kept = (HELD,)
        allocation_id = await suspended(rental)
        await rental.release(allocation_id)
        assert (await found(rental))[0].until is None
        await rental.work_until(allocation_id, "released")
        assert (await found(rental))[0].until is not None
