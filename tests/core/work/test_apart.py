"""What is done to one row of work leaves the others alone: those of its kind, and those of its id."""

import asyncio
from typing import Any

import psycopg
import pytest
from tests.core.work.kitchen import Kitchen
from tests.support.locks import until_somebody_waits

from sublet.core.work import leases, ready
from sublet.core.work.leases import Lease
from sublet.core.work.outcomes import Again, Done, Retry, SetAside
from sublet.core.work.pace import Pace

pytestmark = pytest.mark.anyio

SLOW = Pace(shortest_seconds=3600.0, longest_seconds=7200.0)
ONE = ("kettle", "a")
OTHERS = (("kettle", "b"), ("pot", "a"), ("pot", "b"))
"""Of the same kind, of the same id, and of neither."""


@pytest.fixture
async def rows(kitchen: Kitchen) -> Kitchen:
    """Two kinds of work on two ids each, all due."""
    async with kitchen.database.transaction() as session:
        for kind, row_id in (ONE, *OTHERS):
            await leases.make_due(session, kind, row_id, place="north")
    return kitchen


async def stored(kitchen: Kitchen, kind: str, row_id: str) -> Any:
    columns = "kind, id, place, due_at::text, lease_token, lease_holder, lease_expires_at, attempts, failed_at"
    return await kitchen.one(f"SELECT {columns} FROM work WHERE kind = :kind AND id = :id", kind=kind, id=row_id)


async def others(kitchen: Kitchen) -> list[Any]:
    """The rows that nothing was done to."""
    return [await stored(kitchen, *other) for other in OTHERS]


async def claimed(kitchen: Kitchen, kind: str, row_id: str) -> Lease:
    async with kitchen.database.transaction() as session:
        lease = await leases.lease_one(session, kind, row_id, seconds=60)
    assert lease is not None
    return lease


async def finish(kitchen: Kitchen, lease: Lease, outcome: Again | Retry | SetAside) -> None:
    async with kitchen.database.transaction() as session:
        await leases.finish(session, lease, outcome, pace=SLOW)


class TestOneRow:
    async def test_is_claimed_alone(self, rows: Kitchen) -> None:
        before = await others(rows)
        lease = await claimed(rows, *ONE)
        assert (lease.kind, lease.id) == ONE
        assert await others(rows) == before

    async def test_rests_alone(self, rows: Kitchen) -> None:
        before = await others(rows)
        async with rows.database.transaction() as session:
            await leases.rest(session, *ONE)
        assert await others(rows) == before
        assert (await rows.one("SELECT count(*) AS n FROM work")).n == len(before)

    async def test_is_renewed_alone(self, rows: Kitchen) -> None:
        lease = await claimed(rows, *ONE)
        for other in OTHERS:
            await claimed(rows, *other)
        before, expired = await others(rows), (await stored(rows, *ONE)).lease_expires_at
        async with rows.database.transaction() as session:
            assert await leases.renew(session, [lease], seconds=600) == []
        assert (await stored(rows, *ONE)).lease_expires_at > expired
        assert await others(rows) == before

    async def test_is_finished_alone(self, rows: Kitchen) -> None:
        lease = await claimed(rows, *ONE)
        for other in OTHERS:
            await claimed(rows, *other)
        before = await others(rows)
        await finish(rows, lease, Again(3600))
        assert await others(rows) == before

    async def test_that_was_given_back_is_not_renewed(self, rows: Kitchen) -> None:
        lease = await claimed(rows, *ONE)
        await finish(rows, lease, Again(3600))
        async with rows.database.transaction() as session:
            assert await leases.renew(session, [lease], seconds=60) == [lease]
        assert (await stored(rows, *ONE)).lease_expires_at is None

    async def test_is_worked_on_alone(self, rows: Kitchen) -> None:
        async def among(kind: str, *row_ids: str) -> set[str]:
            async with rows.database.reading() as session:
                return await leases.leased_among(session, kind, row_ids)

        await claimed(rows, *ONE)
        assert await among("kettle", "a", "b") == {"a"}
        assert await among("kettle", "b") == set()
        assert await among("pot", "a", "b") == set()
        await rows.leases_run_out()
        assert await among("kettle", "a") == set()


class TestFailures:
    async def test_are_dated_by_failures_alone(self, rows: Kitchen) -> None:
        await finish(rows, await claimed(rows, *ONE), Again())
        assert (await stored(rows, *ONE)).failed_at is None
        await finish(rows, await claimed(rows, *ONE), Retry("x"))
        failed_at = (await stored(rows, *ONE)).failed_at
        assert failed_at is not None
        await rows.waits_pass()
        await finish(rows, await claimed(rows, *ONE), Again())
        assert (await stored(rows, *ONE)).failed_at == failed_at


