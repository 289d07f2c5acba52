"""The events channel: nothing is lost, nothing is foreign, and it ends with its session."""

import asyncio
import json
import socket

import httpx
import pytest
import websockets
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from sublet.core.app import ALIVE
from sublet.core.outbox import parse_cursor, publish
from sublet.core.websockets import WINDOW_PASSED
from sublet.notifications.api import EVENT_HUB
from sublet.notifications.hub import EventHub
from tests.notifications.channels import (
    DEADLINE,
    ThingHappened,
    connect,
    happen,
    open_channels,
    organization_of,
    until,
)
from tests.support.app import Web

pytestmark = pytest.mark.anyio


async def numbers(channel: websockets.ClientConnection, count: int) -> list[int]:
    received: list[int] = []
    async with asyncio.timeout(DEADLINE):
        while len(received) < count:
            message = json.loads(await channel.recv())
            if message["type"] == "test.happened":
                received.append(message["data"]["number"])
    return received


class TestEventsChannel:
    async def test_follows_the_organizations_events_only(self, web: Web) -> None:
        mine, other = await web.customer(), await web.customer()
        async with connect(web, mine) as channel:
            await channel.send('{"after": null}')
            await happen(web, await organization_of(other), 1)
            await happen(web, None, 2)
            await happen(web, await organization_of(mine), 3)
            assert await numbers(channel, 1) == [3]

    async def test_who_was_away_for_so_long_that_events_are_gone_is_told_to_begin_anew(self, web: Web) -> None:
        client = await web.customer()
        organization = await organization_of(client)
        before = (await client.get("/api/v1/events")).json()["next_cursor"]
        for number in range(3):
            await happen(web, organization, number)
        ids = [event["id"] for event in (await client.get("/api/v1/events", params={"after": before})).json()["items"]]
        # Events go a day later at the earliest; that some went is what is read here.
        async with web.database.transaction() as session:
            xid, number = ids[1].split("-")
            gone = {"xid": xid, "id": int(number)}
            await session.execute(text("UPDATE outbox_forgotten SET xid = CAST(:xid AS xid8), id = :id"), gone)
        for after in (before, ids[0]):
            answer = await client.get("/api/v1/events", params={"after": after})
            assert (answer.status_code, answer.json()["code"]) == (422, "cursor_too_old")
            async with connect(web, client) as channel:
                await channel.send(json.dumps({"after": after}))
                with pytest.raises(websockets.ConnectionClosed) as closed:
                    await numbers(channel, 1)
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == WINDOW_PASSED
        rest = (await client.get("/api/v1/events", params={"after": ids[1]})).json()["items"]
        assert [event["id"] for event in rest] == [ids[2]]

    async def test_an_operator_sees_the_platforms_events(self, web: Web) -> None:
        operator = await web.operator()
        async with connect(web, operator) as channel:
            await channel.send('{"after": null}')
            await happen(web, None, 7)
            assert await numbers(channel, 1) == [7]

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
                async with connect(web, client) as channel:
                    await channel.send(json.dumps({"after": after}))
                    for _ in range(25):  # then the connection is dropped and resumed from the last event's id
                        message = json.loads(await channel.recv())
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
        async with connect(web, web.client()) as channel:
            with pytest.raises(websockets.ConnectionClosed):
                await channel.recv()
            assert channel.close_code == 4401

    async def test_an_unknown_cursor_asks_to_read_again(self, web: Web) -> None:
        async with connect(web, await web.customer()) as channel:
            await channel.send('{"after": "nonsense"}')
            with pytest.raises(websockets.ConnectionClosed):
                await channel.recv()
            assert channel.close_code == 4410

    async def test_ends_within_five_seconds_of_signing_out(self, web: Web) -> None:
        client = await web.customer()
        async with connect(web, client) as channel:
            await channel.send('{"after": null}')
            assert (await client.post("/api/v1/auth/logout")).status_code == 204
            async with asyncio.timeout(5):
                await channel.wait_closed()
            assert channel.close_code == 4401

    @pytest.mark.parametrize("missed", [False, True])
    async def test_ends_soon_for_a_client_that_does_not_read(self, web: Web, missed: bool) -> None:
        client = await web.customer()
        organization = await organization_of(client)
        signed_up = (await client.get("/api/v1/events", params={"after": "1-1"})).json()

        async def weigh_down() -> None:
            async with web.database.transaction() as session:
                for number in range(100):  # more than the sockets' buffers take
                    heavy = ThingHappened(number=number, weight="x" * 100_000)
                    await publish(session, heavy, subject="x", organization_id=organization)

        hub = web.parts[EVENT_HUB]
        await until(lambda: hub.cursor >= parse_cursor(signed_up["items"][-1]["id"]))
        before = hub.cursor
        if missed:
            await weigh_down()
            await until(lambda: hub.cursor > before)
        narrow = socket.socket()
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        narrow.connect((httpx.URL(web.url).host, httpx.URL(web.url).port))
        stalling = {"sock": narrow, "max_queue": 1, "compression": None, "close_timeout": 0.2}
        async with connect(web, client, **stalling) as stalled:
            await stalled.send(json.dumps({"after": signed_up["next_cursor"] if missed else None}))
            await until(lambda: open_channels() == 1)
            if not missed:
                await weigh_down()
            assert (await client.post("/api/v1/auth/logout")).status_code == 204
            await until(lambda: open_channels() == 0)

    async def test_asks_to_come_back_when_the_database_is_away(self, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
        async def away(_actor: object) -> bool:
            raise OperationalError("SELECT", {}, OSError("gone"))

        web.parts.put(ALIVE, away)
        async with connect(web, await web.customer()) as channel:
            await channel.send('{"after": null}')
            async with asyncio.timeout(DEADLINE):
                await channel.wait_closed()
            assert channel.close_code == 1001

    @pytest.mark.parametrize("first", ['{"after": null}', None])
    async def test_a_message_that_is_none_of_the_protocol_ends_it(self, web: Web, first: str | None) -> None:
        async with connect(web, await web.customer()) as channel:
            if first is not None:
                await channel.send(first)
            await channel.send(b"bytes")
            async with asyncio.timeout(DEADLINE):
                await channel.wait_closed()
            assert channel.close_code == 1008

    async def test_a_client_that_has_read_on_elsewhere_gets_nothing_twice(
        self, web: Web, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client = await web.customer()
        organization = await organization_of(client)
        behind = EventHub(web.database)  # of a process that has not read yet what another has handed out
        web.parts.put(EVENT_HUB, behind)
        cursor = (await client.get("/api/v1/events")).json()["next_cursor"]
        await happen(web, organization, 1)
        (seen,) = (await client.get("/api/v1/events", params={"after": cursor})).json()["items"]
        async with connect(web, client) as channel:
            await channel.send(json.dumps({"after": seen["id"]}))
            await until(lambda: behind._subscribers)

            async def from_the_beginning(_session: object) -> tuple[int, int]:
                return (0, 0)

            monkeypatch.setattr("sublet.notifications.hub.latest_cursor", from_the_beginning)
            await behind.start()
            try:
                await happen(web, organization, 2)
                assert await numbers(channel, 1) == [2]
            finally:
                await behind.stop()


class TestAsyncApi:
    async def test_lists_every_event_with_its_schema(self, web: Web) -> None:
        document = (await web.client().get("/asyncapi.json")).json()
        assert document["asyncapi"] == "3.0.0"
        names = {message["name"] for message in document["components"]["messages"].values()}
        assert {"allocation.active", "wallet.changed", "operation.progressed", "top_up.succeeded"} <= names
