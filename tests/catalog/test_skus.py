"""SKUs: made and offered by operators, read by everybody who is signed in."""

from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from sublet.catalog import skus
from sublet.catalog.api import router
from sublet.core.actors import Permission
from sublet.core.db import Database
from sublet.core.errors import NotFound
from tests.audit.people import OPERATOR, browser_of

pytestmark = pytest.mark.anyio

SMALL: dict[str, Any] = {"code": "cpu-small", "name": "Small", "vcpu": 1, "memory_mib": 512, "disk_gib": 5}
GPU: dict[str, Any] = {
    **SMALL,
    "code": "gpu-1",
    "gpu_model": "Model A",
    "gpu_count": 2,
    "node_labels": {"zone": "north"},
}


def allowed(actions: list[dict[str, Any]]) -> set[str]:
    return {action["name"] for action in actions if action["allowed"]}


class TestCreating:
    async def test_gives_the_shape_back(self, browser: httpx.AsyncClient) -> None:
        answer = await browser.post("/api/v1/admin/skus", json=GPU)
        made = answer.json()
        assert answer.status_code == 201
        assert made.pop("id").startswith("sku_")
        assert made.pop("created_at")
        assert allowed(made.pop("actions")) == {"rename", "deactivate", "set_price"}
        assert made.pop("price") is None
        assert made == {**GPU, "network_mbit": None, "whole_node": False, "node_network": False, "active": True}

    async def test_without_gpus_needs_no_more(self, browser: httpx.AsyncClient) -> None:
        made = (await browser.post("/api/v1/admin/skus", json=SMALL)).json()
        assert (made["gpu_model"], made["gpu_count"], made["node_labels"]) == (None, 0, {})

    async def test_is_refused_for_a_code_that_is_taken(self, browser: httpx.AsyncClient) -> None:
        await browser.post("/api/v1/admin/skus", json=SMALL)
        again = await browser.post("/api/v1/admin/skus", json=SMALL)
        assert (again.status_code, again.json()["code"]) == (409, "sku_code_taken")

    @pytest.mark.parametrize(
        "change",
        [
            {"vcpu": 0},
            {"memory_mib": 2**40},
            {"disk_gib": "5 GB"},
            {"code": "Has Spaces"},
            {"code": ""},
            {"name": "  "},
            {"gpu_model": "Model A"},
            {"gpu_count": -1},
            {"node_labels": {"Bad Key": "x"}},
            {"node_network": True},
            {"whole_node": True, "node_network": True, "network_mbit": 100},
            {"color": "red"},
        ],
    )
    async def test_is_refused_for_what_cannot_be(self, browser: httpx.AsyncClient, change: dict[str, Any]) -> None:
        answer = await browser.post("/api/v1/admin/skus", json={**SMALL, **change})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")

    async def test_with_one_idempotency_key_happens_once(self, browser: httpx.AsyncClient) -> None:
        key = {"Idempotency-Key": "k"}
        answers = [await browser.post("/api/v1/admin/skus", json=SMALL, headers=key) for _ in range(2)]
        assert answers[0].json() == answers[1].json()


class TestChanging:
    async def test_renames_and_takes_off_offer(self, browser: httpx.AsyncClient) -> None:
        made = (await browser.post("/api/v1/admin/skus", json=SMALL)).json()
        path = f"/api/v1/admin/skus/{made['id']}"
        assert (await browser.patch(path, json={"name": "Tiny"})).json() == {**made, "name": "Tiny"}
        assert (await browser.patch(path, json={"active": False})).json()["active"] is False
        assert (await browser.get("/api/v1/skus")).json()["items"] == []
        assert len((await browser.get("/api/v1/admin/skus")).json()["items"]) == 1
        assert (await browser.patch(path, json={})).status_code == 200
        trail = (await browser.get("/api/v1/admin/audit-events", params={"target_id": made["id"]})).json()["items"]
        assert [event["action"] for event in trail] == ["sku.changed", "sku.changed", "sku.created"]
        assert (trail[0]["before"]["active"], trail[0]["after"]["active"]) == (True, False)

    async def test_never_touches_the_shape(self, database: Database, browser: httpx.AsyncClient) -> None:
        made = (await browser.post("/api/v1/admin/skus", json=SMALL)).json()
        assert (await browser.patch(f"/api/v1/admin/skus/{made['id']}", json={"vcpu": 8})).status_code == 422
        with pytest.raises(DBAPIError, match="permission denied"):
            async with database.transaction() as session:
                await session.execute(text("UPDATE sku SET vcpu = 8"))

    async def test_of_one_that_does_not_exist_is_not_found(self, browser: httpx.AsyncClient) -> None:
        assert (await browser.patch("/api/v1/admin/skus/sku_x", json={"active": True})).status_code == 404


