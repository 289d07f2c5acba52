"""Bulkheads: no place and no kind takes what others need, and what waits holds no slot."""

from unittest.mock import patch

import pytest
from tests.core.work.kettles import KETTLE, work
from tests.core.work.kitchen import Held, Kitchen

from sublet.core.work import leases, ready, trouble
from sublet.core.work.leases import Lease
from sublet.core.work.outcomes import SetAside
from sublet.core.work.pace import Pace
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


class TestTenants:
    async def test_none_takes_more_than_its_share_of_a_place(self, kitchen: Kitchen) -> None:
        slow = Held(kitchen)
        await kitchen.want(*(f"a{number}" for number in range(9)), cook="ada")
        worker = kitchen.worker(each=3, of_cook=2)
        assert await worker.sweep() == 2
        await kitchen.want("b", cook="ben")
        assert await worker.sweep() == 1, "what hangs for one holds up no other"
        assert sorted(lease.tenant for lease in worker._slots.held) == ["ada", "ada", "ben"]
        slow.let.set()
        await kitchen.work(worker)
        assert set((await kitchen.states()).values()) == {"hot"}

    async def test_with_the_longest_queue_keeps_no_slot_from_another(self, kitchen: Kitchen) -> None:
        slow = Held(kitchen)
        await kitchen.want(*(f"a{number}" for number in range(30)), cook="ada")
        worker = kitchen.worker(slots=5, each=4, of_cook=2)
        await worker.sweep()
        await kitchen.want("b", cook="ben")
        assert await worker.sweep() == 1
        slow.let.set()
        await worker.drain()

    async def test_has_its_share_of_each_place(self, kitchen: Kitchen) -> None:
        slow = Held(kitchen)
        for stove in ("north", "south"):
            await kitchen.want(*(f"{stove}{number}" for number in range(3)), stove=stove, cook="ada")
        worker = kitchen.worker(each=3, of_cook=2)
        await worker.sweep()
        assert sorted(lease.place for lease in worker._slots.held) == ["north", "north", "south", "south"]
        slow.let.set()
        await worker.drain()

    async def test_take_turns_at_a_place(self, kitchen: Kitchen) -> None:
        slow = Held(kitchen)
        await kitchen.want(*(f"a{number}" for number in range(8)), cook="ada")
        await kitchen.want("b", cook="ben")
        worker = kitchen.worker(each=3)
        await worker.sweep()
        assert "b" in {lease.id for lease in worker._slots.held}, "the longest queue does not take all"
        slow.let.set()
        await worker.drain()

    async def test_that_nobody_names_has_all_of_a_place(self, kitchen: Kitchen) -> None:
        slow = Held(kitchen)
        await kitchen.want(*(f"n{number}" for number in range(5)))
        worker = kitchen.worker(each=3, of_cook=1)
        assert await worker.sweep() == 3
        slow.let.set()
        await worker.drain()

    async def test_whose_share_is_full_have_the_next_slot_at_once(self, kitchen: Kitchen) -> None:
        slots = Slots([work(kitchen.stoves, each=3, of_cook=1)])
        slots.enter(Lease(KETTLE, "a", token=1, place="north", tenant="ada"))
        assert slots.crowded()

    @pytest.mark.parametrize("share", [0, 5])
    async def test_have_at_least_a_slot_and_no_more_than_there_are(self, kitchen: Kitchen, share: int) -> None:
        with pytest.raises(ValueError, match="slot"):
            work(kitchen.stoves, each=4, of_cook=share)

    async def test_stay_the_same_whoever_asks_for_the_row_again(self, kitchen: Kitchen) -> None:
        await kitchen.want("a", cook="ada")
        for ask in (leases.look_again, leases.make_due, leases.overtake):
            async with kitchen.database.transaction() as session:
                await ask(session, KETTLE, "a", place="north", tenant="ada")
                lease = await leases.lease_one(session, KETTLE, "a", seconds=6)
                assert lease is not None
                assert lease.tenant == "ada"
                await leases.finish(session, lease, SetAside("x"), pace=Pace())
                await trouble.retry(session, KETTLE, "a")
            assert (await kitchen.one("SELECT tenant FROM work WHERE id = 'a'")).tenant == "ada"
