"""A real worker, killed with -9 in the middle of setting up a real node: taken over, and nothing is doubled."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from sublet_sandbox.nodes import LocalNode
from tests.allocations.real import RealFleet, build_helper, join
from tests.allocations.rental import Rental, offer, owner_of, pay_in
from tests.allocations.simulated import SimulatedBackend
from tests.faults import moments
from tests.faults.worker_process import WorkerProcess, worker_process
from tests.support.app import Web
from tests.support.nodes import systemd_node_pair

__all__ = ["systemd_node_pair"]

pytestmark = [pytest.mark.anyio, pytest.mark.node]

TAKE_OVER_SECONDS = 10.0


@pytest.fixture
async def fleet(
    web: Web, systemd_node_pair: tuple[LocalNode, LocalNode], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RealFleet]:
    helper: Path = build_helper(tmp_path_factory.mktemp("helper") / "sublet-node.pyz")
    fleet = await join(web, systemd_node_pair[0], helper)
    yield fleet
    await fleet.close()


async def until(what: Callable[[], Awaitable[Any]], *, seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := await what()):
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)
    return found


async def _started(worker: WorkerProcess) -> None:
    async def ready() -> bool:
        return worker.started

    await until(ready, seconds=30)


class TestAWorkerKilledInTheMiddle:
    async def test_is_taken_over_within_ten_seconds_and_nothing_is_doubled(
        self, web: Web, fleet: RealFleet, app_url: str, owner_url: str, tmp_path: Path
    ) -> None:
        client = await web.customer()
        me = (await client.get("/api/v1/me")).json()
        actor = owner_of(me)
        await pay_in(web.database, actor, "20.00")
        sku = await offer(web.database, vcpu=1, memory_mib=128, disk_gib=1, per_hour="3.60")
        books = Rental(web.database, SimulatedBackend(web.database), actor, sku, fleet.node_id)
        for moment in ("begun", "account-made", "done-but-not-stored"):
            with (
                worker_process(web, app_url, tmp_path / f"first-{moment}.log") as first,
                worker_process(web, app_url, tmp_path / f"second-{moment}.log") as second,
            ):
                await _started(first)
                await _started(second)
                await asyncio.to_thread(moments.freeze, owner_url, second.pid)
                with moments.no_start_is_stored(owner_url):
                    launched = await _launch(client, sku.id)
                    await until(lambda: _at(moment, books, fleet, owner_url, launched), seconds=30)  # noqa: B023 - awaited at once
                    first.kill()
                    died = time.monotonic()
                    assert (await books.row(launched)).state == "provisioning"
                    under_way = await _lease(books, launched)
                second.thaw()
                left = died + TAKE_OVER_SECONDS - time.monotonic()
                await until(lambda: _leased_after(books, launched, under_way), seconds=left)  # noqa: B023 - awaited at once
                await until(lambda: _in_state(client, launched, "active"), seconds=30)  # noqa: B023 - awaited at once
                await _is_there_once(books, fleet, launched)
                assert (await client.post(f"/api/v1/allocations/{launched}/release")).status_code == 202
                await until(lambda: _in_state(client, launched, "released"), seconds=20)  # noqa: B023 - awaited at once
            assert (await fleet.backend.observe(fleet.node_id)).allocations == ()
            assert await books.disagreements() == []


async def _launch(client: httpx.AsyncClient, offer_id: str) -> str:
    answer = await client.post("/api/v1/allocations", json={"offer_id": offer_id})
    assert answer.status_code == 202, answer.text
    allocation_id: str = answer.json()["id"]
    return allocation_id


async def _at(moment: str, books: Rental, fleet: RealFleet, owner_url: str, allocation_id: str) -> bool:
    """Whether setting it up has come that far."""
    if moment == "begun":
        return (await books.row(allocation_id)).state == "provisioning"
    if moment == "account-made":
        return await _accounts_on(fleet) == 1
    return await asyncio.to_thread(moments.a_start_waits, owner_url)


async def _leased_after(books: Rental, allocation_id: str, token: int) -> bool:
    return await _lease(books, allocation_id) > token


async def _lease(books: Rental, allocation_id: str) -> int:
    """The token of the latest lease on an allocation."""
    row = await books.one("SELECT lease_token FROM work WHERE kind = 'allocation' AND id = :id", id=allocation_id)
    return int(row.lease_token)


async def _accounts_on(fleet: RealFleet) -> int:
    listed = await fleet.node.run_as_root("sh", "-c", "getent passwd | grep -c ^al-", check=False)
    return int(listed.stdout)


async def _in_state(client: httpx.AsyncClient, allocation_id: str, state: str) -> bool:
    return bool((await client.get(f"/api/v1/allocations/{allocation_id}")).json()["state"] == state)


async def _is_there_once(books: Rental, fleet: RealFleet, allocation_id: str) -> None:
    row = await books.row(allocation_id)
    seen = await fleet.backend.observe(fleet.node_id)
    assert [(one.allocation_id, one.uid) for one in seen.allocations] == [(allocation_id, row.uid)]
    assert seen.unknown == ()
    assert await _accounts_on(fleet) == 1
    assert len(await books.all("SELECT 1 FROM meter WHERE subject_id = :id", id=allocation_id)) == 1
    holds = await books.all("SELECT 1 FROM ledger.hold WHERE subject_id = :id", id=allocation_id)
    assert len(holds) == 1
    claims = await books.all("SELECT 1 FROM claim WHERE subject_id = :id", id=allocation_id)
    assert len(claims) == 1
