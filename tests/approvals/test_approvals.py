"""An act that needs a second person happens once, as it was approved, in time, and by nobody's own consent."""

import asyncio
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from sublet.approvals import approvals
from sublet.approvals.approvals import (
    AlreadyDecided,
    AlreadyRequested,
    ApprovalRequired,
    DecidesOwn,
    Filter,
    why_not_decide,
)
from sublet.approvals.states import ApprovalState
from sublet.core.actors import Permission, system_actor
from sublet.core.db import Session
from sublet.core.errors import NotFound, PermissionDenied
from sublet.identity.operators import may_now
from tests.approvals.desk import ACT, ASKED, Desk
from tests.support.locks import until_somebody_waits

pytestmark = pytest.mark.anyio

OTHER = [
    {"act": "allocation.recover"},
    {"subject": "al_bbbbbbbbbbbbbbbb"},
    {"parameters": {"wipe": False, "after": 60}},
    {"parameters": {"wipe": True}},
    {"parameters": {"wipe": True, "after": 60, "quietly": True}},
    {"parameters": {"wipe": True, "after": "60"}},
    {"reason": "the node burnt down, and nobody is sorry"},
]
"""Acts that are almost the one that was approved."""


class TestAsking:
    async def test_keeps_what_by_whom_why_and_until_when(self, desk: Desk) -> None:
        asked = await desk.request()
        ada = desk.people["Ada"]
        assert (asked.act, asked.subject, asked.parameters) == tuple(ACT.values())
        assert (asked.requested_by, asked.requested_by_name) == (ada.user_id, "Ada")
        assert (asked.reason, asked.state, asked.is_over) == ("the node burnt down", ApprovalState.REQUESTED, False)
        assert (asked.expires_at - asked.requested_at).total_seconds() == pytest.approx(24 * 3600, abs=1)

    async def test_takes_the_permission_that_the_act_takes(self, desk: Desk) -> None:
        with pytest.raises(PermissionDenied):
            await desk.request(permission=Permission.ADMIN_CATALOG_MANAGE)

    async def test_again_gives_the_same_one(self, desk: Desk) -> None:
        asked = await desk.request()
        assert (await desk.request(parameters={"after": 60, "wipe": True})).id == asked.id
        await desk.approve(asked.id)
        assert (await desk.request()).id == asked.id
        assert len(await desk.rows("SELECT FROM approval_history")) == 2

    async def test_by_somebody_else_for_the_same_is_refused(self, desk: Desk) -> None:
        asked = await desk.request()
        with pytest.raises(AlreadyRequested) as refused:
            await desk.request("Bob")
        assert refused.value.extra == {"approval_id": asked.id}

    async def test_by_many_at_once_is_one_approval(self, desk: Desk) -> None:
        await desk.operator("Ada")
        assert len({asked.id for asked in await asyncio.gather(*(desk.request() for _ in range(8)))}) == 1

    @pytest.mark.parametrize("how", ["rejected", "used"])
    async def test_anew_is_another_one_once_the_first_has_ended(self, desk: Desk, how: str) -> None:
        asked = await desk.request()
        if how == "rejected":
            await desk.reject(asked.id)
        else:
            await desk.approve(asked.id)
            await desk.consume()
        again = await desk.request()
        assert again.id != asked.id
        states = {row.id: row.state for row in await desk.rows("SELECT id, state FROM approval")}
        assert states == {again.id: "requested", asked.id: how}

    async def test_is_for_people(self, desk: Desk) -> None:
        with pytest.raises(Exception, match="requested_by"):
            async with desk.database.transaction() as session:
                await approvals.request(
                    session, system_actor(), **ACT, reason="x", permission=Permission.ADMIN_NODE_MANAGE, may_now=may_now
                )


