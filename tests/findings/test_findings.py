"""Findings: one row for each code and subject while it lasts, and nothing of it is lost afterwards."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from sublet.core.db import Database, Session
from sublet.core.money import Money
from sublet.findings import findings
from sublet.findings.findings import Filter, Severity, StoredFinding
from tests.support.app import Web

pytestmark = pytest.mark.anyio

LARGE = 2**62 + 1
"""More than a float can hold to the micro."""


async def _open(session: Session, subject_id: str = "ch_1", **changes: Any) -> str:
    wanted: dict[str, Any] = {
        "code": "payments.refund_unknown",
        "subject_type": "charge",
        "severity": Severity.CRITICAL,
        "amounts": {"refunded": Money(LARGE, "USD"), "fee": Money(-1, "KWD")},
        "detail": {"at": "processor"},
    }
    return await findings.open_finding(session, subject_id=subject_id, **wanted | changes)


async def _all(session: Session, **wanted: Any) -> list[StoredFinding]:
    return await findings.newest(session, Filter(**wanted), before=None, limit=100)


class TestOpening:
    async def test_keeps_what_was_said_to_the_micro(self, database: Database) -> None:
        async with database.transaction() as session:
            finding_id = await _open(session)
            [found] = await _all(session)
        assert found.id == finding_id
        assert (found.code, found.subject_type, found.subject_id) == ("payments.refund_unknown", "charge", "ch_1")
        assert found.amounts == {"refunded": Money(LARGE, "USD"), "fee": Money(-1, "KWD")}
        assert (found.severity, found.detail, found.until) == (Severity.CRITICAL, {"at": "processor"}, None)

    async def test_again_is_the_same_finding_with_what_is_known_now(self, database: Database) -> None:
        async with database.transaction() as session:
            first = await _open(session)
            [before] = await _all(session)
        async with database.transaction() as session:
            again = await _open(session, severity=Severity.WARNING, amounts={}, detail={"at": "desk"})
            [found] = await _all(session)
        assert again == first
        assert (found.severity, found.amounts, found.detail) == (Severity.WARNING, {}, {"at": "desk"})
        assert found.since == before.since
        assert found.seen_at > before.seen_at

    async def test_by_many_at_once_is_one_finding(self, database: Database) -> None:
        async def once() -> str:
            async with database.transaction() as session:
                return await _open(session)

        assert len(set(await asyncio.gather(*(once() for _ in range(5))))) == 1

    @pytest.mark.parametrize("changes", [{"code": "Refund"}, {"code": "refund"}, {"subject_type": "a charge"}], ids=str)
    async def test_needs_a_code_and_a_subject_that_programs_can_ask_for(
        self, database: Database, changes: dict[str, str]
    ) -> None:
        with pytest.raises(DBAPIError, match="check constraint"):
            async with database.transaction() as session:
                await _open(session, **changes)

    @pytest.mark.parametrize(
        "amounts",
        [
            '{"held": 1}',
            '{"held": {"micro": "1", "currency": "USD"}}',
            '{"held": {"micro": 1, "currency": "usd"}}',
            "[]",
        ],
    )
    async def test_takes_nothing_for_an_amount_but_money(self, database: Database, amounts: str) -> None:
        change = text("UPDATE finding SET amounts = CAST(:amounts AS jsonb)")
        async with database.transaction() as session:
            await _open(session)
        with pytest.raises(DBAPIError, match="finding_amounts_check"):
            async with database.transaction() as session:
                await session.execute(change, {"amounts": amounts})


class TestClosing:
    async def test_ends_one_and_leaves_the_others(self, database: Database) -> None:
        async with database.transaction() as session:
            await _open(session, "ch_1")
            await _open(session, "ch_2")
            await _open(session, "ch_1", code="payments.other")
            wanted = {"code": "payments.refund_unknown", "subject_type": "charge", "subject_id": "ch_1"}
            assert await findings.close_finding(session, **wanted)
            assert not await findings.close_finding(session, **wanted)
            left = {(one.code, one.subject_id) for one in await _all(session, state="open")}
            [closed] = await _all(session, state="closed")
        assert left == {("payments.refund_unknown", "ch_2"), ("payments.other", "ch_1")}
        assert closed.until is not None
        assert closed.until >= closed.since

    async def test_and_opening_again_is_another_finding(self, database: Database) -> None:
        async with database.transaction() as session:
            first = await _open(session)
            await findings.close_finding(
                session, code="payments.refund_unknown", subject_type="charge", subject_id="ch_1"
            )
            second = await _open(session)
            assert [one.id for one in await _all(session)] == [second, first]

    async def test_is_for_good(self, database: Database) -> None:
        async with database.transaction() as session:
            await _open(session)
            await findings.close_others(session, code="payments.refund_unknown", still=[])
        for attempt in ("UPDATE finding SET until = NULL", "UPDATE finding SET severity = 'warning'"):
            with pytest.raises(DBAPIError, match="append-only"):
                async with database.transaction() as session:
                    await session.execute(text(attempt))
        for attempt in ("DELETE FROM finding", "UPDATE finding SET code = 'a.b'"):
            with pytest.raises(DBAPIError, match="permission denied"):
                async with database.transaction() as session:
                    await session.execute(text(attempt))

    async def test_of_all_but_some_keeps_to_the_code_and_the_type(self, database: Database) -> None:
        async with database.transaction() as session:
            await _open(session, "1")
            await _open(session, "2")
            await _open(session, "1", subject_type="refund")
            await _open(session, "2", code="payments.other")
            closed = await findings.close_others(session, code="payments.refund_unknown", still=[("charge", "1")])
            left = {(one.code, one.subject_type, one.subject_id) for one in await _all(session, state="open")}
        assert closed == 2
        assert left == {("payments.refund_unknown", "charge", "1"), ("payments.other", "charge", "2")}


class TestRoute:
    async def test_pages_newest_first_with_amounts_as_money(self, web: Web, database: Database) -> None:
        operator = await web.operator("support")
        async with database.transaction() as session:
            opened = [await _open(session, f"ch_{number}") for number in range(3)]
        first = (await operator.get("/api/v1/admin/findings", params={"limit": 2})).json()
        rest = await operator.get("/api/v1/admin/findings", params={"limit": 2, "cursor": first["next_cursor"]})
        assert [one["id"] for one in first["items"] + rest.json()["items"]] == opened[::-1]
        assert rest.json()["next_cursor"] is None
        assert first["items"][0]["amounts"]["refunded"] == {"amount": "4611686018427.387905", "currency": "USD"}
        assert first["items"][0]["subject"] == {"type": "charge", "id": "ch_2"}

    @pytest.mark.parametrize(
        ("wanted", "subjects"),
        [
            ({"state": "open"}, {"ch_2", "ch_3"}),
            ({"state": "closed"}, {"ch_1"}),
            ({"severity": "warning"}, {"ch_2"}),
            ({"code": "payments.other"}, {"ch_3"}),
            ({"subject_type": "refund"}, {"ch_3"}),
            ({"subject_id": "ch_1"}, {"ch_1"}),
            ({}, {"ch_1", "ch_2", "ch_3"}),
        ],
    )
    async def test_filters(self, web: Web, database: Database, wanted: dict[str, str], subjects: set[str]) -> None:
        operator = await web.operator("finance")
        async with database.transaction() as session:
            await _open(session, "ch_1")
            await _open(session, "ch_2", severity=Severity.WARNING)
            await _open(session, "ch_3", code="payments.other", subject_type="refund")
            await findings.close_finding(
                session, code="payments.refund_unknown", subject_type="charge", subject_id="ch_1"
            )
        found = (await operator.get("/api/v1/admin/findings", params=wanted)).json()["items"]
        assert {one["subject"]["id"] for one in found} == subjects

    async def test_is_for_operators(self, web: Web) -> None:
        answer = await (await web.customer()).get("/api/v1/admin/findings")
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


class TestResolving:
    async def test_closes_once_with_the_reason_in_the_trail(self, web: Web, database: Database) -> None:
        operator = await web.operator("finance")
        async with database.transaction() as session:
            finding_id = await _open(session)
        route = f"/api/v1/admin/findings/{finding_id}/resolve"
        answer = await operator.post(route, json={"reason": "settled with the bank"})
        assert answer.status_code == 200
        assert answer.json()["until"] is not None
        again = await operator.post(route, json={"reason": "settled twice"})
        assert (again.status_code, again.json()["code"]) == (409, "conflict")
        async with database.reading() as session:
            trail = text("SELECT after FROM audit_event WHERE action = 'finding.resolved' AND target_id = :id")
            kept = list((await session.execute(trail, {"id": finding_id})).scalars())
        assert kept == [{"reason": "settled with the bank"}]

    async def test_finds_only_what_is_there(self, web: Web) -> None:
        operator = await web.operator("finance")
        answer = await operator.post("/api/v1/admin/findings/fin_none/resolve", json={"reason": "settled"})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


class TestOwners:
    async def test_are_those_who_may_settle_findings_by_page(self, web: Web, database: Database) -> None:
        finance, admin = await web.operator("finance"), await web.operator("admin")
        support = await web.operator("support")
        ids = {person: (await person.get("/api/v1/me")).json()["user"]["id"] for person in (finance, admin, support)}
        async with database.transaction() as session:
            await session.execute(
                text("UPDATE user_account SET disabled_at = clock_timestamp() WHERE id = :id"), {"id": ids[admin]}
            )
        first = (await support.get("/api/v1/admin/finding-owners?limit=1")).json()
        assert [one["id"] for one in first["items"]] == [ids[finance]]
        assert first["next_cursor"] is None
        async with database.transaction() as session:
            await session.execute(text("UPDATE user_account SET disabled_at = NULL WHERE id = :id"), {"id": ids[admin]})
        found: list[str] = []
        cursor = ""
        while cursor is not None:
            page = (await finance.get(f"/api/v1/admin/finding-owners?limit=1{cursor and f'&cursor={cursor}'}")).json()
            found += [one["id"] for one in page["items"]]
            cursor = page["next_cursor"]
        assert found == sorted([ids[finance], ids[admin]])

    async def test_are_what_a_list_is_narrowed_to(self, web: Web, database: Database) -> None:
        operator = await web.operator("finance")
        me = (await operator.get("/api/v1/me")).json()["user"]["id"]
        async with database.transaction() as session:
            mine, nobodys = await _open(session), await _open(session, subject_id="another")
        await operator.post(f"/api/v1/admin/findings/{mine}/assign", json={"owner_id": me})
        for owner, ids in ((me, [mine]), ("nobody", [nobodys]), ("usr_else", [])):
            listed = (await operator.get(f"/api/v1/admin/findings?owner_id={owner}")).json()["items"]
            assert [one["id"] for one in listed] == ids


class TestShowing:
    async def test_tells_what_is_at_stake_what_mends_it_and_what_became_of_it(
        self, web: Web, database: Database
    ) -> None:
        operator = await web.operator("finance")
        me = (await operator.get("/api/v1/me")).json()["user"]
        async with database.transaction() as session:
            changes = {"code": "payments.unexplained", "amounts": {"in suspense": Money(-7_000_000, "USD")}}
            finding_id = await _open(session, **changes)
            await _open(session, **changes, severity=Severity.ERROR)
        route = f"/api/v1/admin/findings/{finding_id}"
        assigned = await operator.post(f"{route}/assign", json={"owner_id": me["id"]})
        assert (assigned.status_code, assigned.json()["owner"]) == (200, {"id": me["id"], "name": me["name"]})
        await operator.post(f"{route}/assign", json={"owner_id": None})
        await operator.post(f"{route}/resolve", json={"reason": "given back"})
        shown = (await operator.get(route)).json()
        assert shown["at_stake"] == [{"amount": "7.00", "currency": "USD"}]
        assert shown["repair"]["does"].startswith("Look it up in the processor's own pages.")
        assert (shown["settled_by"], shown["resolution"], shown["owner"]) == (me["name"], "given back", None)
        assert [(one["what"], one["by"], one["note"]) for one in shown["history"]] == [
            ("opened", None, "critical"),
            ("severity", None, "error"),
            ("assigned", me["name"], me["name"]),
            ("given_back", me["name"], me["name"]),
            ("resolved", me["name"], "given back"),
        ]

    async def test_what_a_check_no_longer_finds_was_settled_by_nobody(self, web: Web, database: Database) -> None:
        operator = await web.operator("finance")
        async with database.transaction() as session:
            finding_id = await _open(session)
            await findings.close_others(session, code="payments.refund_unknown", still=[])
        shown = (await operator.get(f"/api/v1/admin/findings/{finding_id}")).json()
        assert [one["what"] for one in shown["history"]] == ["opened", "closed"]
        assert (shown["settled_by"], shown["resolution"]) == (None, None)

    async def test_its_history_is_nobodys_to_write(self, database: Database) -> None:
        async with database.transaction() as session:
            finding_id = await _open(session)
        forged = text("INSERT INTO finding_history (finding_id, what) VALUES (:id, 'closed')")
        with pytest.raises(DBAPIError, match="permission denied"):
            async with database.transaction() as session:
                await session.execute(forged, {"id": finding_id})

    def test_at_stake_is_how_far_amounts_are_apart_in_each_currency(self) -> None:
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        amounts = {"processor": Money(5, "USD"), "books": Money(-2, "USD"), "fee": Money(-3, "KWD")}
        found = StoredFinding(1, "f", "a.b", "x", "1", Severity.ERROR, amounts, {}, moment, moment, None)
        assert found.at_stake == [Money(3, "KWD"), Money(7, "USD")]


class TestAssigning:
    async def test_is_to_operators_who_may_settle_it_while_it_is_open(self, web: Web, database: Database) -> None:
        operator, support = await web.operator("finance"), await web.operator("support")
        async with database.transaction() as session:
            finding_id = await _open(session)
        route = f"/api/v1/admin/findings/{finding_id}"
        for nobody in ("usr_none", (await support.get("/api/v1/me")).json()["user"]["id"]):
            refused = await operator.post(f"{route}/assign", json={"owner_id": nobody})
            assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "owner_id")
        assert (await support.post(f"{route}/assign", json={"owner_id": None})).status_code == 403
        await operator.post(f"{route}/resolve", json={"reason": "settled"})
        closed = await operator.post(f"{route}/assign", json={"owner_id": None})
        assert (closed.status_code, closed.json()["code"]) == (409, "conflict")

    async def test_is_in_the_trail(self, web: Web, database: Database) -> None:
        operator = await web.operator("finance")
        me = (await operator.get("/api/v1/me")).json()["user"]["id"]
        async with database.transaction() as session:
            finding_id = await _open(session)
        await operator.post(f"/api/v1/admin/findings/{finding_id}/assign", json={"owner_id": me})
        async with database.reading() as session:
            trail = text("SELECT after FROM audit_event WHERE action = 'finding.assigned' AND target_id = :id")
            assert list((await session.execute(trail, {"id": finding_id})).scalars()) == [{"owner_id": me}]