class TestManaging:
    async def test_shows_one_with_its_price_in_force(self, browser: httpx.AsyncClient) -> None:
        made = (await browser.post("/api/v1/admin/skus", json=SMALL)).json()
        path = f"/api/v1/admin/skus/{made['id']}"
        given = {
            "sku_id": made["id"],
            "per_hour": "0.36",
            "suspended_claim": "always",
            "suspended_per_hour": "0.01",
            "currency": "USD",
        }
        priced = (await browser.post("/api/v1/admin/prices", json=given)).json()
        shown = (await browser.get(path)).json()
        assert (shown["code"], shown["price"]["id"]) == ("cpu-small", priced["id"])
        assert (await browser.get("/api/v1/admin/skus")).json()["items"] == [shown]
        assert (await browser.get("/api/v1/admin/skus/sku_x")).status_code == 404

    async def test_says_what_may_be_done_now_and_why_not(self, browser: httpx.AsyncClient) -> None:
        made = (await browser.post("/api/v1/admin/skus", json=SMALL)).json()
        off = (await browser.patch(f"/api/v1/admin/skus/{made['id']}", json={"active": False})).json()
        assert allowed(off["actions"]) == {"rename", "activate", "set_price"}
        reasons = {action["name"]: action["reason"] for action in off["actions"]}
        assert reasons["deactivate"] == "It is off offer already."
        again = await browser.patch(f"/api/v1/admin/skus/{made['id']}", json={"active": False})
        assert (again.status_code, again.json()["code"]) == (409, "conflict")
        assert allowed((await browser.get("/api/v1/admin/skus")).json()["actions"]) == {"create"}

    async def test_is_refused_with_a_reason_to_those_who_only_watch(
        self, database: Database, browser: httpx.AsyncClient
    ) -> None:
        made = (await browser.post("/api/v1/admin/skus", json=SMALL)).json()
        watcher = replace(OPERATOR, permissions=frozenset({Permission.ADMIN_CATALOG_READ}))
        async with browser_of(watcher, database, [router]) as client:
            listed = (await client.get("/api/v1/admin/skus")).json()
            shown = (await client.get(f"/api/v1/admin/skus/{made['id']}")).json()
        for action in listed["actions"] + shown["actions"]:
            assert (action["allowed"], "platform roles finance and admin" in action["reason"]) == (False, True)


class TestReading:
    async def test_is_in_pages_oldest_first(self, browser: httpx.AsyncClient) -> None:
        for number in range(3):
            await browser.post("/api/v1/admin/skus", json={**SMALL, "code": f"cpu-{number}"})
        first = (await browser.get("/api/v1/skus", params={"limit": 2})).json()
        rest = (await browser.get("/api/v1/skus", params={"limit": 2, "cursor": first["next_cursor"]})).json()
        assert [item["code"] for item in first["items"] + rest["items"]] == ["cpu-0", "cpu-1", "cpu-2"]
        assert rest["next_cursor"] is None

    async def test_is_what_other_domains_get(self, database: Database, browser: httpx.AsyncClient) -> None:
        small = (await browser.post("/api/v1/admin/skus", json=SMALL)).json()
        gpu = (await browser.post("/api/v1/admin/skus", json=GPU)).json()
        await browser.patch(f"/api/v1/admin/skus/{small['id']}", json={"active": False})
        async with database.reading() as session:
            assert [sku.id for sku in await skus.list_active(session)] == [gpu["id"]]
            assert (await skus.get(session, small["id"])).active is False
            with pytest.raises(NotFound):
                await skus.get(session, "sku_x")

    async def test_of_everything_is_for_operators(self, database: Database) -> None:
        customer = replace(OPERATOR, permissions=frozenset({Permission.CATALOG_READ}))
        async with browser_of(customer, database, [router]) as client:
            assert (await client.get("/api/v1/skus")).status_code == 200
            for path in ("/api/v1/admin/skus", "/api/v1/admin/prices"):
                assert (await client.get(path)).status_code == 403
            assert (await client.post("/api/v1/admin/skus", json=SMALL)).status_code == 403
