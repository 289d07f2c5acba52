"""Events of tests, and channels to follow them on."""

from functools import partial
from typing import Any, ClassVar

import httpx
import websockets

from sublet.core import telemetry
from sublet.core.outbox import Event, parse_cursor, publish
from sublet.notifications.api import EVENT_HUB
from tests.support.app import Web
from tests.support.waiting import until_async

DEADLINE = 10.0
until = partial(until_async, "the hub and its channels", seconds=DEADLINE)


class ThingHappened(Event):
    """An event that only these tests publish."""

    type: ClassVar[str] = "test.happened"
    number: int
    weight: str = ""


async def organization_of(client: httpx.AsyncClient) -> str:
    return str((await client.get("/api/v1/me")).json()["organization"]["id"])


def connect(web: Web, client: httpx.AsyncClient, **options: Any) -> websockets.connect:
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    arguments: dict[str, Any] = {
        "origin": web.url,
        "subprotocols": ["sublet.events.v1"],
        "additional_headers": {"Cookie": cookie},
        "max_queue": None,  # else a client that stops reading does not see the answer to its closing
        **options,
    }
    return websockets.connect(web.url.replace("http", "ws") + "/api/v1/events", **arguments)


async def happen(web: Web, organization: str | None, number: int, *, wake: bool = True) -> None:
    async with web.database.transaction() as session:
        await publish(session, ThingHappened(number=number), subject="x", organization_id=organization, wake=wake)


async def newcomer(web: Web) -> httpx.AsyncClient:
    """A customer whose sign-up has been handed out already, so that nobody who follows hears of it."""
    client = await web.customer()
    signed_up = (await client.get("/api/v1/events", params={"after": "1-1"})).json()["items"][-1]
    await until(lambda: web.parts[EVENT_HUB].cursor >= (parse_cursor(signed_up["id"]) or (0, 0)))
    return client


def open_channels() -> float:
    """How many events channels this process serves."""
    return telemetry.open_websockets.labels("events")._value.get()
