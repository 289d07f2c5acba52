"""What the operator's reconciliation finds beside the books."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from sqlalchemy import text

from sublet.admin import checks
from sublet.core.db import Database
from sublet.core.outbox import publish
from sublet.findings.checks import CheckResult
from sublet.findings.findings import Severity
from sublet.fleet import damaged_records, nodes
from sublet.fleet.backend import UnreadableRecord
from sublet.identity.events import UserDisabled
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

    async def test_finds_each_record_that_a_node_cannot_read(self, web: Web) -> None:
        operator = await web.operator()
        node_id = await add_node(web.database, "north")
        since = datetime(2026, 1, 1, tzinfo=UTC)
        damaged = [UnreadableRecord(one, f"The record {one}.json is damaged.") for one in ("al_a", "al_b")]
        async with web.database.transaction() as session:
            await damaged_records.note_unreadable(session, node_id, damaged[:1], since)
            await damaged_records.note_unreadable(session, node_id, damaged, since + timedelta(hours=1))
        checks = (await operator.post("/api/v1/admin/reconcile")).json()["checks"]
        [check] = [one for one in checks if one["name"] == "records on nodes"]
        assert [one["subject"] for one in check["findings"]] == ["node_record:north/al_a", "node_record:north/al_b"]
        assert "since 2026-01-01T00:00:00+00:00: The record al_a.json is damaged." in check["findings"][0]["detail"]
        async with web.database.transaction() as session:
            await damaged_records.note_unreadable(session, node_id, [], since)
        checks = (await operator.post("/api/v1/admin/reconcile")).json()["checks"]
        assert [one["ok"] for one in checks if one["name"] == "records on nodes"] == [True]

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


class TestEventsThatWait:
    async def test_for_more_than_ten_minutes_are_found_every_few_minutes(
        self, database: Database, owner_url: str
    ) -> None:
        async def found() -> list[str]:
            async with database.transaction() as session:
                results = await checks.run(session, thorough=False)
            return [one.findings[0].subject for one in results if one.name == "events that wait" and not one.ok]

        with psycopg.connect(owner_url, autocommit=True) as owner:
            owner.execute("SET session_replication_role = replica")
            owner.execute("INSERT INTO outbox_cursor (subscriber, xid, id) VALUES ('domains', '1', 0)")
            planted = (
                "INSERT INTO outbox_event (event_id, type, subject, data, occurred_at) "
                "VALUES (%s, 'x.done', 'x', '{{}}', {})"
            )
            owner.execute(planted.format("now() - interval '11 minutes'").encode(), ["evt_old"])
            assert await found() == ["subscriber:domains"]
            owner.execute("UPDATE outbox_event SET occurred_at = now() - interval '9 minutes'")
            assert await found() == []


class TestTransactionIdsOfEvents:
    """A dump that was restored brings ids which the new server gives out much later."""

    NAME = "transaction ids of events"

    async def found(self, database: Database) -> CheckResult:
        """What the check says that is asked every five minutes."""
        async with database.transaction() as session:
            [one] = [one for one in await checks.run(session, thorough=False) if one.name == self.NAME]
        return one

    @pytest.mark.parametrize(
        "planted",
        [
            "INSERT INTO outbox_event (xid, event_id, type, subject, data) VALUES ({}, 'evt_1', 'x.done', 'x', '{{}}')",
            "INSERT INTO outbox_cursor (subscriber, xid, id) VALUES ('restored', {}, 1)",
        ],
        ids=["event", "place"],
    )
    async def test_that_the_server_has_not_reached_are_critical(
        self, database: Database, owner_url: str, planted: str
    ) -> None:
        assert (await self.found(database)).ok
        ahead = "CAST(CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint) + 20000 AS text)::xid8"
        with psycopg.connect(owner_url) as owner:
            owner.execute(planted.format(ahead).encode())
        told = await self.found(database)
        assert told.check.severity is Severity.CRITICAL
        [finding] = told.findings
        assert finding.problem.startswith("events wait for transaction ids that this server has not reached")

    async def test_of_this_server_are_fine_the_checks_own_transaction_among_them(self, database: Database) -> None:
        for _ in range(2):
            async with database.transaction() as session:
                await publish(session, UserDisabled(user_id="usr_1"), subject="usr_1", organization_id=None)
                xid = await session.execute(
                    text("SELECT pg_current_xact_id() >= pg_snapshot_xmax(pg_current_snapshot())")
                )
                assert xid.scalar_one(), "its own id is ahead of what it sees"
                [one] = [one for one in await checks.run(session, thorough=False) if one.name == self.NAME]
                assert one.ok
