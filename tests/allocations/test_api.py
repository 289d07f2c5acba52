"""The routes of offers and allocations: shapes, permissions, tenants, idempotency."""

import asyncio
from typing import Any

import asyncssh
import httpx
import pytest
from pydantic import TypeAdapter

from sublet.allocations.list_schemas import AdminAllocationOut, AllocationSummaryOut
from sublet.allocations.schemas import AllocationOut, OperationOut, StateChangeOut
from sublet.billing.schemas import ChargeOut
from sublet.core.actors import Actor
from sublet.fleet.errors import NodeFailure
from sublet.scheduling.schemas import OfferOut
from tests.allocations.rental import EAGER, Rental, offer, pay_in, reconcile
from tests.allocations.simulated import SimulatedBackend, failing, nothing
from tests.scheduling.fleet_rows import add_node
from tests.support.app import Web

pytestmark = pytest.mark.anyio


class Shop:
    """A served application with one offer, one node and a customer with money."""

    def __init__(self, web: Web, rental: Rental, client: httpx.AsyncClient) -> None:
        self.web = web
        self.rental = rental
        self.client = client

    async def launch(self, **body: Any) -> dict[str, Any]:
        answer = await self.client.post("/api/v1/allocations", json={"offer_id": self.rental.sku.id, **body})
        assert answer.status_code == 202, answer.text
        launched: dict[str, Any] = answer.json()
        return launched

    async def active(self, **body: Any) -> dict[str, Any]:
        launched = await self.launch(**body)
        await reconcile(self.web.database, self.rental.backend, launched["id"], pace=EAGER)
        return await self.get(f"/allocations/{launched['id']}")

    async def get(self, path: str, client: httpx.AsyncClient | None = None) -> dict[str, Any]:
        answer = await (client or self.client).get(f"/api/v1{path}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def post(self, path: str, **body: Any) -> httpx.Response:
        return await self.client.post(f"/api/v1{path}", json=body)


@pytest.fixture
async def shop(web: Web) -> Shop:
    client = await web.customer()
    me = (await client.get("/api/v1/me")).json()
    actor = Actor(kind="user", user_id=me["user"]["id"], organization_id=me["organization"]["id"])
    await pay_in(web.database, actor, "20.00")
    node_id = await add_node(web.database, "north", gpus=["A"])
    sku = await offer(web.database)
    return Shop(web, Rental(web.database, SimulatedBackend(web.database), actor, sku, node_id), client)


def conforms(shape: type[Any], shown: dict[str, Any]) -> None:
    """Exactly the documented fields, at every depth, with values of the documented types."""
    documented: TypeAdapter[Any] = TypeAdapter(shape)
    parsed = documented.validate_python(shown)
    assert _keys(documented.dump_python(parsed, mode="json", by_alias=True)) == _keys(shown)


def _keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _keys(inner) for key, inner in value.items()}
    return [_keys(inner) for inner in value] if isinstance(value, list) else None


def allowed(shown: dict[str, Any]) -> set[str]:
    return {action["name"] for action in shown["actions"] if action["allowed"]}


class TestOffers:
    async def test_show_price_availability_and_why_not(self, shop: Shop) -> None:
        await offer(shop.web.database, "gpu", gpu_model="B", gpu_count=1)
        small, gpu = (await shop.get("/offers"))["items"]
        conforms(OfferOut, small)
        assert (small["id"], small["available"], small["limits_enforced"]) == (shop.rental.sku.id, 8, True)
        assert small["price"]["per_hour"] == {"amount": "0.36", "currency": "USD", "per": "hour"}
        reason = "Nothing of this kind is free now."
        [launch] = gpu["actions"]
        assert {name: launch[name] for name in ("name", "allowed", "reason", "code", "status")} == {
            "name": "launch",
            "allowed": False,
            "reason": reason,
            "code": "no_capacity",
            "status": 409,
        }


