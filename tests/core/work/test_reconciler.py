"""The engine: rows are brought to what is wanted, by one worker each, whatever happens to workers, stoves or rows."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from unittest.mock import patch

import pytest
from tests.core.work.kettles import KETTLE, work
from tests.core.work.kitchen import Held, Kitchen, die
from tests.support.locks import until_somebody_waits
from tests.support.work import look_at

from sublet.core.db import Database, OpenSessionError, Session, forbid_open_session
from sublet.core.work import leases
from sublet.core.work.declaration import Work
from sublet.core.work.leases import Lease
from sublet.core.work.outcomes import Done, Outcome
from sublet.core.work.reconciler import Reconciler

pytestmark = pytest.mark.anyio


class Late(Database):
    """Lets something happen once when everything of a transaction is done but its commit."""

    before_commit: Callable[[], Awaitable[None]] | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        async with super().transaction() as session:
            yield session
            hook, self.before_commit = self.before_commit, None
            if hook is not None:
                await hook()


class TestWorking:
    async def test_brings_a_row_to_what_is_wanted(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        await kitchen.work(kitchen.worker())
        assert await kitchen.state() == "hot"
        assert kitchen.stoves.heated == ["a"]
        assert await kitchen.row() is None

    async def test_one_of_two_workers_has_a_row(self, kitchen: Kitchen) -> None:
        rows = [f"k{number}" for number in range(20)]
        await kitchen.want(*rows)
        await asyncio.gather(*(kitchen.work(kitchen.worker()) for _ in range(4)))
        assert sorted(kitchen.stoves.heated) == sorted(rows)
        assert set((await kitchen.states()).values()) == {"hot"}

    async def test_looks_at_one_row_now(self, kitchen: Kitchen) -> None:
        await kitchen.want("a", "b")
        worker = kitchen.worker()
        assert await look_at(worker, KETTLE, "b") is True
        assert await kitchen.states() == {"a": "cold", "b": "hot"}
        assert await look_at(worker, KETTLE, "b") is False

    async def test_acts_while_no_session_is_open(self, kitchen: Kitchen) -> None:
        opened: list[bool] = []

        async def heat(_kettle_id: str, _stove: str) -> None:
            forbid_open_session("a stove")
            opened.append(False)

        kitchen.stoves.heat = heat  # type: ignore[method-assign]
        await kitchen.want("a")
        await kitchen.work(kitchen.worker())
        assert opened == [False]

    async def test_refuses_to_act_while_a_session_is_open(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        worker = kitchen.worker()
        async with kitchen.database.transaction() as session:
            lease = await leases.lease_one(session, KETTLE, "a", seconds=60)
        assert lease is not None
        async with kitchen.database.reading():
            with pytest.raises(OpenSessionError):
                await worker._attempt(worker.works[KETTLE], lease)
        assert kitchen.stoves.heated == []

    async def test_what_is_acted_on_is_concluded(self) -> None:
        async def take(_session: object, _lease: object) -> Done:
            return Done()

        async def act(_lease: object, _taken: object) -> None: ...

        with pytest.raises(ValueError, match="concluded"):
            Work("odd", take, act)

    async def test_knows_how_long_a_row_has_waited(self, kitchen: Kitchen) -> None:
        slow = Held(kitchen)
        await kitchen.want("a")
        await kitchen.run("UPDATE work SET due_at = clock_timestamp() - interval '10 seconds'")
        worker = kitchen.worker()
        await worker.sweep()
        assert 10 <= worker._slots.held[0].waited_seconds < 60
        slow.let.set()
        await worker.drain()


class TestFailing:
    async def test_is_tried_again_and_given_up_after_the_last_attempt(self, kitchen: Kitchen) -> None:
        kitchen.stoves.broken = {"north"}
        await kitchen.want("a")
        worker = kitchen.worker(attempts=3)
        for attempt in (1, 2):
            await worker.sweep()
            await worker.drain()
            row = await kitchen.row()
            assert row is not None
            assert (row.attempts, row.last_error, row.leased) == (attempt, "stove_failed", False)
            await kitchen.waits_pass()
        await worker.sweep()
        await worker.drain()
        assert await kitchen.state() == "broken"
        assert await kitchen.row() is None

    async def test_without_a_way_to_give_up_it_is_set_aside(self, kitchen: Kitchen) -> None:
        kitchen.stoves.broken = {"north"}
        await kitchen.want("a")
        declared = work(kitchen.stoves, attempts=1)
        worker = Reconciler(kitchen.database, [replace(declared, give_up=None)])
        await kitchen.work(worker)
        row = await kitchen.row()
        assert row is not None
        assert (row.aside, row.last_error, row.attempts) == (True, "stove_failed", 1)
        assert await worker.sweep() == 0

    async def test_a_fault_of_ours_is_an_attempt_too(self, kitchen: Kitchen) -> None:
        async def heat(_kettle_id: str, _stove: str) -> None:
            raise ZeroDivisionError

        kitchen.stoves.heat = heat  # type: ignore[method-assign]
        await kitchen.want("a")
        worker = kitchen.worker(attempts=2)
        await worker.sweep()
        await worker.drain()
        row = await kitchen.row()
        assert row is not None
        assert (row.attempts, row.last_error) == (1, "ZeroDivisionError")

    async def test_one_row_that_fails_holds_up_no_other(self, kitchen: Kitchen) -> None:
        kitchen.stoves.broken = {"south"}
        await kitchen.want("a", stove="south")
        await kitchen.want("b")
        worker = kitchen.worker()
        await worker.sweep()
        await worker.drain()
        assert await kitchen.state("b") == "hot"


class TestLosing:
    async def test_a_frozen_workers_result_is_refused(self, kitchen: Kitchen) -> None:
        slow = Held(kitchen)
        await kitchen.want("a")
        frozen = kitchen.worker()
        await frozen.sweep()
        await slow.has_begun()
        await kitchen.leases_run_out()
        async with kitchen.database.transaction() as session:
            assert await leases.lease_one(session, KETTLE, "a", seconds=60) is not None
        slow.let.set()
        await frozen.drain()
        assert await kitchen.state() == "cold", "whoever has the lease now decides"

    async def test_a_worker_that_is_overtaken_while_it_takes_does_not_act(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        declared = work(kitchen.stoves)

        async def take(session: Session, lease: Lease) -> str | Outcome:
            taken = await declared.take(session, lease)
            async with kitchen.database.transaction() as other:
                await leases.overtake(other, KETTLE, "a", place="north")
            return taken

        worker = Reconciler(kitchen.database, [replace(declared, take=take)])
        await worker.sweep()
        await worker.drain()
        assert kitchen.stoves.heated == []

    async def test_nobody_overtakes_a_worker_between_its_last_look_and_its_commit(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        database, declared = Late(kitchen.database.url), work(kitchen.stoves)
        overtaking: list[asyncio.Task[None]] = []

        async def overtake() -> None:
            async with kitchen.database.transaction() as session:
                await leases.overtake(session, KETTLE, "a", place="north")

        async def before_commit() -> None:
            overtaking.append(asyncio.create_task(overtake()))
            await until_somebody_waits(kitchen.database)
            waited.set()

        async def take(session: Session, lease: Lease) -> str | Outcome:
            database.before_commit = before_commit
            return await declared.take(session, lease)

        waited = asyncio.Event()
        worker = Reconciler(database, [replace(declared, take=take)])
        await worker.sweep()
        await worker.drain()
        await asyncio.gather(*overtaking)
        assert waited.is_set()
        await database.close()

    async def test_a_dead_workers_row_passes_on(self, kitchen: Kitchen) -> None:
        slow = Held(kitchen)
        await kitchen.want("a")
        dead = kitchen.worker()
        await dead.sweep()
        await slow.has_begun()
        await die(dead)
        slow.let.set()
        other = kitchen.worker()
        assert await other.sweep() == 0, "its lease has not run out"
        await kitchen.leases_run_out()
        await kitchen.work(other)
        assert await kitchen.state() == "hot"

    async def test_a_worker_that_stops_gives_back_what_it_holds(self, kitchen: Kitchen) -> None:
        slow = Held(kitchen)
        await kitchen.want("a")
        leaving = kitchen.worker()
        await leaving.sweep()
        await slow.has_begun()
        await leaving.stop(grace_seconds=0.01)
        slow.let.set()
        await kitchen.work(kitchen.worker())
        assert await kitchen.state() == "hot"
        assert (await kitchen.one("SELECT count(*) AS n FROM work_crash")).n == 0

    async def test_what_takes_long_keeps_its_lease_by_renewal(self, kitchen: Kitchen) -> None:
        slow = Held(kitchen)
        await kitchen.want("a")
        worker = kitchen.worker(lease_seconds=60)
        await worker.sweep()
        await slow.has_begun()
        before = (await kitchen.one("SELECT lease_expires_at AS at FROM work")).at
        await worker.renew()
        assert (await kitchen.one("SELECT lease_expires_at AS at FROM work")).at > before
        slow.let.set()
        await worker.drain()
        assert await kitchen.state() == "hot"

    async def test_with_nothing_in_hand_it_renews_without_a_word_to_the_database(self, kitchen: Kitchen) -> None:
        worker = kitchen.worker()
        with patch.object(kitchen.database, "transaction", side_effect=AssertionError("it asked the database")):
            await worker.renew()

    async def test_renewal_ends_what_was_lost(self, kitchen: Kitchen) -> None:
        slow = Held(kitchen)
        await kitchen.want("a")
        worker = kitchen.worker()
        await worker.sweep()
        await slow.has_begun()
        async with kitchen.database.transaction() as session:
            await leases.overtake(session, KETTLE, "a", place="north")
        await worker.renew()
        assert slow.cancelled == 1

    async def test_a_worker_without_its_database_ends_what_may_be_lost(self, kitchen: Kitchen) -> None:
        slow = Held(kitchen)
        await kitchen.want("a")
        worker = kitchen.worker()
        await worker.sweep()
        await slow.has_begun()
        for lease in worker._slots.held:
            lease.lasts_until = 0.0
        async with kitchen.database.transaction() as session:
            await leases.lock(session, worker._slots.held[0])  # nobody can renew it now
            await worker.renew()
        assert slow.cancelled == 1

    async def test_a_row_that_is_being_changed_is_not_lost(self, kitchen: Kitchen) -> None:
        slow = Held(kitchen)
        await kitchen.want("a")
        worker = kitchen.worker()
        await worker.sweep()
        await slow.has_begun()
        async with kitchen.database.transaction() as session:
            await leases.make_due(session, KETTLE, "a", place="north")
            await worker.renew()
            assert slow.cancelled == 0
        slow.let.set()
        await worker.drain()
        assert await kitchen.state() == "hot"
