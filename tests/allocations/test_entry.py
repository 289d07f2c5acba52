"""Ready means that the customer can get in: a launch starts, and is billed, once somebody came in as they will."""

from typing import Any

import pytest

from tests.allocations.rental import Rental
from tests.allocations.simulated import failing, unreachable
from tests.scheduling.fleet_rows import add_node
from tests.support.work import sweep_once

pytestmark = pytest.mark.anyio


class TestANodeThatLetsNobodyIn:
    async def test_fails_the_launch_without_a_cent_and_says_why(self, rental: Rental) -> None:
        allocation_id = await rental.launch()
        rental.backend.node(rental.node_id).keeps_out = True
        row = await rental.work_until(allocation_id, "failed")
        assert row.started_at is None
        assert row.failure["code"] == "entry_refused"
        assert "let nobody into it" in row.failure["message"]
        assert await rental.all("SELECT id FROM work WHERE kind = 'trial'") == [rental.node_id]
        assert await rental.all("SELECT subject_id FROM meter") == []
        assert await rental.disagreements() == []

    async def test_is_left_for_another(self, rental: Rental) -> None:
        allocation_id = await rental.launch()
        second = await add_node(rental.database, "south")
        rental.backend.node(rental.node_id).keeps_out = True
        row = await rental.work_until(allocation_id, "active")
        assert row.node_id == second

    async def test_is_billed_for_nothing_before_somebody_came_in(self, rental: Rental) -> None:
        allocation_id = await rental.launch()
        rental.backend.interrupt = failing("enter", "before", unreachable)
        await sweep_once(rental.worker())
        assert allocation_id in rental.backend.node(rental.node_id).accounts
        assert (await rental.row(allocation_id)).started_at is None
        assert await rental.all("SELECT subject_id FROM meter") == []
        await rental.work_until(allocation_id, "active")

    async def test_is_not_asked_again_once_it_has_started(self, rental: Rental) -> None:
        allocation_id = await rental.launch()
        await rental.work_until(allocation_id, "active")
        rental.backend.node(rental.node_id).keeps_out = True
        await rental.run("UPDATE work SET due_at = clock_timestamp() WHERE kind = 'allocation'")
        row = await rental.work_until(allocation_id, "active")
        assert row.failure is None


class TestASessionThatIsNotItsOwn:
    @pytest.mark.parametrize(
        "shows",
        [{"uid": 0}, {"homes": ("/home/al-another000000000", "/home/mine")}, {"homes": ()}, {"sees_others": True}],
    )
    async def test_starts_nothing(self, rental: Rental, shows: dict[str, Any]) -> None:
        await rental.run(
            """UPDATE node SET capabilities = capabilities || '[{"name": "hidepid", "enforced": true, "detail": ""}]'"""
        )
        allocation_id = await rental.launch()
        rental.backend.node(rental.node_id).shows = shows
        row = await rental.work_until(allocation_id, "failed")
        assert row.failure["code"] == "entry_refused"
        assert row.started_at is None

    async def test_is_what_was_sold_where_the_node_says_that_it_hides_nobody(self, rental: Rental) -> None:
        allocation_id = await rental.launch()
        rental.backend.node(rental.node_id).shows = {"sees_others": True}
        await rental.work_until(allocation_id, "active")