class TestOneAllocation:
    async def test_is_shown_as_documented_in_every_state(self, shop: Shop) -> None:
        launched = await shop.launch(name="box")
        conforms(AllocationOut, launched)
        assert (launched["state"], launched["cost"]["held"]["amount"]) == ("queued", "0.456")
        assert allowed(launched) == {"cancel"}
        await reconcile(shop.web.database, shop.rental.backend, launched["id"], pace=EAGER)
        active = await shop.get("/allocations/box")
        conforms(AllocationOut, active)
        assert active["ssh"] == {
            "host": "north.node.example",
            "port": 22,
            "command": f"ssh {active['login']}@north.node.example",
        }
        assert allowed(active) == {"release", "suspend", "terminal", "ssh"}
        assert active["funds"]["runway_seconds"] > 3600
        assert [step["state"] for step in active["operation"]["steps"]] == ["done"] * 6
        answer = await shop.post("/allocations/box/suspend")
        assert answer.status_code == 202
        assert allowed(answer.json()) == {"release"}
        released = (await shop.post("/allocations/box/release")).json()
        assert (released["state"], allowed(released)) == ("releasing", set())
        await reconcile(shop.web.database, shop.rental.backend, launched["id"], pace=EAGER)
        ended = await shop.get(f"/allocations/{launched['id']}")
        conforms(AllocationOut, ended)
        assert (ended["state"], ended["evidence"]["clean"], ended["cost"]["held"]["amount"]) == (
            "released",
            True,
            "0.00",
        )
        assert ended["ssh"] is None
        assert set(ended["funds"].values()) == {None}

    async def test_its_lists_are_as_documented(self, shop: Shop) -> None:
        active = await shop.active()
        path = f"/allocations/{active['id']}"
        for operation in (await shop.get(f"{path}/operations"))["items"]:
            conforms(OperationOut, operation)
        history = (await shop.get(f"{path}/history"))["items"]
        assert [line["to"] for line in history] == ["queued", "provisioning", "active"]
        conforms(StateChangeOut, history[1])
        await shop.rental.run(
            "UPDATE meter_segment SET period = tstzrange(lower(period) - interval '10 s', NULL), "
            "metered_to = metered_to - interval '10 s', posted_to = posted_to - interval '10 s'"
        )
        await shop.rental.run("UPDATE meter SET started_at = started_at - interval '10 s'")
        assert (await shop.post(f"{path}/release")).status_code == 202
        await reconcile(shop.web.database, shop.rental.backend, active["id"], pace=EAGER)
        charge = (await shop.get(f"{path}/charges"))["items"][0]
        conforms(ChargeOut, charge)
        ended = await shop.get(path)
        assert ended["delivered_seconds"] == charge["seconds"] >= 10
        assert ended["cost"]["total"] == charge["amount"]

    async def test_gives_certificates_only_while_it_is_active(self, shop: Shop) -> None:
        key = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
        queued = await shop.launch()
        path = f"/allocations/{queued['id']}/ssh-certificates"
        refused = await shop.post(path, public_key=key)
        assert (refused.status_code, refused.json()["code"]) == (409, "state_forbids")
        await reconcile(shop.web.database, shop.rental.backend, queued["id"], pace=EAGER)
        given = (await shop.post(path, public_key=key)).json()
        certificate = asyncssh.import_certificate(given["certificate"])
        assert certificate.principals == given["principals"] == [given["login"]]
        assert given["known_hosts"].startswith("@cert-authority north.node.example ssh-ed25519 ")


