"""Events of tests, and channels to follow them on."""

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

import httpx
import websockets

from sublet.core import telemetry
from sublet.core.outbox import Event, publish
from tests.support.app import Web

DEADLINE = 10.0


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


def open_channels() -> float:
    """How many events channels this process serves."""
    return telemetry.open_websockets.labels("events")._value.get()


async def until(holds: Callable[[], object]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(DEADLINE):
        while not holds():
            await asyncio.sleep(0.02)
