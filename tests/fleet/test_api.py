"""Operators' routes for nodes, and the machine's own."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from starlette.requests import HTTPConnection

from sublet.core.actors import Actor
from sublet.core.app import AUTHENTICATOR
from sublet.core.db import Database, Session
from sublet.core.settings import Settings
from sublet.core.webapp import BrowserSafety, RequestContext, install_error_handlers
from sublet.fleet.api import MACHINES_PATHS, router
from sublet.fleet.ca import CertificateAuthority
from tests.fleet.conftest import CUSTOMER, OPERATOR, fleet_parts
from tests.fleet.fake_node import PROBE, FakeNode, now
from tests.fleet.signatures import signed

pytestmark = pytest.mark.anyio

PEOPLE = {"Bearer operator": OPERATOR, "Bearer customer": CUSTOMER}


@pytest.fixture
async def client(
    database: Database, authority: CertificateAuthority, settings: Settings
) -> AsyncIterator[httpx.AsyncClient]:
    async def authenticate(_session: Session, connection: HTTPConnection) -> Actor | None:
        return PEOPLE.get(connection.headers.get("authorization", ""))

    app = FastAPI()
    install_error_handlers(app)
    app.add_middleware(BrowserSafety, origins=settings.origins, exempt=MACHINES_PATHS)
    app.add_middleware(RequestContext)
    fleet_parts(settings, database, authority).put(AUTHENTICATOR, authenticate).attach(app, [router.api])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="https://sublet.test/api/v1", headers={"Authorization": "Bearer operator"}
    ) as client:
        yield client


async def add(client: httpx.AsyncClient, name: str = "north", address: str = "192.0.2.1") -> dict[str, Any]:
    answer = await client.post("/admin/nodes", json={"name": name, "address": address, "labels": {"zone": "a"}})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def joining(token: str, fake: FakeNode, **changes: Any) -> dict[str, Any]:
    return {
        "join_token": token,
        "host_public_key": fake.host_public_key,
        "inventory": {**PROBE, "time": now()},
        "helper_version": "0.1.0",
        **changes,
    }


class TestAddingANode:
    async def test_answers_with_the_node_and_its_join_command(self, client: httpx.AsyncClient) -> None:
        body = await add(client)
        node = body["node"]
        assert (node["state"], node["port"], node["labels"], node["inventory"]) == (
            "enrolling",
            22,
            {"zone": "a"},
            None,
        )
        assert node["claimed"] == {"vcpu": 0, "memory_mib": 0, "disk_gib": 0, "gpus": 0}
        allowed = {action["name"] for action in node["actions"] if action["allowed"]}
        assert allowed == {"cordon", "maintain", "quarantine", "retire", "join_token", "set_ports", "change", "remove"}
        assert body["join"]["token"] in body["join"]["command"]

    @pytest.mark.parametrize(
        "body",
        [
            {"name": "North", "address": "192.0.2.1"},
            {"name": "n", "address": "-oProxyCommand=x"},
            {"name": "n", "address": "a b"},
            {"name": "n", "address": "192.0.2.1", "port": 0},
            {"name": "n", "address": "192.0.2.1", "labels": {"Zone": "a"}},
            {"name": "n", "address": "192.0.2.1", "state": "ready"},
            {"name": "n\x00", "address": "192.0.2.1"},
        ],
    )
    async def test_refuses_what_cannot_be_a_node(self, client: httpx.AsyncClient, body: dict[str, Any]) -> None:
        answer = await client.post("/admin/nodes", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")

    async def test_the_same_name_at_the_same_time_is_given_once(self, client: httpx.AsyncClient) -> None:
        body = {"name": "north", "address": "192.0.2.1"}
        answers = await asyncio.gather(*(client.post("/admin/nodes", json=body) for _ in range(5)))
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]

    async def test_customers_may_not(self, client: httpx.AsyncClient) -> None:
        headers = {"Authorization": "Bearer customer"}
        for method, path in [("GET", "/admin/nodes"), ("POST", "/admin/nodes"), ("GET", "/admin/nodes/nd_x")]:
            answer = await client.request(method, path, headers=headers, json={} if method == "POST" else None)
            assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


class TestListing:
    async def test_walks_by_name(self, client: httpx.AsyncClient) -> None:
        for number, name in enumerate(["charlie", "alpha", "bravo"]):
            await add(client, name, f"192.0.2.{number}")
        first = (await client.get("/admin/nodes", params={"limit": 2})).json()
        assert [item["name"] for item in first["items"]] == ["alpha", "bravo"]
        second = (await client.get("/admin/nodes", params={"cursor": first["next_cursor"]})).json()
        assert ([item["name"] for item in second["items"]], second["next_cursor"]) == (["charlie"], None)
        assert first["actions"] == [{"name": "add", "allowed": True, "reason": None}]

    async def test_an_unknown_node_is_not_found(self, client: httpx.AsyncClient) -> None:
        for path in ("nd_x", "nd_x/cordon", "nd_x/uncordon", "nd_x/join-token"):
            method = "GET" if path == "nd_x" else "POST"
            answer = await client.request(method, f"/admin/nodes/{path}")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


class TestJoining:
    async def test_needs_no_sign_in_and_gives_all_that_the_machine_needs(self, client: httpx.AsyncClient) -> None:
        added = await add(client)
        answer = await client.post(
            "/nodes/enrol", json=joining(added["join"]["token"], FakeNode()), headers={"Authorization": ""}
        )
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert (body["node_id"], body["name"]) == (added["node"]["id"], "north")
        assert (body["control_principal"], body["control_user"]) == (f"sublet-control-{added['node']['id']}", "sublet")
        assert len(body["user_ca_public_keys"]) == 2
        assert body["host_certificate"].startswith("ssh-ed25519-cert-v01@openssh.com ")
        detail = (await client.get(f"/admin/nodes/{added['node']['id']}")).json()
        assert detail["inventory"]["vcpu"] == 8
        assert {step["name"]: step["state"] for step in detail["enrolment"]}["joined"] == "done"

    @pytest.mark.parametrize(
        "changes",
        [
            {"host_public_key": "nonsense"},
            {"join_token": ""},
            {"join_token": "\x00"},
            {"inventory": {}},
            {"inventory": {**PROBE, "time": "2026-01-01T00:00:00"}},
            {"helper_version": 7},
        ],
    )
    async def test_refuses_nonsense_with_a_problem(self, client: httpx.AsyncClient, changes: dict[str, Any]) -> None:
        added = await add(client)
        answer = await client.post("/nodes/enrol", json=joining(added["join"]["token"], FakeNode(), **changes))
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")

    async def test_refuses_an_unknown_token_before_it_opens_any_key(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        answer = await client.post("/nodes/enrol", json=joining("sublet_join_x", FakeNode()))
        assert (answer.status_code, answer.json()["code"]) == (403, "join_token_refused")
        async with database.reading() as session:
            assert (await session.execute(text("SELECT count(*) FROM ssh_ca_key"))).scalar_one() == 0

    async def test_a_new_token_can_be_had(self, client: httpx.AsyncClient) -> None:
        added = await add(client)
        join = (await client.post(f"/admin/nodes/{added['node']['id']}/join-token")).json()
        assert join["token"] != added["join"]["token"]
        assert (await client.post("/nodes/enrol", json=joining(join["token"], FakeNode()))).status_code == 200

    async def test_asking_again_with_the_same_key_gives_the_same_token_and_ends_none(
        self, client: httpx.AsyncClient
    ) -> None:
        path = f"/admin/nodes/{(await add(client))['node']['id']}/join-token"
        first, second = [await client.post(path, headers={"Idempotency-Key": "k"}) for _ in range(2)]
        assert first.status_code == second.status_code == 200
        assert second.headers["Idempotent-Replayed"] == "true"
        token = first.json()["token"]
        assert second.json() == first.json()
        assert (await client.post("/nodes/enrol", json=joining(token, FakeNode()))).status_code == 200

    async def test_asking_with_a_key_that_came_for_another_node_is_refused(self, client: httpx.AsyncClient) -> None:
        for place, status in (("192.0.2.1", 200), ("192.0.2.2", 422)):
            node_id = (await add(client, f"n-{place[-1]}", place))["node"]["id"]
            answer = await client.post(f"/admin/nodes/{node_id}/join-token", headers={"Idempotency-Key": "k"})
            assert answer.status_code == status
        assert answer.json()["code"] == "idempotency_key_reused"


class TestCordoning:
    async def test_is_kept_and_audited_once(self, client: httpx.AsyncClient, database: Database) -> None:
        node_id = (await add(client))["node"]["id"]
        answer = await client.post(f"/admin/nodes/{node_id}/cordon")
        assert answer.status_code == 200
        again = await client.post(f"/admin/nodes/{node_id}/cordon")
        assert (again.status_code, again.json()["code"]) == (409, "conflict")
        actions = {action["name"]: action["allowed"] for action in answer.json()["actions"]}
        assert (actions["cordon"], actions["uncordon"]) == (False, True)
        assert (await client.post(f"/admin/nodes/{node_id}/uncordon")).status_code == 200
        async with database.reading() as session:
            rows = await session.execute(
                text("SELECT action FROM audit_event WHERE target_id = :id ORDER BY seq"), {"id": node_id}
            )
            seen = [row.action for row in rows]
        assert seen == ["node.added", "node.join_token_created", "node.cordoned", "node.uncordoned"]


class TestPorts:
    async def test_are_given_by_an_operator_and_never_with_that_of_sshd(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        body = await add(client)
        node_id = body["node"]["id"]
        assert body["node"]["ports"] is None, "none before somebody says so"
        given = {"first": 30000, "last": 30999}
        answer = await client.post(f"/admin/nodes/{node_id}/ports", json={"range": given})
        assert (answer.status_code, answer.json()["ports"]) == (200, given)
        moved = await client.patch(f"/admin/nodes/{node_id}", json={"port": 30500})
        assert (moved.status_code, moved.json()["code"]) == (422, "invalid_input")
        assert (await client.patch(f"/admin/nodes/{node_id}", json={"port": 2222})).status_code == 200
        for wrong in ({"first": 2000, "last": 3000}, {"first": 22, "last": 30}, {"first": 3001, "last": 3000}):
            answer = await client.post(f"/admin/nodes/{node_id}/ports", json={"range": wrong})
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
        assert (await client.post(f"/admin/nodes/{node_id}/ports", json={})).status_code == 422
        assert (await client.get(f"/admin/nodes/{node_id}")).json()["ports"] == given
        answer = await client.post(f"/admin/nodes/{node_id}/ports", json={"range": None})
        assert answer.json()["ports"] is None
        async with database.reading() as session:
            rows = await session.execute(
                text("SELECT before, after FROM audit_event WHERE action = 'node.ports_changed' ORDER BY seq")
            )
            nothing = {"first": None, "last": None}
            assert [(row.before, row.after) for row in rows] == [(nothing, given), (given, nothing)]

    async def test_with_that_of_sshd_are_refused_by_postgresql(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        node_id = (await add(client))["node"]["id"]
        for first, last in ((1000, 2000), (3001, 3000), (30000, 65536), (30000, None), (None, 30000), (2200, 2300)):
            changed = text("UPDATE node SET first_port = :first, last_port = :last, port = 2222 WHERE id = :id")
            async with database.transaction() as session:
                with pytest.raises(IntegrityError, match="node_ports"):
                    await session.execute(changed, {"first": first, "last": last, "id": node_id})
                await session.rollback()


class TestBeforeJoining:
    async def test_a_machine_is_told_where_it_would_be_reached_and_the_token_stays(
        self, client: httpx.AsyncClient
    ) -> None:
        added, fake = await add(client, address="2001:DB8::7"), FakeNode()
        asked = {"join_token": added["join"]["token"], "host_public_key": fake.host_public_key}
        answer = await client.post("/nodes/enrol/preview", json=asked, headers={"Authorization": ""})
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert (told["name"], told["address"], told["port"]) == ("north", "2001:db8::7", 22)
        assert abs((datetime.fromisoformat(told["time"]) - datetime.now(UTC)).total_seconds()) < 60
        another = {**asked, "host_public_key": FakeNode().host_public_key}
        assert (await client.post("/nodes/enrol", json=joining(added["join"]["token"], fake))).status_code == 200
        refused = await client.post("/nodes/enrol/preview", json=another)
        assert (refused.status_code, refused.json()["code"]) == (403, "join_token_refused")
        _, second = await add(client, "south"), FakeNode()
        node_id = (await client.get("/admin/nodes")).json()["items"][1]["id"]
        token = (await client.post(f"/admin/nodes/{node_id}/join-token")).json()["token"]
        taken = {"join_token": token, "host_public_key": fake.host_public_key}
        assert (await client.post("/nodes/enrol/preview", json=taken)).json()["code"] == "machine_already_enrolled"
        free = {**taken, "host_public_key": second.host_public_key}
        assert (await client.post("/nodes/enrol/preview", json=free)).status_code == 200


class TestLeaving:
    async def test_is_refused_without_a_signature_of_the_node(self, client: httpx.AsyncClient) -> None:
        added, fake = await add(client), FakeNode()
        assert (await client.post("/nodes/enrol", json=joining(added["join"]["token"], fake))).status_code == 200
        word = {"node_id": added["node"]["id"], "at": datetime.now(UTC).isoformat(), "signature": "AAAA"}
        refused = await client.post("/nodes/leave", json=word, headers={"Authorization": ""})
        assert (refused.status_code, refused.json()["code"]) == (403, "leave_refused")
        message = f"{word['node_id']} {word['at']}"
        told = {**word, "signature": signed(fake.host_key, message)}
        assert (await client.post("/nodes/leave", json=told, headers={"Authorization": ""})).status_code == 204
        for at in ("yesterday", "2026-01-01T00:00:00"):
            assert (await client.post("/nodes/leave", json={**told, "at": at})).status_code == 422


class TestRemoving:
    async def test_takes_what_was_mistyped_out_of_the_fleet(self, client: httpx.AsyncClient) -> None:
        node = (await add(client))["node"]
        assert {action["name"]: action["allowed"] for action in node["actions"]}["remove"]
        path = f"/admin/nodes/{node['id']}"
        refused = await client.delete(path, headers={"Authorization": "Bearer customer"})
        assert refused.status_code == 403
        assert (await client.delete(path)).status_code == 204
        assert (await client.get(path)).status_code == 404
        assert (await client.get("/admin/nodes")).json()["items"] == []


class TestChangingThePlace:
    async def test_changes_the_name(self, client: httpx.AsyncClient) -> None:
        node_id = (await add(client))["node"]["id"]
        assert (await client.patch(f"/admin/nodes/{node_id}", json={"name": "nord"})).json()["name"] == "nord"

    async def test_changes_address_port_and_labels(self, client: httpx.AsyncClient) -> None:
        node_id = (await add(client))["node"]["id"]
        answer = await client.patch(f"/admin/nodes/{node_id}", json={"address": "192.0.2.7", "port": 2222})
        assert answer.status_code == 200, answer.text
        assert (answer.json()["address"], answer.json()["port"], answer.json()["labels"]) == (
            "192.0.2.7",
            2222,
            {"zone": "a"},
        )

    async def test_refuses_the_place_of_another(self, client: httpx.AsyncClient) -> None:
        await add(client, "south", "192.0.2.7")
        node_id = (await add(client))["node"]["id"]
        answer = await client.patch(f"/admin/nodes/{node_id}", json={"address": "192.0.2.7"})
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
