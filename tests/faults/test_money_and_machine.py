"""Whatever fails, and whenever: in the end money and machine agree, and nothing is done twice.

Each run is driven by a seed that is printed when it fails; SUBLET_FAULT_SEED repeats it.
"""

import asyncio
import contextlib
import os
import random
import time
from collections.abc import Awaitable
from dataclasses import replace

import pytest

from sublet.allocations.rows import WORK
from sublet.allocations.states import StateForbids
from sublet.allocations.work.kind import work
from sublet.allocations.work.setup import Setup
from sublet.core.db import Database
from sublet.core.settings import Settings
from sublet.core.work import leases
from sublet.core.work.leases import LeaseLost
from sublet.core.work.outcomes import Again
from tests.allocations.rental import DEFAULT_PACE, Rental
from tests.allocations.simulated import Interruption, Killed, failing, refused, unreachable
from tests.scheduling.fleet_rows import add_node
from tests.support.keys import KEYRING
from tests.support.work import sweep_once

pytestmark = pytest.mark.anyio

QUICK_LEASE_SECONDS = 0.5
MOMENTS = [(verb, moment) for verb in ("apply", "release", "observe") for moment in ("before", "after")]


async def settle_down(rental: Rental, allocation_id: str) -> None:
    """Workers go on without further faults until nothing is left to do."""
    deadline = time.monotonic() + 20
    while True:
        row = await rental.row(allocation_id)
        if row.ended_at is not None and not row.on_node:
            return
        await sweep_once(rental.worker())
        assert time.monotonic() < deadline, f"{allocation_id} is still {row.state}"
        await asyncio.sleep(0.02)


async def remnants_are_gone(rental: Rental) -> None:
    """Workers go on without further faults until every node that a launch has left is proven clean."""
    deadline = time.monotonic() + 20
    while left := await rental.all("SELECT id FROM allocation_remnant WHERE cleaned_at IS NULL"):
        await sweep_once(rental.worker())
        assert time.monotonic() < deadline, left
        await asyncio.sleep(0.02)


async def worker_dies(rental: Rental) -> None:
    """A worker that is killed where the backend says so, or does all that is due."""
    try:
        while await sweep_once(rental.worker()):
            pass
    except Killed:
        return


class TestEachMomentOfEachVerb:
    @pytest.mark.parametrize(("verb", "moment"), MOMENTS)
    @pytest.mark.parametrize("fault", ["unreachable", "refused", "killed"])
    async def test_a_fault_there_leaves_nothing_behind(
        self, rental: Rental, verb: str, moment: str, fault: str
    ) -> None:
        error = {"unreachable": unreachable, "refused": refused, "killed": Killed}[fault]
        rental.lease_seconds = QUICK_LEASE_SECONDS
        rental.backend.interrupt = failing(verb, moment, error)
        allocation_id = await rental.launch()
        deadline = time.monotonic() + 15
        while (state := (await rental.row(allocation_id)).state) not in {"active", "failed"}:
            await worker_dies(rental)
            assert time.monotonic() < deadline, state
            await asyncio.sleep(0.02)
        if state == "active":
            await rental.release(allocation_id)
            await worker_dies(rental)
        await settle_down(rental, allocation_id)
        assert rental.backend.node(rental.node_id).accounts == {}
        assert rental.backend.most_running[allocation_id] == 1
        assert await rental.disagreements() == []


class TestAnyOrderOfFaults:
    @pytest.mark.parametrize("node_count", [1, 2])
    @pytest.mark.parametrize("run", range(8))
    async def test_ends_with_money_and_machine_in_agreement(
        self, database: Database, run: int, node_count: int
    ) -> None:
        seed = int(os.environ.get("SUBLET_FAULT_SEED", random.SystemRandom().randrange(1 << 32)))
        print(f"SUBLET_FAULT_SEED={seed}")
        dice = random.Random(seed)
        rental = await Rental.open(database, gpu_model="A", gpu_count=1)
        if node_count == 2:
            await add_node(database, "south", gpus=["A"])
        rental.lease_seconds = QUICK_LEASE_SECONDS
        rental.backend.interrupt = _chaos(dice)
        for _ in range(3):
            await _one_life(rental, dice)
        rental.backend.interrupt = failing("none", "none", unreachable)
        for allocation_id in await rental.all("SELECT id FROM allocation WHERE ended_at IS NULL AND wanted <> 'gone'"):
            await rental.release(allocation_id)
        for allocation_id in await rental.all("SELECT id FROM allocation"):
            await settle_down(rental, allocation_id)
        await remnants_are_gone(rental)
        assert [node.accounts for node in rental.backend.nodes.values() if node.accounts] == []
        assert await rental.disagreements() == []
        assert await rental.all("SELECT 1 FROM ledger.open_hold") == []
        assert await rental.all("SELECT 1 FROM claim WHERE upper_inf(during)") == []
        assert set(rental.backend.most_running.values()) <= {1}  # in a run of faults only, the node is never reached
        assert await rental.all("SELECT DISTINCT state FROM gpu") == ["available"]


def _chaos(dice: random.Random) -> Interruption:
    """One call in three fails, in any way, at any moment."""

    async def interrupt(_verb: str, _moment: str) -> None:
        await asyncio.sleep(dice.random() * 0.01)
        if dice.random() < 1 / 6:
            raise dice.choice([unreachable, unreachable, refused, Killed])()

    return interrupt