class TestDeciding:
    async def test_lets_the_one_who_asked_act(self, desk: Desk) -> None:
        approved = await desk.approved()
        assert (approved.state, approved.decided_by_name) == (ApprovalState.APPROVED, "Bob")
        assert approved.decided_by == desk.people["Bob"].user_id
        used = await desk.consume()
        assert (used.id, used.state) == (approved.id, ApprovalState.USED)
        assert used.used_at is not None

    @pytest.mark.parametrize("decide", ["approve", "reject"])
    async def test_is_for_somebody_else(self, desk: Desk, decide: str) -> None:
        asked = await desk.request()
        with pytest.raises(DecidesOwn, match="Somebody else than who asked has to decide"):
            await getattr(desk, decide)(asked.id, "Ada")

    @pytest.mark.parametrize("decide", ["approve", "reject"])
    async def test_is_for_those_who_may_do_it_themselves(self, desk: Desk, decide: str) -> None:
        asked = await desk.request()
        await desk.operator("Fin", "finance")
        with pytest.raises(PermissionDenied, match=r"admin\.node:manage"):
            await getattr(desk, decide)(asked.id, "Fin")

    @pytest.mark.parametrize("decide", ["approve", "reject"])
    @pytest.mark.parametrize("before", ["approve", "reject"])
    async def test_is_done_once(self, desk: Desk, before: str, decide: str) -> None:
        asked = await desk.request()
        decided = await getattr(desk, before)(asked.id)
        with pytest.raises(AlreadyDecided, match=f"It is {decided.state.value} already"):
            await getattr(desk, decide)(asked.id, "Cleo")

    async def test_by_two_at_once_is_one_decision(self, desk: Desk) -> None:
        asked = await desk.request()
        for name in ("Bob", "Cleo"):
            await desk.operator(name)
        outcomes = await asyncio.gather(
            desk.approve(asked.id, "Bob"), desk.reject(asked.id, "Cleo"), return_exceptions=True
        )
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["AlreadyDecided", "Approval"]

    async def test_needs_something_to_decide_on(self, desk: Desk) -> None:
        with pytest.raises(NotFound):
            await desk.approve("apr_none")

    async def test_is_offered_as_it_is_accepted(self, desk: Desk) -> None:
        asked, bob = await desk.request(), await desk.operator("Bob")
        assert why_not_decide(asked, bob) is None
        assert why_not_decide(asked, replace(bob, permissions=frozenset())) is not None
        assert why_not_decide(asked, desk.people["Ada"]) is not None
        assert why_not_decide(replace(asked, is_over=True), bob) is not None
        assert why_not_decide(replace(asked, state=ApprovalState.USED), bob) is not None


