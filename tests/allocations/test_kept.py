"""What of a node is given to nobody stands on the node's page, with why and since when."""

from typing import Any

import pytest

from tests.allocations.rental import Rental
from tests.allocations.simulated import failing, unreachable
from tests.scheduling.fleet_rows import add_node
from tests.support.app import Web
from tests.support.work import sweep_once

pytestmark = pytest.mark.anyio


async def kept(web: Web, node_id: str) -> list[dict[str, Any]]:
    answer = await (await web.operator("support")).get(f"/api/v1/admin/nodes/{node_id}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["kept"]
    return found


async def test_what_a_release_could_not_prove_clean(web: Web) -> None:
    rental = await Rental.open(web.database)
    allocation_id = await rental.running()
    assert await kept(web, rental.node_id) == [], "it runs"
    rental.backend.node(rental.node_id).dirty.add(allocation_id)
    await rental.release(allocation_id)
    await rental.work_until(allocation_id, "release_failed")
    [one] = await kept(web, rental.node_id)
    assert (one["allocation_id"], one["vcpu"], one["memory_mib"], one["gpus"]) == (allocation_id, 1, 1024, 0)
    blocked = await rental.one("SELECT blocked_reason, blocked_at FROM claim")
    assert (one["reason"], one["since"][:19]) == (blocked.blocked_reason, blocked.blocked_at.isoformat()[:19])
    rental.backend.node(rental.node_id).dirty.clear()
    await rental.work_until(allocation_id, "released")
    assert await kept(web, rental.node_id) == []


async def test_what_a_launch_left_that_went_elsewhere(web: Web) -> None:
    rental = await Rental.open(web.database)
    first, allocation_id = rental.node_id, await rental.launch()
    second = await add_node(rental.database, "south")
    rental.backend.interrupt = failing("apply", "after", unreachable, times=rental.pace.attempts_before_another_node)
    while (await rental.row(allocation_id)).node_id == first:
        await sweep_once(rental.worker())
    rental.backend.node(first).reachable = False
    [one] = await kept(web, first)
    assert (one["allocation_id"], "went to another node" in one["reason"]) == (allocation_id, True)
    assert await kept(web, second) == []
