"""A GPU in quarantine, and the operator's word that ends it."""

from typing import Any

import httpx
import pytest

from sublet.core.actors import system_actor
from sublet.core.db import Database
from sublet.core.errors import NotFound
from sublet.fleet.gpu_quarantine import quarantine_gpu
from tests.allocations.rental import Rental, offer
from tests.scheduling.fleet_rows import add_node, set_gpu_state
from tests.support.app import Web

pytestmark = pytest.mark.anyio

GPU = "GPU-north-0"
REASON = {"reason": "reset it, nvidia-smi shows 0 MiB"}


async def quarantined(web: Web, *, as_it_is: str = "quarantined") -> str:
    """A node whose one GPU is sold and in quarantine; its id."""
    node_id = await add_node(web.database, "north", gpus=["A"])
    await offer(web.database, "gpu", gpu_model="A", gpu_count=1)
    await set_gpu_state(web.database, GPU, as_it_is)
    return node_id


async def clear(client: httpx.AsyncClient, node_id: str, gpu: str = GPU, **body: Any) -> httpx.Response:
    return await client.post(f"/api/v1/admin/nodes/{node_id}/gpus/{gpu}/clear", json=body or REASON)


async def available(client: httpx.AsyncClient) -> int:
    [item] = (await client.get("/api/v1/offers")).json()["items"]
    return int(item["available"])


class TestClearing:
    async def test_puts_the_gpu_on_offer_again(self, web: Web) -> None:
        operator = await web.operator("fleet")
        node_id = await quarantined(web)
        assert await available(operator) == 0
        answer = await clear(operator, node_id)
        assert (answer.status_code, answer.json()["state"]) == (200, "available")
        assert await available(operator) == 1

    async def test_is_audited_once_with_its_reason(self, web: Web) -> None:
        operator = await web.operator()
        node_id = await quarantined(web)
        assert [(await clear(operator, node_id)).status_code for _ in range(2)] == [200, 409]
        trail = (await operator.get("/api/v1/admin/audit-events")).json()["items"]
        [told] = [one for one in trail if one["action"] == "gpu.cleared"]
        assert told["target"]["id"] == GPU
        assert told["after"]["reason"] == REASON["reason"]

    async def test_is_offered_on_nodes_that_have_something_to_clear(self, web: Web) -> None:
        operator = await web.operator()
        node_id = await quarantined(web)
        for allowed in (True, False):
            node = (await operator.get(f"/api/v1/admin/nodes/{node_id}")).json()
            assert {one["name"]: one["allowed"] for one in node["actions"]}["clear_gpu"] is allowed
            await clear(operator, node_id)

    async def test_of_a_gpu_that_is_gone_is_refused(self, web: Web) -> None:
        node_id = await quarantined(web, as_it_is="missing")
        answer = await clear(await web.operator(), node_id)
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")

    async def test_of_what_the_node_does_not_have_finds_nothing(self, web: Web) -> None:
        operator = await web.operator()
        await quarantined(web)
        other = await add_node(web.database, "south")
        for node_id, gpu in ((other, GPU), ("nd_x", GPU), (other, "GPU-x")):
            assert (await clear(operator, node_id, gpu)).status_code == 404

    @pytest.mark.parametrize("reason", ["", "  ", "x" * 501, "a\nb"])
    async def test_needs_a_reason(self, web: Web, reason: str) -> None:
        answer = await clear(await web.operator(), await quarantined(web), reason=reason)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")

    async def test_is_for_who_manages_the_fleet(self, web: Web) -> None:
        node_id = await quarantined(web)
        for person in (await web.customer(), await web.operator("support"), await web.operator("finance")):
            assert (await clear(person, node_id)).status_code == 403


class TestQuarantine:
    """Of a GPU that errs, which is alone in that."""

    async def test_takes_one_gpu_off_offer_and_leaves_the_rest_of_its_node(self, web: Web) -> None:
        operator = await web.operator("fleet")
        node_id = await add_node(web.database, "north", gpus=["A", "A"])
        await offer(web.database, "gpu", gpu_model="A", gpu_count=1)
        answer = await operator.post(f"/api/v1/admin/nodes/{node_id}/gpus/{GPU}/quarantine", json=REASON)
        assert (answer.status_code, answer.json()["state"]) == (200, "quarantined")
        assert answer.json()["quarantine"]["code"] == "by_operator"
        assert answer.json()["quarantine"]["reason"] == REASON["reason"]
        assert await available(operator) == 1

    async def test_is_told_once_with_its_reason(self, web: Web) -> None:
        operator = await web.operator()
        node_id = await add_node(web.database, "north", gpus=["A"])
        path = f"/api/v1/admin/nodes/{node_id}/gpus/{GPU}/quarantine"
        assert [(await operator.post(path, json=REASON)).status_code for _ in range(2)] == [200, 409]
        trail = (await operator.get("/api/v1/admin/audit-events")).json()["items"]
        [told] = [one for one in trail if one["action"] == "gpu.quarantined"]
        assert (told["before"]["state"], told["after"]["state"]) == ("available", "quarantined")
        assert told["after"]["reason"] == REASON["reason"]

    async def test_of_what_the_node_does_not_have_finds_nothing(self, web: Web) -> None:
        operator = await web.operator()
        await add_node(web.database, "north", gpus=["A"])
        other = await add_node(web.database, "south")
        answer = await operator.post(f"/api/v1/admin/nodes/{other}/gpus/{GPU}/quarantine", json=REASON)
        assert answer.status_code == 404

    async def test_by_what_watches_it_is_told_anew_only_for_another_fault(self, database: Database) -> None:
        await add_node(database, "north", gpus=["A"])
        for code, is_new in (("xid_79", True), ("xid_79", False), ("xid_48", True)):
            async with database.transaction() as session:
                told = await quarantine_gpu(session, system_actor("health"), GPU, reason="it erred", code=code)
                assert told is is_new
        with pytest.raises(NotFound):
            async with database.transaction() as session:
                await quarantine_gpu(session, system_actor("health"), "GPU-x", reason="it erred", code="xid_79")

    async def test_of_one_that_is_missing_lasts_until_somebody_vouches_for_it(self, database: Database) -> None:
        rental = await Rental.open(database)
        await set_gpu_state(database, GPU, "missing")
        async with database.transaction() as session:
            assert await quarantine_gpu(session, system_actor("health"), GPU, reason="off the bus", code="xid_79")
        assert await rental.all("SELECT state FROM gpu") == ["quarantined"]

    @pytest.mark.parametrize("proven", [True, False])
    async def test_for_a_fault_outlasts_the_release_of_what_had_the_gpu(self, database: Database, proven: bool) -> None:
        rental = await Rental.open(database, gpu_model="A", gpu_count=1)
        running = await rental.running()
        if not proven:
            rental.backend.node(rental.node_id).dirty.add(running)
            await rental.release(running)
            await rental.work_until(running, "release_failed")
            assert await rental.all("SELECT quarantine_code FROM gpu") == ["not_clean"]
        async with database.transaction() as session:
            await quarantine_gpu(session, system_actor("health"), GPU, reason="it erred", code="xid_48")
        if proven:
            assert (await rental.row(running)).state == "active"  # what has it goes on
            await rental.release(running)
        rental.backend.node(rental.node_id).dirty.clear()
        await rental.work_until(running, "released")
        assert await rental.all("SELECT state || ' ' || quarantine_code FROM gpu") == ["quarantined xid_48"]
