"""The audit trail: complete, bound to the act's transaction, never changed, read by operators only."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from sublet.audit.api import router as audit_router
from sublet.audit.fields import TRACK, Recorded
from sublet.audit.record import record
from sublet.core.actors import Permission, system_actor
from sublet.core.db import Database
from sublet.core.errors import Conflict
from sublet.core.http import ActorDep, SessionDep, SubletRouter
from tests.audit.people import OPERATOR, browser_of

pytestmark = pytest.mark.anyio


class Thing(Recorded):
    name: Annotated[str, TRACK]


things = SubletRouter(prefix="/things")


@things.post("/{name}", permission=Permission.ADMIN_CATALOG_MANAGE)
async def rename(actor: ActorDep, session: SessionDep, name: str) -> None:
    """Record a change of a thing, and then perhaps fail."""
    await record(session, actor, "thing.renamed", "thing", "th_1", before=Thing(name="old"), after=Thing(name=name))
    if name == "refused":
        raise Conflict("No.")


@pytest.fixture
async def browser(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with browser_of(OPERATOR, database, [audit_router, things]) as client:
        yield client


async def events(browser: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    answer = await browser.get("/api/v1/admin/audit-events", params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


class TestRecord:
    async def test_says_who_did_what_from_where_in_which_request(self, browser: httpx.AsyncClient) -> None:
        answer = await browser.post("/things/new")
        (event,) = await events(browser)
        assert event["actor"] == {
            "kind": "user",
            "user_id": "usr_operator",
            "name": "Olga",
            "role": "owner",
            "platform_roles": ["finance"],
            "organization_id": "org_operators",
            "session_id": "ses_operator",
            "token_id": None,
        }
        assert (event["action"], event["target"]) == ("thing.renamed", {"type": "thing", "id": "th_1"})
        assert (event["before"], event["after"]) == ({"name": "old"}, {"name": "new"})
        assert event["address"] == "203.0.113.7"
        assert event["request_id"] == answer.headers["x-request-id"]

    async def test_is_undone_with_the_act(self, browser: httpx.AsyncClient) -> None:
        assert (await browser.post("/things/refused")).status_code == 409
        assert await events(browser) == []

    async def test_of_sublet_itself_needs_no_request(self, database: Database, browser: httpx.AsyncClient) -> None:
        async with database.transaction() as session:
            await record(session, system_actor("reconciler"), "thing.seen", "thing", "th_2", organization_id="org_x")
        (event,) = await events(browser)
        assert (event["actor"]["kind"], event["actor"]["name"]) == ("system", "reconciler")
        assert (event["actor"]["organization_id"], event["request_id"], event["before"]) == ("org_x", None, None)


class TestTable:
    @pytest.mark.parametrize(
        "change", ["UPDATE audit_event SET action = 'a.b'", "DELETE FROM audit_event", "TRUNCATE audit_event"]
    )
    async def test_cannot_be_changed_by_the_application(
        self, database: Database, browser: httpx.AsyncClient, change: str
    ) -> None:
        await browser.post("/things/new")
        with pytest.raises(DBAPIError, match="permission denied"):
            async with database.transaction() as session:
                await session.execute(text(change))

    @pytest.mark.parametrize(
        "change", ["UPDATE audit_event SET action = 'a.b'", "DELETE FROM audit_event", "TRUNCATE audit_event"]
    )
    async def test_cannot_be_changed_by_the_owner_by_accident(
        self, owner_url: str, browser: httpx.AsyncClient, change: str
    ) -> None:
        await browser.post("/things/new")
        owner = Database(owner_url, pool_size=1, role="sublet_owner")
        try:
            with pytest.raises(DBAPIError, match="append-only"):
                async with owner.transaction() as session:
                    await session.execute(text(change))
        finally:
            await owner.close()
        assert len(await events(browser)) == 1


class TestReading:
    async def test_is_newest_first_and_in_pages(self, browser: httpx.AsyncClient) -> None:
        for number in range(5):
            await browser.post(f"/things/n{number}")
        seen: list[str] = []
        cursor: str | None = None
        for _ in range(3):
            query: dict[str, str | int] = {"limit": 2, **({"cursor": cursor} if cursor else {})}
            page = (await browser.get("/api/v1/admin/audit-events", params=query)).json()
            seen += [event["after"]["name"] for event in page["items"]]
            cursor = page["next_cursor"]
        assert (seen, cursor) == (["n4", "n3", "n2", "n1", "n0"], None)

    async def test_finds_by_target_actor_action_and_organization(
        self, database: Database, browser: httpx.AsyncClient
    ) -> None:
        async with database.transaction() as session:
            await record(session, OPERATOR, "node.cordoned", "node", "nd_1")
            other = replace(OPERATOR, user_id="usr_other", organization_id="org_other")
            await record(session, other, "node.added", "node", "nd_2")

        async def found(**query: str) -> list[str]:
            return [event["target"]["id"] for event in await events(browser, **query)]

        assert await found(target_type="node") == ["nd_2", "nd_1"]
        assert await found(target_type="node", target_id="nd_1") == ["nd_1"]
        assert await found(actor="usr_other") == ["nd_2"]
        assert await found(action="node.cordoned") == ["nd_1"]
        assert await found(organization_id="org_other") == ["nd_2"]
        assert await found(actor="usr_nobody") == []

    async def test_needs_the_permission(self, database: Database) -> None:
        customer = replace(OPERATOR, permissions=frozenset({Permission.ACCOUNT_READ}))
        async with browser_of(customer, database, [audit_router]) as client:
            answer = await client.get("/api/v1/admin/audit-events")
        assert (answer.status_code, answer.json()["permission"]) == (403, "admin.audit:read")

    @pytest.mark.parametrize("cursor", ["x", "W10", "WzFd.", "WyJhIl0", "Wzk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OV0"])
    async def test_refuses_or_survives_a_cursor_of_somebody_elses_making(
        self, browser: httpx.AsyncClient, cursor: str
    ) -> None:
        answer = await browser.get("/api/v1/admin/audit-events", params={"cursor": cursor})
        assert answer.status_code in {200, 422}
