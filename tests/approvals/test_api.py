"""Operators see what was asked for and decide, from a browser in which they have just signed in."""

from typing import Any

import httpx
import pytest
from sqlalchemy import text

from sublet.approvals import approvals
from sublet.core.actors import Actor, Permission
from sublet.identity.operators import may_now
from tests.approvals.desk import ACT, Desk
from tests.identity.house import token_body
from tests.support.app import Web

pytestmark = pytest.mark.anyio

LIST = "/api/v1/admin/approvals"
WHY = {"reason": "I saw the smoke"}


@pytest.fixture
async def asked(desk: Desk) -> str:
    """The id of what Ada asked for."""
    return (await desk.request()).id


def reasons(one: dict[str, Any]) -> dict[str, str | None]:
    """Why each action is not to be had, by its name."""
    assert all(action["allowed"] == (action["reason"] is None) for action in one["actions"])
    return {action["name"]: action["reason"] for action in one["actions"]}


async def my_own(web: Web, client: httpx.AsyncClient) -> str:
    """An approval that the client's operator asks for."""
    me = (await client.get("/api/v1/me")).json()
    permissions = frozenset(Permission(name) for name in me["permissions"])
    actor = Actor(kind="user", user_id=me["user"]["id"], name=me["user"]["name"], permissions=permissions)
    async with web.database.transaction() as session:
        wanted = {**ACT, "subject": "al_mine", "permission": Permission.ADMIN_NODE_MANAGE}
        return (await approvals.request(session, actor, **wanted, reason="because", may_now=may_now)).id


class TestOperators:
    async def test_see_what_it_is_who_asked_and_what_they_may_do(self, web: Web, asked: str) -> None:
        operator = await web.operator("fleet")
        [one] = (await operator.get(LIST)).json()["items"]
        assert one == (await operator.get(f"{LIST}/{asked}")).json()
        assert (one["act"], one["subject"], one["parameters"]) == tuple(ACT.values())
        assert (one["requested_by"]["name"], one["reason"]) == ("Ada", "the node burnt down")
        assert (one["state"], one["decided_by"], one["used_at"]) == ("requested", None, None)
        assert reasons(one) == {"approve": None, "reject": None}

    @pytest.mark.parametrize(("decision", "state"), [("approve", "approved"), ("reject", "rejected")])
    async def test_decide_once(self, web: Web, asked: str, decision: str, state: str) -> None:
        operator = await web.operator("fleet")
        decided = (await operator.post(f"{LIST}/{asked}/{decision}", json=WHY)).json()
        assert (decided["state"], decided["decided_by"]["name"]) == (state, "Operator")
        assert reasons(decided) == dict.fromkeys(("approve", "reject"), f"It is {state} already.")
        again = await operator.post(f"{LIST}/{asked}/{decision}", json=WHY)
        assert (again.status_code, again.json()["code"]) == (409, "approval_already_decided")

    async def test_do_not_decide_on_their_own(self, web: Web) -> None:
        operator = await web.operator("fleet")
        mine = await my_own(web, operator)
        offered = reasons((await operator.get(f"{LIST}/{mine}")).json())
        assert offered == dict.fromkeys(("approve", "reject"), "Somebody else than who asked has to decide.")
        for decision in ("approve", "reject"):
            refused = await operator.post(f"{LIST}/{mine}/{decision}", json=WHY)
            assert (refused.status_code, refused.json()["code"]) == (403, "approval_needs_somebody_else")

    async def test_do_not_decide_on_what_they_may_not_do(self, web: Web, asked: str) -> None:
        operator = await web.operator("finance")
        offered = reasons((await operator.get(f"{LIST}/{asked}")).json())
        assert set(offered.values()) == {"Only somebody with the permission admin.node:manage may decide this."}
        refused = await operator.post(f"{LIST}/{asked}/approve", json=WHY)
        assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")

    async def test_who_support_see_and_do_not_decide(self, web: Web, asked: str) -> None:
        operator = await web.operator("support")
        assert (await operator.get(f"{LIST}/{asked}")).status_code == 200
        for decision in ("approve", "reject"):
            assert (await operator.post(f"{LIST}/{asked}/{decision}", json=WHY)).status_code == 403

    async def test_approve_only_when_they_have_just_signed_in(self, web: Web, asked: str) -> None:
        operator = await web.operator("fleet")
        async with web.database.transaction() as session:
            await session.execute(text("UPDATE user_session SET confirmed_at = confirmed_at - interval '6 minutes'"))
        refused = await operator.post(f"{LIST}/{asked}/approve", json=WHY)
        assert (refused.status_code, refused.json()["code"]) == (403, "fresh_sign_in_required")
        assert (await operator.post(f"{LIST}/{asked}/reject", json=WHY)).status_code == 200

    async def test_see_and_refuse_with_a_token_and_cannot_approve(self, web: Web, asked: str) -> None:
        operator = await web.operator("fleet")
        scopes = [Permission.ADMIN_APPROVAL_READ, Permission.ADMIN_APPROVAL_DECIDE, Permission.ADMIN_NODE_MANAGE]
        made = await operator.post("/api/v1/api-tokens", json=token_body(*scopes))
        async with web.client(made.json()["token"]) as program:
            assert (await program.get(f"{LIST}/{asked}")).json()["state"] == "requested"
            refused = await program.post(f"{LIST}/{asked}/approve", json=WHY)
            assert (refused.status_code, refused.json()["code"]) == (403, "fresh_sign_in_required")
            rejected = (await program.post(f"{LIST}/{asked}/reject", json=WHY)).json()
            assert (rejected["state"], rejected["decided_by"]["name"]) == ("rejected", "Operator")

    @pytest.mark.parametrize("body", [{}, {"reason": " "}, {"reason": "x" * 501}, {"reason": "x", "force": True}])
    async def test_say_why(self, web: Web, asked: str, body: dict[str, Any]) -> None:
        operator = await web.operator("fleet")
        for decision in ("approve", "reject"):
            assert (await operator.post(f"{LIST}/{asked}/{decision}", json=body)).status_code == 422

    async def test_find_by_state_and_page(self, web: Web, desk: Desk, asked: str) -> None:
        other = await desk.request(subject="al_other")
        await desk.approve(other.id)
        operator = await web.operator("support")
        [one] = (await operator.get(LIST, params={"state": "approved"})).json()["items"]
        assert one["id"] == other.id
        page = (await operator.get(LIST, params={"limit": 1})).json()
        assert [item["id"] for item in page["items"]] == [other.id]
        rest = (await operator.get(LIST, params={"limit": 1, "cursor": page["next_cursor"]})).json()
        assert ([item["id"] for item in rest["items"]], rest["next_cursor"]) == ([asked], None)
        assert (await operator.get(LIST, params={"state": "lost"})).status_code == 422

    async def test_who_look_for_nothing_find_nothing(self, web: Web) -> None:
        operator = await web.operator("fleet")
        for answer in (
            await operator.get(f"{LIST}/apr_none"),
            await operator.post(f"{LIST}/apr_none/approve", json=WHY),
            await operator.post(f"{LIST}/apr_none/reject", json=WHY),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
