"""What people are told of, in tests: events that happen, and their handing out."""

from typing import Any

import httpx
from sqlalchemy import text

from sublet.core.outbox import Event, StoredEvent, publish, read_after
from sublet.notifications import notices
from tests.support.app import Web

TOP_UP = "tu_aaaaaaaaaaaaaaaa"


async def run(web: Web, statement: str, **values: Any) -> None:
    """Change something behind the application's back."""
    async with web.database.transaction() as session:
        await session.execute(text(statement), values)


async def rows(web: Web, query: str, **values: Any) -> list[Any]:
    """Rows of a query."""
    async with web.database.reading() as session:
        return list((await session.execute(text(query), values)).all())


async def who(client: httpx.AsyncClient) -> tuple[str, str]:
    """The ids of the person and of their organization."""
    me = (await client.get("/api/v1/me")).json()
    return me["user"]["id"], me["organization"]["id"]


async def member(web: Web, organization_id: str, role: str) -> httpx.AsyncClient:
    """Somebody else who is in the organization, and works there."""
    client = await web.customer()
    user_id, _ = await who(client)
    about = {"organization_id": organization_id, "user_id": user_id}
    await run(web, "INSERT INTO membership VALUES (DEFAULT, :organization_id, :user_id, :role)", **about, role=role)
    await run(web, "UPDATE user_session SET organization_id = :organization_id WHERE user_id = :user_id", **about)
    return client


async def happens(web: Web, event: Event, organization_id: str | None, *, times: int = 1) -> None:
    """The event is published, and handed to those who tell of it, so many times."""
    async with web.database.transaction() as session:
        await publish(session, event, subject="x", organization_id=organization_id)
    async with web.database.reading() as session:
        stored = [found for _, found in await read_after(session, (0, 0), everything=True)]
    for _ in range(times):
        await tell(web, next(found for found in reversed(stored) if found.type == event.type))


async def tell(web: Web, event: StoredEvent) -> None:
    """Have people told of an event, as a worker does."""
    async with web.database.transaction() as session:
        await notices.tell(session, event)


async def paid(web: Web, organization_id: str, *, purpose: str = "top_up", **columns: Any) -> None:
    """A payment of 20.00 USD, as far as its row says."""
    given = {"state": "succeeded", "payment_intent_id": "pi_x", "charge_id": "ch_x", **columns}
    await run(
        web,
        "INSERT INTO top_up (id, organization_id, requested_by, amount, currency, return_path, success_url, cancel_url,"
        " purpose, saved_card_id)"
        " VALUES (:id, :organization_id, 'somebody', 20000000, 'USD', '/billing', '/', '/', :purpose, :card)",
        id=TOP_UP,
        organization_id=organization_id,
        purpose=purpose,
        card=given.pop("saved_card_id", None),
    )
    ended = given["state"] in {"succeeded", "failed", "expired"}
    settings = ", ".join(f"{name} = :{name}" for name in given)
    ending = ", completed_at = now()" if ended else ""
    await run(web, f"UPDATE top_up SET {settings}{ending} WHERE id = :id", id=TOP_UP, **given)


async def inbox(client: httpx.AsyncClient, **params: Any) -> list[dict[str, Any]]:
    """What somebody reads in their inbox."""
    answer = await client.get("/api/v1/notices", params=params)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def titles(client: httpx.AsyncClient, **params: Any) -> list[str]:
    """What somebody was told, newest first."""
    return [item["title"] for item in await inbox(client, **params)]
