"""Crashes of workers: they count against a row, but only against one that every one of the last crashes held."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from unittest.mock import patch

import pytest
from tests.core.work.kettles import KETTLE, work
from tests.core.work.kitchen import DEADLINE, Held, Kitchen, die
from tests.support.work import look_at

from sublet.core.work import leases, slots
from sublet.core.work.declaration import SET_ASIDE
from sublet.core.work.reconciler import Reconciler

pytestmark = pytest.mark.anyio

Ask = Callable[..., Awaitable[None]]


class TestCrashes:
    """A crash counts against the row that every one of the last crashes held, and is no failure of anybody's."""

    async def crash(self, kitchen: Kitchen, *kettle_ids: str) -> dict[str, int]:
        """A worker dies while it holds exactly these rows; the crashes that count against each afterwards."""
        slow = Held(kitchen)
        await kitchen.run(
            "UPDATE work SET due_at = 'infinity' WHERE lease_holder IS NULL AND NOT id = ANY(:ids)",
            ids=list(kettle_ids),
        )
        worker = kitchen.worker(attempts=100)
        await worker.sweep()
        await kitchen.run("UPDATE work SET due_at = clock_timestamp() WHERE id = ANY(:ids)", ids=list(kettle_ids))
        await worker.sweep()
        held = {lease.id for lease in worker._slots.held}
        assert held == set(kettle_ids)
        await slow.has_begun()
        await die(worker)
        kitchen.stoves.heat = slow._heat  # type: ignore[method-assign]
        await kitchen.leases_run_out()
        async with kitchen.database.reading() as session:
            rows = await session.execute(leases.text("SELECT id, crashes FROM work"))
            return {row.id: row.crashes for row in rows}

    async def test_the_row_that_all_of_them_held_is_given_up(self, kitchen: Kitchen) -> None:
        await kitchen.want("poison")
        for _ in range(3):
            await self.crash(kitchen, "poison")
        worker = kitchen.worker(attempts=1, crashes=3)
        await kitchen.work(worker)
        await kitchen.waits_pass()
        await kitchen.work(worker)
        assert await kitchen.state("poison") == "broken"
        assert kitchen.stoves.heated == []

    async def test_one_crash_less_gives_up_nothing_and_uses_up_no_attempt(self, kitchen: Kitchen) -> None:
        await kitchen.want("poison")
        for _ in range(2):
            await self.crash(kitchen, "poison")
        worker = kitchen.worker(attempts=1, crashes=3)
        await kitchen.work(worker)
        await kitchen.waits_pass()
        await kitchen.work(worker)
        assert await kitchen.state("poison") == "hot"

    async def test_a_kind_whose_end_is_none_is_tried_however_many_died(self, kitchen: Kitchen) -> None:
        await kitchen.want("poison")
        await kitchen.run("UPDATE work SET crashes = 1000")
        await kitchen.work(kitchen.worker(attempts=1, crashes=None))
        assert await kitchen.state("poison") == "hot"

    async def test_without_another_end_a_row_is_set_aside_until_somebody_asks(self, kitchen: Kitchen) -> None:
        await kitchen.want("poison")
        await kitchen.run("UPDATE work SET crashes = 8")
        worker = Reconciler(kitchen.database, [replace(work(kitchen.stoves), give_up=None, end=SET_ASIDE)])
        await kitchen.work(worker)
        row = await kitchen.row("poison")
        assert row is not None
        assert (row.aside, row.last_error, row.crashes) == (True, "interrupted", 0)
        assert kitchen.stoves.heated == []
        async with kitchen.database.transaction() as session:
            await leases.make_due(session, KETTLE, "poison", place="north")
        await kitchen.work(worker)
        assert kitchen.stoves.heated == ["poison"]

    @pytest.mark.parametrize("ask", [leases.make_due, leases.look_again])
    async def test_asking_for_it_in_between_lets_it_off_nothing(self, kitchen: Kitchen, ask: Ask) -> None:
        await kitchen.want("poison")
        counted = []
        for _ in range(4):
            counted.append((await self.crash(kitchen, "poison"))["poison"])
            async with kitchen.database.transaction() as session:
                await ask(session, KETTLE, "poison", place="north")
        assert counted == [0, 1, 2, 3], "a crash is counted as the row is taken again"

    async def test_crashes_are_in_succession_though_their_numbers_are_not(self, kitchen: Kitchen) -> None:
        await kitchen.want("poison", "other")
        counted = []
        for _ in range(4):
            counted.append((await self.crash(kitchen, "poison"))["poison"])
            await kitchen.run("INSERT INTO work_crash (holder) SELECT holder FROM work_crash ON CONFLICT DO NOTHING")
        assert counted == [0, 1, 2, 3]

    async def test_one_that_hangs_is_no_crash_and_holds_up_no_other(self, kitchen: Kitchen) -> None:
        await kitchen.want("a", "b")
        await kitchen.run("UPDATE work SET crashes = 2")
        slow, worker = Held(kitchen), kitchen.worker(attempts=100)
        assert (await worker.sweep(), await worker.sweep()) == (1, 0)
        with patch.object(slots, "SUSPECT_SECONDS", 0.0):
            assert await worker.sweep() == 1
        slow.let.set()
        await worker.drain()

    async def test_the_next_is_tried_as_soon_as_one_has_ended(self, kitchen: Kitchen) -> None:
        await kitchen.want(*"abcd")
        await kitchen.run("UPDATE work SET crashes = 2")
        worker = Reconciler(kitchen.database, [work(kitchen.stoves)], sweep_seconds=3600)
        running = asyncio.create_task(worker.run())
        try:
            async with asyncio.timeout(DEADLINE):
                while set((await kitchen.states()).values()) != {"hot"}:
                    await asyncio.sleep(0.005)
        finally:
            running.cancel()
            await asyncio.wait({running})

    async def test_one_crash_counts_against_all_that_it_held(self, kitchen: Kitchen) -> None:
        await kitchen.want("a", "b")
        await self.crash(kitchen, "a", "b")
        worker = kitchen.worker()
        await worker.sweep()
        assert {(lease.attempt, lease.crashes) for lease in worker._slots.held} == {(1, 1)}
        await worker.drain()
        assert await kitchen.states() == {"a": "hot", "b": "hot"}

    async def test_a_worker_that_stops_in_between_lets_it_off_nothing(self, kitchen: Kitchen) -> None:
        await kitchen.want("poison")
        await self.crash(kitchen, "poison")
        await self.crash(kitchen, "poison")
        slow, stopping = Held(kitchen), kitchen.worker(attempts=100)
        await stopping.sweep()
        await kitchen.waits_pass()
        await stopping.sweep()
        await slow.has_begun()
        await stopping.stop(grace_seconds=0.01)
        slow.let.set()
        worker = kitchen.worker(attempts=100)
        await worker.sweep()
        assert [(lease.attempt, lease.crashes) for lease in worker._slots.held] == [(1, 2)]
        await worker.drain()

    async def test_a_crash_without_the_row_clears_it(self, kitchen: Kitchen) -> None:
        await kitchen.want("a", "b")
        await self.crash(kitchen, "a")
        await kitchen.run("UPDATE work SET lease_expires_at = 'infinity' WHERE id = 'a'")
        await kitchen.run("UPDATE work SET due_at = clock_timestamp() WHERE id = 'b'")
        await self.crash(kitchen, "b")
        other = kitchen.worker()
        await look_at(other, KETTLE, "b")
        await kitchen.run("UPDATE work SET lease_expires_at = clock_timestamp() WHERE id = 'a'")
        counted = await self.crash(kitchen, "a")
        assert counted["a"] == 1

    async def test_of_rows_that_two_crashes_held_one_is_taken_at_a_time(self, kitchen: Kitchen) -> None:
        await kitchen.want("a", "b", "c")
        await self.crash(kitchen, "a", "b", "c")
        await self.crash(kitchen, "a", "b", "c")
        worker, slow = kitchen.worker(attempts=100), Held(kitchen)
        assert await worker.sweep() == 0, "the second crash is counted, and all wait"
        await kitchen.waits_pass()
        assert (await worker.sweep(), await worker.sweep()) == (1, 0)
        slow.let.set()
        await worker.drain()
        await kitchen.work(worker)
        assert set((await kitchen.states()).values()) == {"hot"}

    async def test_what_workers_die_of_waits_longer_each_time_and_others_do_not(self, kitchen: Kitchen) -> None:
        await kitchen.want("poison")
        await self.crash(kitchen, "poison")
        waits = []
        for number in range(4):
            await self.crash(kitchen, "poison")
            await kitchen.want(f"other{number}")
            worker = kitchen.worker(attempts=100)
            assert await worker.sweep() == 1, "the other one"
            await worker.drain()
            row = "SELECT extract(epoch FROM due_at - clock_timestamp())::float AS wait FROM work WHERE id = 'poison'"
            waits.append(round((await kitchen.one(row)).wait))
        assert waits == [1, 2, 4, 8]

    @pytest.mark.parametrize("crashes", [12, 5000])
    async def test_what_many_workers_died_of_waits_ten_minutes_at_most(self, kitchen: Kitchen, crashes: int) -> None:
        await kitchen.want("poison")
        for _ in range(2):
            await self.crash(kitchen, "poison")
        await kitchen.run("UPDATE work SET crashes = :crashes", crashes=crashes)
        await kitchen.worker(crashes=None).sweep()
        waits = "extract(epoch FROM due_at - clock_timestamp())"
        row = await kitchen.one(f"SELECT crashes, {waits} AS seconds FROM work")
        assert row.crashes == crashes + 1
        assert 590 < row.seconds <= 600

    async def test_a_worker_that_missed_a_renewal_has_not_crashed(self, kitchen: Kitchen) -> None:
        slow = Held(kitchen)
        await kitchen.want("a")
        worker = kitchen.worker()
        await worker.sweep()
        await slow.has_begun()
        await die(worker)
        await kitchen.leases_run_out()
        slow.let.set()
        await worker.sweep()
        assert [(lease.attempt, lease.crashes) for lease in worker._slots.held] == [(1, 0)]
        await worker.drain()

    async def test_a_worker_that_freezes_twice_has_crashed_once(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        kitchen.stoves.broken = {"north"}
        frozen, other = kitchen.worker(attempts=100), kitchen.worker(attempts=100)
        for crashes in (1, 0):
            slow = Held(kitchen)
            await frozen.sweep()
            await slow.has_begun()
            await die(frozen)
            kitchen.stoves.heat = slow._heat  # type: ignore[method-assign]
            await kitchen.leases_run_out()
            await other.sweep()
            assert [lease.crashes for lease in other._slots.held] == [crashes], "the other survived it in between"
            await other.drain()
            await kitchen.waits_pass()

    async def test_what_no_worker_had_and_ran_out_is_no_crash(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        async with kitchen.database.transaction() as session:
            assert await leases.lease_one(session, KETTLE, "a", seconds=60) is not None
        await kitchen.leases_run_out()
        worker = kitchen.worker()
        await worker.sweep()
        assert [lease.crashes for lease in worker._slots.held] == [0]
        await worker.drain()
