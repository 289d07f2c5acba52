"""The events channel: nothing is lost, nothing is foreign, and it ends with its session."""

import asyncio
import json
from typing import Any, ClassVar

import httpx
import pytest
import websockets
from tests.support.app import Web

from sublet.core.outbox import Event, publish

pytestmark = pytest.mark.anyio

DEADLINE = 10.0


class ThingHappened(Event):
    """An event that only these tests publish."""

    type: ClassVar[str] = "test.happened"
    number: int


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


async def numbers(socket: websockets.ClientConnection, count: int) -> list[int]:
    received: list[int] = []
    async with asyncio.timeout(DEADLINE):
        while len(received) < count:
            message = json.loads(await socket.recv())
            if message["type"] == "test.happened":
                received.append(message["data"]["number"])
    return received


class TestEventsChannel:
    async def test_follows_the_organizations_events_only(self, web: Web) -> None:
        mine, other = await web.customer(), await web.customer()
        async with connect(web, mine) as socket:
            await socket.send('{"after": null}')
            await happen(web, await organization_of(other), 1)
            await happen(web, None, 2)
            await happen(web, await organization_of(mine), 3)
            assert await numbers(socket, 1) == [3]

    async def test_an_operator_sees_the_platforms_events(self, web: Web) -> None:
        operator = await web.operator()
        async with connect(web, operator) as socket:
            await socket.send('{"after": null}')
            await happen(web, None, 7)
            assert await numbers(socket, 1) == [7]

    async def test_no_gap_after_reconnecting_under_concurrent_writers(self, web: Web) -> None:
        client = await web.customer()
        organization = await organization_of(client)
        start = (await client.get("/api/v1/events")).json()["next_cursor"]
        total, seen, after = 160, set(), start

        async def write(worker: int) -> None:
            for number in range(worker, total, 8):
                await happen(web, organization, number, wake=number % 3 == 0)

        writers = asyncio.gather(*(write(worker) for worker in range(8)))
        async with asyncio.timeout(30):
            while len(seen) < total:
                async with connect(web, client) as socket:
                    await socket.send(json.dumps({"after": after}))
                    for _ in range(25):  # then the connection is dropped and resumed from the last event's id
                        message = json.loads(await socket.recv())
                        after = message["id"]
                        if message["type"] == "test.happened":
                            assert message["data"]["number"] not in seen, "an event came twice"
                            seen.add(message["data"]["number"])
                        if len(seen) == total:
                            break
        await writers
        assert seen == set(range(total))

    async def test_programs_read_the_same_by_page(self, web: Web) -> None:
        client = await web.customer()
        organization = await organization_of(client)
        cursor = (await client.get("/api/v1/events")).json()["next_cursor"]
        for number in range(5):
            await happen(web, organization, number)
        read: list[int] = []
        while page := (await client.get("/api/v1/events", params={"after": cursor, "limit": 2})).json():
            if not page["items"]:
                break
            read += [item["data"]["number"] for item in page["items"]]
            cursor = page["next_cursor"]
        assert read == list(range(5))

    @pytest.mark.parametrize("origin", [None, "null", "http://evil.test"])
    async def test_a_foreign_missing_or_null_origin_is_refused(self, web: Web, origin: str | None) -> None:
        client = await web.customer()
        with pytest.raises(websockets.InvalidStatus) as refused:
            await connect(web, client, origin=origin).__aenter__()
        assert refused.value.response.status_code == 403

    async def test_nobody_is_closed_as_unauthenticated(self, web: Web) -> None:
        async with connect(web, web.client()) as socket:
            with pytest.raises(websockets.ConnectionClosed):
                await socket.recv()
            assert socket.close_code == 4401

    async def test_an_unknown_cursor_asks_to_read_again(self, web: Web) -> None:
        async with connect(web, await web.customer()) as socket:
            await socket.send('{"after": "nonsense"}')
            with pytest.raises(websockets.ConnectionClosed):
                await socket.recv()
            assert socket.close_code == 4410

    async def test_ends_within_five_seconds_of_signing_out(self, web: Web) -> None:
        client = await web.customer()
        async with connect(web, client) as socket:
            await socket.send('{"after": null}')
            assert (await client.post("/api/v1/auth/logout")).status_code == 204
            async with asyncio.timeout(5):
                await socket.wait_closed()
            assert socket.close_code == 4401


class TestAsyncApi:
    async def test_lists_every_event_with_its_schema(self, web: Web) -> None:
        document = (await web.client().get("/asyncapi.json")).json()
        assert document["asyncapi"] == "3.0.0"
        names = {message["name"] for message in document["components"]["messages"].values()}
        assert {"allocation.active", "wallet.changed", "operation.progressed", "top_up.succeeded"} <= names