class TestActing:
    @pytest.mark.parametrize("other", OTHER, ids=str)
    async def test_is_refused_for_any_other_act_than_was_approved(self, desk: Desk, other: dict[str, Any]) -> None:
        await desk.approved()
        with pytest.raises(ApprovalRequired, match="Nobody has been asked for it"):
            await desk.consume(**other)
        await desk.consume()

    async def test_is_refused_to_everybody_but_the_one_who_asked(self, desk: Desk) -> None:
        await desk.approved()
        for name in ("Bob", "Cleo"):
            with pytest.raises(ApprovalRequired):
                await desk.consume(name)
        with pytest.raises(ApprovalRequired):
            async with desk.database.transaction() as session:
                await approvals.consume(session, system_actor(), **ASKED, may_now=may_now)

    async def test_is_refused_to_who_asked_and_may_not_any_more(self, desk: Desk) -> None:
        await desk.approved()
        demoted = replace(await desk.operator("Ada"), permissions=frozenset())
        async with desk.database.transaction() as session:
            with pytest.raises(PermissionDenied):
                await approvals.consume(session, demoted, **ASKED, may_now=may_now)
        await desk.consume()

    async def test_is_refused_with_what_is_missing(self, desk: Desk) -> None:
        async def refused() -> str:
            with pytest.raises(ApprovalRequired, match=r"Nothing was changed\. Somebody else") as told:
                await desk.consume()
            return told.value.detail

        assert "Nobody has been asked for it." in await refused()
        first = await desk.request()
        assert f"{first.id} waits for somebody to decide." in await refused()
        await desk.reject(first.id)
        assert f"{first.id} was rejected by Bob." in await refused()
        second = await desk.approved()
        await desk.consume()
        assert f"{second.id} has been used already." in await refused()

    @pytest.mark.parametrize(
        "change",
        [
            "disabled_at = clock_timestamp()",
            "platform_roles = '{}'",
            "platform_roles = '{finance}'",  # decides, and not on nodes
            "platform_roles = '{support}'",  # sees both, and decides on nothing
        ],
    )
    async def test_is_refused_once_who_approved_may_not_any_more(self, desk: Desk, change: str) -> None:
        first = await desk.approved()
        desk.run(f"UPDATE user_account SET {change} WHERE id = 'usr_bob'")
        with pytest.raises(ApprovalRequired, match=f"Bob, who approved {first.id}, may not do so any more") as refused:
            await desk.consume()
        assert refused.value.extra == {"approval_id": first.id}
        second = await desk.request()  # as it says
        assert second.id != first.id
        ended = await desk.rows("SELECT state FROM approval WHERE id <> '" + second.id + "'")
        assert [row.state for row in ended] == ["expired"]
        await desk.approve(second.id, "Cleo")
        assert (await desk.consume()).id == second.id

    @pytest.mark.parametrize("lacking", [Permission.ADMIN_APPROVAL_DECIDE, Permission.ADMIN_NODE_MANAGE])
    async def test_asks_of_who_approved_what_deciding_takes(self, desk: Desk, lacking: Permission) -> None:
        await desk.approved()
        bob = desk.people["Bob"]

        async def may(_session: Session, user_id: str, permissions: Collection[Permission]) -> bool:
            return user_id == bob.user_id and lacking not in permissions

        async with desk.database.transaction() as session:
            with pytest.raises(ApprovalRequired):
                await approvals.consume(session, desk.people["Ada"], **ASKED, may_now=may)

    async def test_keeps_the_roles_of_who_was_asked_about_until_it_is_over(self, desk: Desk) -> None:
        async def demote(user_id: str) -> None:
            async with desk.database.transaction() as session:
                taken = text("UPDATE user_account SET platform_roles = '{}' WHERE id = :id")
                await session.execute(taken, {"id": user_id})

        bob = await desk.operator("Bob")
        assert bob.user_id is not None
        async with desk.database.transaction() as session:
            assert await may_now(session, bob.user_id, [Permission.ADMIN_NODE_MANAGE])
            demoting = asyncio.create_task(demote("usr_bob"))
            await until_somebody_waits(desk.database)
        await demoting
        async with desk.database.transaction() as session:
            assert not await may_now(session, bob.user_id, [Permission.ADMIN_NODE_MANAGE])

    async def test_uses_the_approval_once_also_at_the_same_time(self, desk: Desk) -> None:
        await desk.approved()
        outcomes = await asyncio.gather(*(desk.consume() for _ in range(6)), return_exceptions=True)
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Approval"] + ["ApprovalRequired"] * 5

    async def test_that_is_undone_has_not_used_it(self, desk: Desk) -> None:
        await desk.approved()

        async def fail() -> None:
            async with desk.database.transaction() as session:
                await approvals.consume(session, desk.people["Ada"], **ASKED, may_now=may_now)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        await desk.consume()


class TestReading:
    async def test_finds_by_state_act_and_subject_and_pages(self, desk: Desk) -> None:
        first = await desk.approved()
        second = await desk.request(act="refund.send", subject="tu_1")

        async def found(limit: int = 10, before: int | None = None, **wanted: Any) -> list[str]:
            async with desk.database.reading() as session:
                rows = await approvals.newest(session, Filter(**wanted), before=before, limit=limit)
            return [one.id for one in rows]

        assert await found() == [second.id, first.id]
        assert await found(limit=1) == [second.id]
        assert await found(before=second.seq) == [first.id]
        assert await found(state=ApprovalState.APPROVED) == [first.id]
        assert await found(act="refund.send") == [second.id]
        assert await found(subject="tu_1") == [second.id]
        assert await found(act="refund.send", state=ApprovalState.APPROVED) == []


class TestTheTrail:
    async def test_has_who_asked_decided_and_acted(self, desk: Desk) -> None:
        await desk.approved()
        await desk.consume()
        rows = await desk.rows(
            "SELECT action, actor_name, before, after FROM audit_event WHERE target_type = 'approval' ORDER BY seq"
        )
        assert [(row.action, row.actor_name) for row in rows] == [
            ("approval.requested", "Ada"),
            ("approval.approved", "Bob"),
            ("approval.used", "Ada"),
        ]
        assert rows[0].after["parameters"] == ACT["parameters"]
        assert (rows[1].before["state"], rows[1].after["state"]) == ("requested", "approved")

    async def test_has_refusals_too(self, desk: Desk) -> None:
        await desk.reject((await desk.request()).id)
        rows = await desk.rows("SELECT action FROM audit_event WHERE target_type = 'approval' ORDER BY seq")
        assert [row.action for row in rows] == ["approval.requested", "approval.rejected"]
