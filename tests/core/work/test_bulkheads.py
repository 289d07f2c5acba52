"""Bulkheads: no place and no kind takes what others need, and what waits holds no slot."""

from unittest.mock import patch

import pytest
from tests.core.work.kettles import KETTLE, work
from tests.core.work.kitchen import Held, Kitchen

from sublet.core.work import ready
from sublet.core.work.leases import Lease
from sublet.core.work.slots import Slots

pytestmark = pytest.mark.anyio


class TestBulkheads:
    @pytest.mark.parametrize(("place", "crowded"), [("a", False), ("north", True)])
    async def test_only_a_full_place_that_others_share_is_crowded(
        self, kitchen: Kitchen, place: str, crowded: bool
    ) -> None:
        slots = Slots([work(kitchen.stoves, each=1)])
        slots.enter(Lease(KETTLE, "a", token=1, place=place))
        assert slots.crowded() is crowded

    async def test_no_place_takes_more_than_its_share(self, kitchen: Kitchen) -> None:
        slow = Held(kitchen)
        await kitchen.want(*(f"n{number}" for number in range(9)), stove="north")
        await kitchen.want("s", stove="south")
        worker = kitchen.worker(slots=20, each=3)
        assert await worker.sweep() == 4
        assert sorted(lease.place for lease in worker._slots.held) == ["north", "north", "north", "south"]
        slow.let.set()
        await kitchen.work(worker)
        assert set((await kitchen.states()).values()) == {"hot"}

    async def test_a_full_place_keeps_no_slot_from_another(self, kitchen: Kitchen) -> None:
        slow = Held(kitchen)
        await kitchen.want(*(f"n{number}" for number in range(30)), stove="north")
        worker = kitchen.worker(slots=5, each=3)
        await worker.sweep()
        await kitchen.want("s", stove="south")
        assert await worker.sweep() == 1
        slow.let.set()
        await worker.drain()

    async def test_one_sweep_reaches_past_the_longest_queue(self, kitchen: Kitchen) -> None:
        slow = Held(kitchen)
        await kitchen.want(*(f"n{number}" for number in range(30)), stove="north")
        await kitchen.want("s", stove="south")
        worker = kitchen.worker(slots=5, each=3)
        await worker.sweep()
        assert sorted(lease.place for lease in worker._slots.held) == ["north", "north", "north", "south"]
        slow.let.set()
        await worker.drain()

    async def test_one_with_room_for_everything_asks_once(self, kitchen: Kitchen) -> None:
        slow = Held(kitchen)
        await kitchen.want("a")
        worker = kitchen.worker()
        with patch.object(ready, "lease_ready", wraps=ready.lease_ready) as asked:
            await worker.sweep()
        assert asked.await_count == 1
        slow.let.set()
        await worker.drain()

    async def test_no_kind_takes_more_than_its_slots(self, kitchen: Kitchen) -> None:
        slow = Held(kitchen)
        for number in range(9):
            await kitchen.want(f"k{number}", stove=f"s{number}")
        worker = kitchen.worker(slots=5)
        assert await worker.sweep() == 5
        assert await worker.sweep() == 0
        slow.let.set()
        await kitchen.work(worker)
        assert set((await kitchen.states()).values()) == {"hot"}

    async def test_places_take_turns(self, kitchen: Kitchen) -> None:
        slow = Held(kitchen)
        await kitchen.want(*(f"n{number}" for number in range(8)), stove="north")
        await kitchen.want("s", stove="south")
        worker = kitchen.worker(slots=3, each=3)
        await worker.sweep()
        assert "s" in {lease.id for lease in worker._slots.held}, "the longest queue does not take all"
        slow.let.set()
        await worker.drain()
