"""The bytes that an allocation's network carries are added up over links and boots, and never too many of them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sublet.allocations.views import whole
from sublet.allocations.work import observations
from tests.allocations.rental import Rental
from tests.support.policy import DEFAULT_LAUNCHES, DEFAULT_POLICY

pytestmark = pytest.mark.anyio

LATER = timedelta(seconds=15)


class Counting:
    """The node of a running allocation, which counts what the test says; each look is `LATER` than the one before."""

    def __init__(self, rental: Rental, allocation_id: str) -> None:
        self.rental, self.allocation_id = rental, allocation_id
        self.looks = 0

    async def look(
        self, carried: tuple[int, int] | None, *, boot_id: str = "boot-1", after: timedelta = LATER
    ) -> tuple[int, int] | None:
        """Look at the node, and read what the owner then reads."""
        observation = await self.rental.backend.observe(self.rental.node_id)
        found = tuple(
            replace(one, carried=carried) if one.allocation_id == self.allocation_id else one
            for one in observation.allocations
        )
        self.looks += 1
        at = self.began + self.passed + after if self.looks > 1 else observation.observed_at
        if self.looks == 1:
            self.began, self.passed = observation.observed_at, timedelta()
        else:
            self.passed += after
        seen = replace(observation, allocations=found, boot_id=boot_id, observed_at=at)
        for _ in range(2):  # it may be handed on twice
            await observations.on_observed(
                self.rental.database, self.rental.node_id, seen, policy=DEFAULT_POLICY, release_lost_seconds=None
            )
        traffic = (await self.page()).traffic
        return None if traffic is None else (traffic.in_bytes, traffic.out_bytes)

    async def page(self) -> Any:
        """The allocation as its owner reads it."""
        async with self.rental.database.reading() as session:
            return await whole.of(
                session, self.rental.actor, self.allocation_id, policy=DEFAULT_POLICY, launches=DEFAULT_LAUNCHES
            )


@pytest.fixture
async def counting(rental: Rental) -> Counting:
    """A running allocation, whose node has not been looked at since."""
    return Counting(rental, await rental.running())


class TestTraffic:
    async def test_is_not_known_where_nobody_counts(self, counting: Counting) -> None:
        assert await counting.look(None) is None

    async def test_is_what_the_node_has_counted_and_as_of_when(self, counting: Counting) -> None:
        assert await counting.look((1_000, 30)) == (1_000, 30)
        assert await counting.look((5_000, 40)) == (5_000, 40)
        assert (await counting.page()).traffic.seen_at == counting.began + counting.passed

    async def test_stays_where_a_look_says_nothing(self, counting: Counting) -> None:
        await counting.look((1_000, 30))
        assert await counting.look(None) == (1_000, 30)

    @pytest.mark.parametrize("anew", [(200, 5_000), (5_000, 7), (0, 0)])
    async def test_goes_on_where_the_link_was_laid_anew(self, counting: Counting, anew: tuple[int, int]) -> None:
        await counting.look((1_000, 30))
        total = 1_000 + anew[0], 30 + anew[1]
        assert await counting.look(anew, after=timedelta(seconds=1)) == total
        assert await counting.look((anew[0] + 1, anew[1] + 2)) == (total[0] + 1, total[1] + 2)

    async def test_goes_on_after_a_boot_however_much_has_come_since(self, counting: Counting) -> None:
        await counting.look((1_000, 30))
        assert await counting.look((9_000, 90), boot_id="boot-2", after=timedelta(seconds=1)) == (10_000, 120)

    async def test_is_not_taken_back_by_a_look_that_comes_late(self, counting: Counting) -> None:
        await counting.look((1_000, 30))
        await counting.look((5_000, 40))
        assert await counting.look((2_000, 35), after=-timedelta(seconds=1)) == (5_000, 40)

    async def test_is_written_once_in_a_while_and_no_more_often(self, counting: Counting) -> None:
        await counting.look((1_000, 30))
        assert await counting.look((1_500, 30), after=LATER - timedelta(seconds=1)) == (1_000, 30)
        assert await counting.look((1_600, 30), after=timedelta(seconds=1)) == (1_600, 30)

    async def test_of_a_node_that_lies_ends_at_the_largest_number_and_stops_nothing(self, counting: Counting) -> None:
        most = 2**63 - 1
        assert await counting.look((most, most)) == (most, most)
        assert await counting.look((most, most), boot_id="boot-2") == (9 * 10**18, 9 * 10**18)
