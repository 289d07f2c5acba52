"""Work that does not come to its end is told of, and what is only under way is not."""

import pytest
from prometheus_client import REGISTRY
from tests.core.work.kettles import KETTLE
from tests.core.work.kitchen import Held, Kitchen, die

from sublet.core.errors import NotFound
from sublet.core.work import leases, trouble
from sublet.core.work.trouble import CRASHES, Trouble

pytestmark = pytest.mark.anyio

LONG_AGO = "clock_timestamp() - interval '1 hour'"


async def told(kitchen: Kitchen, *troubles: Trouble) -> dict[str, str]:
    async with kitchen.database.reading() as session:
        return {one.id: one.trouble.value for one in await trouble.page(session, *troubles)}


def gauge(kind: str = KETTLE) -> float | None:
    return REGISTRY.get_sample_value("sublet_work_overdue", {"work": kind})


class TestWhatIsToldOf:
    async def test_nothing_that_waits_fails_or_runs_for_a_moment(self, kitchen: Kitchen) -> None:
        await kitchen.want("fails", stove="broken")
        await kitchen.work(kitchen.worker(attempts=100))
        await kitchen.want("runs", "waits")
        await kitchen.run("UPDATE work SET due_at = 'infinity' WHERE id = 'waits'")
        slow, worker = Held(kitchen), kitchen.worker(attempts=100)
        await worker.sweep()
        await slow.has_begun()
        assert await told(kitchen) == {}
        slow.let.set()
        await worker.drain()

    async def test_what_has_failed_for_long_until_it_succeeds(self, kitchen: Kitchen) -> None:
        kitchen.stoves.broken = {"north"}
        await kitchen.want("a")
        worker = kitchen.worker(attempts=100)
        await kitchen.work(worker)
        await kitchen.run(f"UPDATE work SET failing_since = {LONG_AGO}")
        await kitchen.waits_pass()
        await kitchen.work(worker)
        async with kitchen.database.reading() as session:
            [one] = await trouble.page(session)
        assert (one.trouble, one.last_error, one.place) == (Trouble.FAILING, "stove_failed", "north")
        assert str(one).startswith(f"{KETTLE} a at north: failed ")
        assert one.since.timestamp() == pytest.approx(
            (await kitchen.one(f"SELECT {LONG_AGO} AS at")).at.timestamp(), abs=60
        )

    async def test_success_ends_it_though_the_row_stays(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        await kitchen.run(f"UPDATE work SET failing_since = {LONG_AGO}, attempts = 1")
        assert await told(kitchen) == {"a": "failing"}
        async with kitchen.database.transaction() as session:
            lease = await leases.lease_one(session, KETTLE, "a", seconds=60)
            assert lease is not None
            await leases.finish(session, lease, leases.Again(60), pace=leases.Pace())
        assert await told(kitchen) == {}

    async def test_asking_for_more_lets_it_off_nothing_and_beginning_anew_does(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        await kitchen.run(f"UPDATE work SET failing_since = {LONG_AGO}, attempts = 1")
        async with kitchen.database.transaction() as session:
            await leases.make_due(session, KETTLE, "a", place="north")
        assert await told(kitchen) == {"a": "failing"}
        async with kitchen.database.transaction() as session:
            await leases.overtake(session, KETTLE, "a", place="north")
        assert await told(kitchen) == {}

    async def test_a_row_once_though_it_fails_and_is_taken_by_nobody(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        await kitchen.run(f"UPDATE work SET failing_since = {LONG_AGO}, due_at = {LONG_AGO}, attempts = 1")
        async with kitchen.database.reading() as session:
            assert [one.trouble.value for one in await trouble.page(session)] == ["failing"]

    async def test_what_is_due_and_taken_by_nobody(self, kitchen: Kitchen) -> None:
        await kitchen.want("a", "b")
        await kitchen.run(f"UPDATE work SET due_at = {LONG_AGO} WHERE id = 'a'")
        assert await told(kitchen) == {"a": "waiting"}

    async def test_what_its_workers_end_of_at_once(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        seen = []
        for _ in range(CRASHES):
            slow, worker = Held(kitchen), kitchen.worker(attempts=100)
            while not await worker.sweep():
                await kitchen.waits_pass()
            await slow.has_begun()
            await die(worker)
            kitchen.stoves.heat = slow._heat  # type: ignore[method-assign]
            await kitchen.leases_run_out()
            seen.append(await told(kitchen))
        await kitchen.worker(attempts=100).sweep()
        seen.append(await told(kitchen))
        assert seen == [{}, {}, {}, {"a": "crashing"}]

    async def test_what_was_set_aside(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        await kitchen.run(
            "UPDATE work SET due_at = 'infinity', set_aside_at = clock_timestamp(), last_error = 'interrupted', "
            f"failing_since = {LONG_AGO}, crashes = 9"
        )
        assert await told(kitchen) == {"a": "set_aside"}
        assert await told(kitchen, Trouble.FAILING, Trouble.CRASHING, Trouble.WAITING) == {}
        async with kitchen.database.reading() as session:
            assert await trouble.page(session, without=KETTLE) == []

    async def test_comes_page_by_page(self, kitchen: Kitchen) -> None:
        await kitchen.want(*"abc")
        await kitchen.run(f"UPDATE work SET due_at = {LONG_AGO}")
        async with kitchen.database.reading() as session:
            first = await trouble.page(session, limit=2)
            rest = await trouble.page(session, after=(first[-1].kind, first[-1].id), limit=2)
        assert [one.id for one in (*first, *rest)] == ["a", "b", "c"]


class TestTheGauge:
    async def test_says_how_much_there_is_and_falls_again(self, kitchen: Kitchen) -> None:
        worker = kitchen.worker()
        await kitchen.want("a", "b", "c")
        await kitchen.run(f"UPDATE work SET due_at = {LONG_AGO} WHERE id <> 'c'")
        await kitchen.run(f"INSERT INTO work (kind, id, due_at) VALUES ('another', 'x', {LONG_AGO})")
        await worker.count_unfinished()
        assert (gauge(), gauge("another")) == (2, 1)
        await kitchen.run("UPDATE work SET due_at = clock_timestamp()")
        await worker.count_unfinished()
        assert (gauge(), gauge("another")) == (0, 0)


class TestRetry:
    async def test_lets_what_was_set_aside_be_done(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        await kitchen.run(
            "UPDATE work SET due_at = 'infinity', set_aside_at = clock_timestamp(), last_error = 'interrupted'"
        )
        await kitchen.work(kitchen.worker())
        assert await kitchen.state() == "cold"
        async with kitchen.database.transaction() as session:
            assert await trouble.retry(session, KETTLE, "a")
            assert not await trouble.retry(session, KETTLE, "a")
        await kitchen.work(kitchen.worker())
        assert await kitchen.state() == "hot"

    async def test_takes_nothing_from_a_worker_that_is_at_it(self, kitchen: Kitchen) -> None:
        await kitchen.want("a")
        slow, worker = Held(kitchen), kitchen.worker()
        await worker.sweep()
        await slow.has_begun()
        async with kitchen.database.transaction() as session:
            assert not await trouble.retry(session, KETTLE, "a")
        slow.let.set()
        await worker.drain()
        assert await kitchen.state() == "hot"

    async def test_of_what_is_not_there_is_not_found(self, kitchen: Kitchen) -> None:
        async with kitchen.database.transaction() as session:
            with pytest.raises(NotFound):
                await trouble.retry(session, KETTLE, "a")