async def _one_life(rental: Rental, dice: random.Random) -> None:
    """Launch, and then whatever a customer, a node or a worker may do, in any order."""
    if await rental.all("SELECT 1 FROM claim WHERE upper_inf(during)"):
        return
    allocation_id = await rental.launch()
    for _ in range(12):
        row = await rental.row(allocation_id)
        state, node = row.state, rental.backend.node(row.node_id)
        match dice.choice(["work", "work", "two", "observe", "suspend", "resume", "release", "lose", "boot"]):
            case "work":
                await worker_dies(rental)
            case "two":
                await asyncio.gather(worker_dies(rental), worker_dies(rental))
            case "observe":
                await _quietly(rental.observe(dice.choice([row.node_id, rental.node_id])))
            case "suspend" if state == "active":
                await _asked(rental.suspend(allocation_id))
            case "resume" if state in {"active", "suspended"}:
                await _asked(rental.resume(allocation_id))
            case "release" if state != "failed" and dice.random() < 0.3:
                await _asked(rental.release(allocation_id))
            case "lose" if dice.random() < 0.3:
                node.accounts.pop(allocation_id, None)
            case "boot" if dice.random() < 0.3:
                node.boot_id = f"boot-{dice.random()}"
            case _:
                await asyncio.sleep(0.01)


async def _asked(wish: Awaitable[None]) -> None:
    """What a customer asks for; it may be refused, because something else is under way or over."""
    with contextlib.suppress(StateForbids):
        await wish


async def _quietly(work: Awaitable[None]) -> None:
    try:
        await work
    except (Killed, Exception):
        return


class TestWorkers:
    async def test_any_number_at_once_do_the_work_once(self, rental: Rental) -> None:
        rental.backend.delay_seconds = 0.1
        allocation_id = await rental.launch()
        await asyncio.gather(*(rental.work(allocation_id) for _ in range(10)))
        assert (await rental.row(allocation_id)).state == "active"
        assert [verb for verb, _, _ in rental.backend.calls] == ["apply"]
        assert rental.backend.most_running[allocation_id] == 1

    async def test_one_that_froze_past_its_lease_changes_nothing(self, rental: Rental) -> None:
        rental.lease_seconds = QUICK_LEASE_SECONDS
        frozen = asyncio.Event()
        thawed = asyncio.Event()

        async def freeze(verb: str, moment: str) -> None:
            if (verb, moment) == ("apply", "before") and not frozen.is_set():
                frozen.set()
                await thawed.wait()

        rental.backend.interrupt = freeze
        allocation_id = await rental.launch()
        # The process as a whole is frozen: neither its work nor the renewal of its lease goes on.
        sleeper = asyncio.create_task(_frozen_worker(rental, allocation_id))
        await frozen.wait()
        await rental.release(allocation_id)
        await rental.work_until(allocation_id, "released")
        thawed.set()
        await sleeper
        assert (await rental.row(allocation_id)).state == "released"
        assert rental.backend.node(rental.node_id).accounts == {}
        assert await rental.disagreements() == []

    async def test_one_that_died_is_taken_over_within_ten_seconds(self, rental: Rental) -> None:
        rental.pace, rental.lease_seconds = DEFAULT_PACE, Settings().lease_seconds
        rental.backend.interrupt = failing("apply", "after", Killed)
        allocation_id = await rental.launch()
        await worker_dies(rental)
        died = time.monotonic()
        await rental.work_until(allocation_id, "active", seconds=12)
        assert time.monotonic() - died < 10
        assert [verb for verb, _, _ in rental.backend.calls] == ["apply", "apply"]
        assert len(rental.backend.node(rental.node_id).accounts) == 1
        assert await rental.disagreements() == []

    async def test_crashing_ones_are_counted_and_end(self, rental: Rental) -> None:
        rental.lease_seconds, rental.pace = QUICK_LEASE_SECONDS, replace(rental.pace, provision_crashes=3)
        rental.backend.interrupt = failing("apply", "before", Killed, times=99)
        allocation_id = await rental.launch()
        deadline = time.monotonic() + 15
        while (row := await rental.row(allocation_id)).state != "failed":
            await worker_dies(rental)
            assert time.monotonic() < deadline, row.state
            await asyncio.sleep(0.02)
        assert row.failure["code"] == "provisioning_interrupted"
        await settle_down(rental, allocation_id)
        assert await rental.disagreements() == []

    def test_retries_are_spread_and_capped(self) -> None:
        waits = [DEFAULT_PACE.of_work.wait_seconds(20, longest_seconds=20.0) for _ in range(500)]
        assert max(waits) <= 20.0
        assert len({round(wait) for wait in waits}) > 15


async def _frozen_worker(rental: Rental, allocation_id: str) -> None:
    """One look without the renewal of the lease, which a frozen process does not do either."""
    async with rental.database.transaction() as session:
        lease = await leases.lease_one(session, WORK, allocation_id, seconds=rental.lease_seconds)
    assert lease is not None
    declared = work(rental.backend, KEYRING, pace=rental.pace)
    assert declared.act is not None
    assert declared.conclude is not None
    async with rental.database.transaction() as session:
        taken = await declared.take(session, lease)
    assert isinstance(taken, Setup)
    result = await declared.act(lease, taken)
    assert result.error is not None  # the node refused the old generation
    with pytest.raises(LeaseLost):
        async with rental.database.transaction() as session:
            await leases.finish(session, lease, Again(), pace=declared.pace)
