"""What the operator's reconciliation finds beside the books."""

from datetime import UTC, datetime

import pytest

from sublet.fleet import nodes
from tests.scheduling.fleet_rows import add_node
from tests.support.app import Web

pytestmark = pytest.mark.anyio


class TestReconciliation:
    async def test_finds_accounts_on_nodes_that_are_nobodys(self, web: Web) -> None:
        operator = await web.operator()
        node_id = await add_node(web.database, "north")
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        async with web.database.transaction() as session:
            await nodes.note_strangers(session, node_id, {("al-left", 200_123), ("", 200_124)}, moment)
        checks = (await operator.post("/api/v1/admin/reconcile")).json()["checks"]
        [check] = [one for one in checks if one["name"] == "accounts on nodes"]
        assert not check["ok"]
        assert [one["subject"] for one in check["findings"]] == [
            "node_account:north/200124",
            "node_account:north/200123",
        ]
        assert "al-left (uid 200123)" in check["findings"][1]["detail"]
        shown = (await operator.get(f"/api/v1/admin/nodes/{node_id}")).json()["strangers"]
        assert [(one["login"], one["uid"]) for one in shown] == [("", 200_124), ("al-left", 200_123)]

    async def test_opens_findings_and_closes_what_is_mended(self, web: Web) -> None:
        operator = await web.operator("admin")
        node_id = await add_node(web.database, "north")
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        async with web.database.transaction() as session:
            await nodes.note_strangers(session, node_id, {("al-left", 200_123), ("al-old", 200_124)}, moment)
        await operator.post("/api/v1/admin/reconcile")
        async with web.database.transaction() as session:
            await nodes.note_strangers(session, node_id, {("al-left", 200_123)}, moment)
        await operator.post("/api/v1/admin/reconcile")
        for state, uid in (("open", 200_123), ("closed", 200_124)):
            found = (await operator.get("/api/v1/admin/findings", params={"state": state})).json()["items"]
            assert [(one["code"], one["subject"]) for one in found] == [
                ("fleet.unknown_account", {"type": "node_account", "id": f"north/{uid}"})
            ]
