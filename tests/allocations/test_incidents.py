"""What befalls the work in an allocation is told to its owner: once, by an event, in its history and on its page."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from sublet.allocations import incidents
from sublet.allocations.terminal import terminal_target
from sublet.allocations.views import whole
from sublet.allocations.work import observations
from sublet.allocations.work.sweep import mark_lost
from sublet.core.outbox import StoredEvent
from sublet.fleet.events import GpuErred
from tests.allocations.rental import Rental
from tests.support.policy import DEFAULT_LAUNCHES, DEFAULT_POLICY

pytestmark = pytest.mark.anyio


async def seen(rental: Rental, allocation_id: str, oom_kills: int | None) -> None:
    """The node is looked at, and says that so many processes of the allocation were ended for want of memory."""
    observation = await rental.backend.observe(rental.node_id)
    found = tuple(
        replace(one, oom_kills=oom_kills) if one.allocation_id == allocation_id else one
        for one in observation.allocations
    )
    await observations.on_observed(
        rental.database,
        rental.node_id,
        replace(observation, allocations=found),
        policy=DEFAULT_POLICY,
        release_lost_seconds=None,
    )


async def told(rental: Rental, allocation_id: str) -> list[str]:
    """The kinds of incidents in its history, oldest first."""
    statement = "SELECT incident FROM allocation_history WHERE allocation_id = :id AND incident IS NOT NULL ORDER BY id"
    return await rental.all(statement, id=allocation_id)


async def processes(rental: Rental) -> list[int]:
    """How many processes each event told of."""
    return await rental.all(
        "SELECT (data ->> 'processes')::int FROM outbox_event WHERE type = 'allocation.ran_out_of_memory' ORDER BY id"
    )


async def shown(rental: Rental, allocation_id: str) -> Any:
    """The allocation as its owner reads it."""
    async with rental.database.reading() as session:
        return await whole.of(session, rental.actor, allocation_id, policy=DEFAULT_POLICY, launches=DEFAULT_LAUNCHES)


async def restart(rental: Rental, boot_id: str = "boot-2") -> None:
    rental.backend.node(rental.node_id).boot_id = boot_id
    await rental.observe()


class TestOutOfMemory:
    async def test_is_told_once_for_each_process(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        for count in (0, 1, 1, 3, 3):
            await seen(rental, allocation_id, count)
        assert await processes(rental) == [1, 2]
        assert await told(rental, allocation_id) == ["out_of_memory", "out_of_memory"]
        page = await shown(rental, allocation_id)
        assert [one.kind for one in page.incidents] == ["out_of_memory", "out_of_memory"]
        assert page.incidents[0].detail.startswith("Out of memory: the kernel ended 2 of its processes")
        assert "1024 MiB" in page.incidents[0].detail

    async def test_is_told_of_the_first_look_after_a_launch(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        await seen(rental, allocation_id, 4)
        assert await processes(rental) == [4]

    async def test_is_counted_anew_after_a_boot(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        await seen(rental, allocation_id, 2)
        await restart(rental)
        await rental.work_until(allocation_id, "active")
        await seen(rental, allocation_id, 2)
        assert await processes(rental) == [2, 2]

    async def test_is_counted_anew_where_the_count_has_begun_anew(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        for count in (5, 1):
            await seen(rental, allocation_id, count)
        assert await processes(rental) == [5, 1]

    async def test_is_not_known_where_nobody_counts(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        for count in (2, None, 2):
            await seen(rental, allocation_id, count)
        assert await processes(rental) == [2]

    async def test_from_before_anybody_counted_is_not_told(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        await rental.run("UPDATE allocation SET oom_kills = NULL")
        for count in (7, 8):
            await seen(rental, allocation_id, count)
        assert await processes(rental) == [1]


class TestARestartOfTheNode:
    async def test_is_told_once_whoever_saw_it(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        await restart(rental)
        await restart(rental)
        await rental.work_until(allocation_id, "active")
        await rental.work(allocation_id)
        assert await told(rental, allocation_id) == ["node_restarted"]
        assert (await rental.events()).count("allocation.node_restarted") == 1
        [one] = (await shown(rental, allocation_id)).incidents
        assert "every process that ran in it has ended" in one.detail

    async def test_is_told_by_the_worker_that_finds_it_first(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        rental.backend.node(rental.node_id).boot_id = "boot-2"
        await rental.run("UPDATE work SET due_at = clock_timestamp()")
        await rental.work(allocation_id)
        assert (await rental.row(allocation_id)).boot_id == "boot-2"
        assert await told(rental, allocation_id) == ["node_restarted"]

    async def test_each_is_told(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        for boot_id in ("boot-2", "boot-3"):
            await restart(rental, boot_id)
            await rental.work(allocation_id)
        assert await told(rental, allocation_id) == ["node_restarted", "node_restarted"]

    async def test_ends_nothing_in_what_is_suspended(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        await rental.suspend(allocation_id)
        await rental.work_until(allocation_id, "suspended")
        await restart(rental)
        await rental.work(allocation_id)
        assert await told(rental, allocation_id) == []

    async def test_is_told_after_a_loss_too(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        await rental.run("UPDATE node SET state = 'offline'")
        async with rental.database.transaction() as session:
            await mark_lost(session)
        await rental.run("UPDATE node SET state = 'ready'")
        await restart(rental)
        await rental.work_until(allocation_id, "active")
        assert sorted(await told(rental, allocation_id)) == ["back", "lost", "node_restarted"]


async def gpu_erred(rental: Rental, allocation_id: str, *, at: datetime, gpu: str = "GPU-1") -> None:
    """The event that tells of it has come to the allocations, once and again."""
    erred = GpuErred(
        gpu=gpu,
        node_id=rental.node_id,
        node_name="north",
        code="xid_48",
        severity="quarantine",
        detail="for operators",
        told="Its GPU GPU-1 (NVIDIA L4) reported Xid 48.",
        at=at,
    )
    stored = StoredEvent(id="1-1", type=erred.type, time=at, subject=rental.node_id, data=erred.model_dump(mode="json"))
    await rental.run("UPDATE allocation SET gpus = '{GPU-1}' WHERE id = :id", id=allocation_id)
    for _ in range(2):
        async with rental.database.transaction() as session:
            await incidents.on_gpu_erred(session, stored)


class TestAGpuThatErrs:
    async def test_is_told_to_whoever_has_it(self, rental: Rental) -> None:
        allocation_id, other = await rental.running(), await rental.running()
        await gpu_erred(rental, allocation_id, at=datetime.now(UTC))
        assert (await told(rental, allocation_id), await told(rental, other)) == (["gpu_error"], [])
        [one] = (await shown(rental, allocation_id)).incidents
        assert one.detail == "Its GPU GPU-1 (NVIDIA L4) reported Xid 48."
        assert "allocation.gpu_erred" in await rental.events()

    async def test_before_somebody_had_it_is_not_theirs(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        await gpu_erred(rental, allocation_id, at=datetime.now(UTC) - timedelta(hours=1))
        assert await told(rental, allocation_id) == []

    async def test_that_is_anothers_is_not_told(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        await gpu_erred(rental, allocation_id, at=datetime.now(UTC), gpu="GPU-2")
        assert await told(rental, allocation_id) == []


class TestALossAndAReturn:
    async def test_are_told(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        await rental.run("UPDATE node SET state = 'offline'")
        async with rental.database.transaction() as session:
            await mark_lost(session)
        await rental.run("UPDATE node SET state = 'ready'")
        await rental.observe()
        await rental.work_until(allocation_id, "active")
        assert await told(rental, allocation_id) == ["lost", "back"]
        said = [one.detail for one in (await shown(rental, allocation_id)).incidents]
        assert "answers again" in said[0]
        assert "not charged meanwhile" in said[1]


class TestWhoOpensATerminal:
    async def test_reads_what_befell_it_in_the_last_hour(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        await seen(rental, allocation_id, 1)
        await restart(rental)
        async with rental.database.reading() as session:
            target = await terminal_target(session, rental.actor, allocation_id)
        assert [one.code for one in target.notices] == ["out_of_memory", "node_restarted"]
        assert target.notices[0].number < target.notices[1].number
        later = text(
            "INSERT INTO allocation_history (allocation_id, from_state, to_state, reason, incident, actor, at) "
            "VALUES (:id, 'active', 'active', 'long ago', 'gpu_error', 'worker', clock_timestamp() - interval '2 h')"
        )
        async with rental.database.transaction() as session:
            await session.execute(later, {"id": allocation_id})
            again = await terminal_target(session, rental.actor, allocation_id)
            assert again.notices == target.notices
            assert len(await incidents.latest(session, allocation_id)) == 3
