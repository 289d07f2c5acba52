"""The fake API is the real one in small: it fails when it drifts, and its names are the server's."""

import pytest
from sqlalchemy import text

from sublet.allocations import operations
from sublet.allocations.work import removal
from sublet.client import Client
from sublet.core.db import Database
from sublet.core.outbox import EVENT_TYPES
from tests.client import fake_names
from tests.client.contract import drift
from tests.client.fake_api import serving
from tests.client.fake_shapes import usd
from tests.client.fake_world import CUSTOMER_TOKEN, furnished
from tests.support.app import Web


class TestDrift:
    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"invented": True}, "GET /api/v1/allocations/web: answer: Additional properties are not allowed"),
            ({"created_at": "yesterday"}, "GET /api/v1/allocations/web: answer.created_at: 'yesterday' is not a"),
            ({"state": "happy"}, "GET /api/v1/allocations/web: answer.state: 'happy' is not one of"),
        ],
    )
    def test_of_an_answer_fails_whoever_uses_it(self, change: dict[str, object], told: str) -> None:
        world = furnished()
        allocation = world.allocation("web", next(iter(world.skus.values())))
        allocation |= change

        def use() -> None:
            with serving(world) as api, Client(api.url, CUSTOMER_TOKEN) as client:
                client.allocation("web")

        with pytest.raises(AssertionError) as raised:
            use()
        assert told in str(raised.value)

    @pytest.mark.parametrize(
        ("method", "path", "query", "body", "told"),
        [
            ("POST", "/api/v1/top-ups", {}, {"amount": 20}, "body.amount: 20 is not of type 'string'"),
            ("POST", "/api/v1/top-ups", {}, {"amount": "20.00", "tip": "1.00"}, "body: Additional properties"),
            ("POST", "/api/v1/allocations/web/suspend", {}, {"why": "lunch"}, "there is a body where none is expected"),
            ("GET", "/api/v1/wallet", {"limit": "2"}, {}, "the query has limit"),
            ("GET", "/api/v1/purse", {}, {}, "GET /api/v1/purse is not in the document"),
        ],
    )
    def test_of_a_request_is_seen_too(
        self, method: str, path: str, query: dict[str, str], body: dict[str, object], told: str
    ) -> None:
        status = {"GET": 200, "POST": 201}[method]
        found = drift(method, path, query=query, body=body, sent=bool(body), status=status, answer={})
        assert any(told in fault for fault in found), found


class TestNames:
    def test_of_steps_are_those_of_the_servers_operations(self) -> None:
        assert fake_names.STEPS == operations.STEPS

    def test_of_evidence_are_those_that_steps_wait_for(self) -> None:
        assert set(fake_names.EVIDENCE) == frozenset().union(*removal.CHECKS_OF_STEP.values())

    @pytest.mark.parametrize(
        ("kind", "subject", "data"),
        [
            ("allocation.active", "al_1", {"name": "a", "state": "b", "previous_state": None, "reason": "c"}),
            ("wallet.changed", "org_1", {name: usd("1") for name in ("balance", "held", "available")}),
        ],
    )
    def test_in_events_are_those_of_the_servers_events(self, kind: str, subject: str, data: dict[str, object]) -> None:
        world = furnished()
        world.tell(kind, subject, **data)
        assert world.events[0]["data"].keys() == EVENT_TYPES[kind].model_fields.keys()

    @pytest.mark.anyio
    async def test_of_ledger_entries_are_the_databases(self, database: Database) -> None:
        async with database.reading() as session:
            kinds = await session.execute(text("SELECT unnest(enum_range(NULL::ledger.entry_kind))::text"))
            assert tuple(kinds.scalars()) == fake_names.ENTRY_KINDS

    @pytest.mark.anyio
    async def test_of_checks_are_those_that_reconciliation_runs(self, web: Web) -> None:
        operator = await web.operator()
        checks = (await operator.post("/api/v1/admin/reconcile")).json()["checks"]
        assert tuple(check["name"] for check in checks) == fake_names.CHECKS

    @pytest.mark.anyio
    async def test_of_a_joining_node_are_those_of_its_checklist_and_its_command(self, web: Web) -> None:
        operator = await web.operator()
        added = (await operator.post("/api/v1/admin/nodes", json={"name": "north", "address": "192.0.2.1"})).json()
        assert added["join"]["command"] == fake_names.join_command(web.url, added["join"]["token"])
        shown = (await operator.get(f"/api/v1/admin/nodes/{added['node']['id']}")).json()
        told = {item["name"]: item["detail"] for item in shown["enrolment"]}
        assert list(told) == list(fake_names.ENROLMENT)
        for name, detail in fake_names.ENROLMENT.items():
            # Only the moment differs.
            assert told[name].partition("20")[0] == detail.format(**shown).partition("20")[0]