class TestLists:
    async def test_page_newest_first_and_leave_out_what_has_ended(self, shop: Shop) -> None:
        names = ["one", "two", "three"]
        for name in names:
            await shop.launch(name=name)
        first = await shop.get("/allocations?limit=2")
        second = await shop.get(f"/allocations?limit=2&cursor={first['next_cursor']}")
        assert [item["name"] for item in first["items"] + second["items"]] == ["three", "two", "one"]
        assert second["next_cursor"] is None
        await shop.post("/allocations/two/release")
        assert [item["name"] for item in (await shop.get("/allocations"))["items"]] == ["three", "one"]
        everything = await shop.get("/allocations?include_ended=true")
        assert [item["state"] for item in everything["items"]] == ["queued", "released", "queued"]
        only = await shop.get("/allocations?state=released")
        assert [item["name"] for item in only["items"]] == ["two"]
        for item in everything["items"]:
            conforms(AllocationSummaryOut, item)

    async def test_operators_see_everybodys_with_their_owners(self, shop: Shop) -> None:
        await shop.active(name="seen")
        operator = await shop.web.operator()
        (item,) = (await shop.get("/admin/allocations?state=active&state=lost", operator))["items"]
        conforms(AdminAllocationOut, item)
        assert item["organization"]["id"] == shop.rental.actor.organization_id

    async def test_operators_alone_see_what_the_node_said(self, shop: Shop) -> None:
        failure = NodeFailure("No space left at 10.20.0.7", node_code="disk_full", retryable=False)
        failure.request_id = "nrq_aaaaaaaaaaaaaaaa"
        shop.rental.backend.interrupt = failing("apply", "before", lambda: failure)
        launched = await shop.active(name="full")
        assert launched["failure"]["code"] == "disk_full"
        operator = await shop.web.operator()
        (item,) = (await shop.get("/admin/allocations?state=failed", operator))["items"]
        inside = item["operator_error"]
        assert (inside["code"], inside["text"], inside["step"], inside["request_id"]) == (
            *("disk_full", "No space left at 10.20.0.7", "create_account", "nrq_aaaaaaaaaaaaaaaa"),
        )
        for path in ("", "/operations", "/history"):
            answer = await shop.client.get(f"/api/v1/allocations/{launched['id']}{path}")
            assert answer.status_code == 200
            assert "10.20.0.7" not in answer.text
            assert "nrq_" not in answer.text
        shop.rental.backend.interrupt = nothing
        await shop.active(name="well")
        (item,) = (await shop.get("/admin/allocations?state=active", operator))["items"]
        assert item["operator_error"] is None

    async def test_refuse_a_state_or_cursor_that_is_none(self, shop: Shop) -> None:
        for query in ("state=gone", "cursor=nonsense", "limit=0"):
            answer = await shop.client.get(f"/api/v1/allocations?{query}")
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input"), query


class TestTenants:
    async def test_nobody_sees_or_touches_anothers_allocation(self, shop: Shop) -> None:
        mine = await shop.active(name="mine")
        stranger = await shop.web.customer()
        for wanted in (mine["id"], "mine"):
            path = f"/api/v1/allocations/{wanted}"
            for method, suffix in [
                ("GET", ""),
                ("GET", "/operations"),
                ("GET", "/charges"),
                ("GET", "/history"),
                ("POST", "/release"),
                ("POST", "/suspend"),
                ("POST", "/resume"),
            ]:
                answer = await stranger.request(method, f"{path}{suffix}")
                assert answer.status_code == 404, (method, suffix)
            answer = await stranger.post(f"{path}/ssh-certificates", json={"public_key": "ssh-ed25519 AAAA"})
            assert answer.status_code == 404
        assert (await shop.get("/allocations", stranger))["items"] == []
        assert (await stranger.get("/api/v1/admin/allocations")).status_code == 403


class TestRequests:
    async def test_the_same_key_launches_once(self, shop: Shop) -> None:
        async def send() -> httpx.Response:
            body = {"offer_id": shop.rental.sku.id}
            return await shop.client.post("/api/v1/allocations", json=body, headers={"Idempotency-Key": "k"})

        answers = await asyncio.gather(*(send() for _ in range(6)))
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert len((await shop.get("/allocations"))["items"]) == 1

    @pytest.mark.parametrize(
        ("change", "status", "code"),
        [
            ({"offer_id": "sku_none"}, 404, "not_found"),
            ({"price_id": "prc_old"}, 409, "price_changed"),
            ({"name": "Bad Name"}, 422, "invalid_input"),
            ({"colour": "red"}, 422, "invalid_input"),
        ],
    )
    async def test_bad_launches_say_what_is_wrong(
        self, shop: Shop, change: dict[str, str], status: int, code: str
    ) -> None:
        answer = await shop.post("/allocations", **{"offer_id": shop.rental.sku.id, **change})
        assert (answer.status_code, answer.json()["code"]) == (status, code)

    async def test_too_little_money_and_too_little_room_are_told_apart(self, shop: Shop) -> None:
        poor = await shop.web.customer()
        answer = await poor.post("/api/v1/allocations", json={"offer_id": shop.rental.sku.id})
        assert (answer.status_code, answer.json()["code"]) == (402, "insufficient_funds")
        await shop.rental.run("UPDATE node SET state = 'cordoned'")
        answer = await shop.post("/allocations", offer_id=shop.rental.sku.id)
        assert (answer.status_code, answer.json()["code"]) == (409, "no_capacity")