class TestWaking:
    async def test_moves_only_what_is_not_due_yet_and_of_its_kind(self, rows: Kitchen) -> None:
        await rows.run("UPDATE work SET due_at = due_at + interval '1 hour' WHERE id = 'a'")
        before = await others(rows)
        async with rows.database.transaction() as session:
            assert await leases.lease_one(session, *ONE, seconds=60) is None
            await leases.wake(session, ["kettle"])
        await claimed(rows, *ONE)
        assert await others(rows) == before, "who waits already keeps the turn"

    async def test_whoever_listens_hears_of_what_is_due_now_and_not_of_later(
        self, kitchen: Kitchen, app_url: str
    ) -> None:
        with psycopg.connect(app_url, autocommit=True) as listening:
            listening.execute("LISTEN sublet_work")
            for kind, after in (("later", 60.0), ("now", 0.0)):
                async with kitchen.database.transaction() as session:
                    await leases.make_due(session, kind, "a", after_seconds=after)
            heard = [one.payload for one in listening.notifies(timeout=5, stop_after=1)]
        assert heard == ["now"]


class TestNext:
    async def test_is_what_becomes_due_first_and_is_not_due_already(self, rows: Kitchen) -> None:
        async with rows.database.transaction() as session:
            await leases.make_due(session, "kettle", "later", after_seconds=3600)
            await leases.make_due(session, "pan", "a", after_seconds=60)
        for row_id in ("a", "b"):
            await finish(rows, await claimed(rows, "pot", row_id), SetAside("x"))
        async with rows.database.reading() as session:
            assert 3500 < (await ready.seconds_to_next(session, ["kettle", "pot"]) or 0) <= 3600
            assert await ready.seconds_to_next(session, ["pot"]) is None


class TestSingleFile:
    async def behind(self, kitchen: Kitchen, kind: str) -> bool:
        async with kitchen.database.transaction() as session:
            return await leases.queue_behind(session, kind, "c", place="north")

    async def test_is_of_one_kind(self, rows: Kitchen) -> None:
        assert await self.behind(rows, "pan") is False
        assert await self.behind(rows, "pot") is True

    async def test_goes_on_with_the_first_of_its_kind(self, kitchen: Kitchen) -> None:
        async with kitchen.database.transaction() as session:
            for kind, row_id in (("kettle", "x"), ("pot", "a")):
                await leases.make_due(session, kind, row_id, place="north")
            for kind in ("kettle", "pot"):
                assert await leases.queue_behind(session, kind, "b", place="north")
            await leases.wake_first(session, "pot", "north", but="a")
        await claimed(kitchen, "pot", "b")
        async with kitchen.database.transaction() as session:
            assert await leases.lease_one(session, "kettle", "b", seconds=60) is None

    async def test_hurries_nobody_who_waits_for_another_attempt(self, rows: Kitchen) -> None:
        await finish(rows, await claimed(rows, *ONE), Again(3600))
        async with rows.database.transaction() as session:
            await leases.wake_first(session, "kettle", "north", but="b")
            assert await leases.lease_one(session, *ONE, seconds=60) is None

    async def test_asks_for_no_second_look_by_whoever_has_the_turn_already(self, rows: Kitchen) -> None:
        lease = await claimed(rows, *ONE)
        async with rows.database.transaction() as session:
            await leases.wake_first(session, "kettle", "north", but="b")
            await leases.finish(session, lease, Done(), pace=SLOW)
            assert await leases.lease_one(session, *ONE, seconds=60) is None

    async def test_is_not_joined_behind_one_that_is_leaving(self, kitchen: Kitchen) -> None:
        async with kitchen.database.transaction() as session:
            await leases.make_due(session, *ONE, place="north")
        lease = await claimed(kitchen, *ONE)
        async with kitchen.database.transaction() as leaving:
            await leases.wake_first(leaving, "kettle", "north", but="a")
            joining = asyncio.create_task(self.behind(kitchen, "kettle"))
            await until_somebody_waits(kitchen.database)
            await leases.finish(leaving, lease, Done(), pace=SLOW)
        assert await joining is False, "nobody would wake it any more"

    async def test_does_not_form_behind_what_is_set_aside(self, rows: Kitchen) -> None:
        for row_id in ("a", "b"):
            await finish(rows, await claimed(rows, "kettle", row_id), SetAside("x"))
        assert await self.behind(rows, "kettle") is False
