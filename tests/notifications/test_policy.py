"""What an events channel may: heartbeats both ways, the silence that ends it, and how much it may hold or ask for."""

import asyncio
import json

import pytest
import websockets

from sublet.core.outbox import publish
from sublet.notifications import hub
from sublet.notifications.api import EVENT_HUB, EVENTS_POLICY
from sublet.notifications.policy import EventsPolicy
from tests.notifications.channels import (
    DEADLINE,
    ThingHappened,
    connect,
    happen,
    newcomer,
    open_channels,
    organization_of,
    until,
)
from tests.support.app import Web

pytestmark = pytest.mark.anyio

FOLLOW = '{"after": null}'
BEAT = '{"type": "heartbeat"}'


async def close_code(channel: websockets.ClientConnection) -> tuple[int | None, str]:
    async with asyncio.timeout(DEADLINE):
        await channel.wait_closed()
    return channel.close_code, channel.close_reason or ""


class TestHeartbeats:
    def test_come_every_twenty_seconds_and_three_may_be_missed(self) -> None:
        assert EventsPolicy().heartbeat_seconds == 20
        assert 60 < EventsPolicy().silence_seconds < 80

    async def test_are_sent_when_nothing_happens(self, web: Web) -> None:
        web.parts.put(EVENTS_POLICY, EventsPolicy(heartbeat_seconds=0.05))
        async with connect(web, await newcomer(web)) as channel:
            await channel.send(FOLLOW)
            async with asyncio.timeout(DEADLINE):
                assert [json.loads(await channel.recv()) for _ in range(3)] == [{"type": "heartbeat"}] * 3

    async def test_of_the_client_keep_the_channel_open_and_their_absence_ends_it(self, web: Web) -> None:
        policy = EventsPolicy(heartbeat_seconds=0.1, silence_seconds=0.6, recheck_seconds=0.05)
        web.parts.put(EVENTS_POLICY, policy)
        async with connect(web, await newcomer(web)) as channel:
            await channel.send(FOLLOW)
            async with asyncio.timeout(DEADLINE):
                for _ in range(12):  # twice the silence that is borne
                    assert json.loads(await channel.recv())["type"] == "heartbeat"
                    await channel.send(BEAT)
            assert await close_code(channel) == (1001, "no heartbeat")


class TestLimits:
    async def test_a_client_that_says_nothing_at_first_is_closed(self, web: Web) -> None:
        web.parts.put(EVENTS_POLICY, EventsPolicy(first_message_seconds=0.1))
        async with connect(web, await web.customer()) as channel:
            assert (await close_code(channel))[0] == 1008

    async def test_one_that_missed_too_much_is_told_to_read_again(self, web: Web) -> None:
        web.parts.put(EVENTS_POLICY, EventsPolicy(replay_events=4, replay_page=2))
        client = await web.customer()
        organization = await organization_of(client)
        cursor = (await client.get("/api/v1/events")).json()["next_cursor"]
        for number in range(6):
            await happen(web, organization, number)
        last = (await client.get("/api/v1/events", params={"after": cursor})).json()["next_cursor"]
        await until(lambda: web.parts[EVENT_HUB].cursor >= tuple(int(part) for part in last.split("-")))
        async with connect(web, client) as channel:
            await channel.send(json.dumps({"after": cursor}))
            assert (await close_code(channel))[0] == 4410

    async def test_one_that_reads_more_slowly_than_things_happen_is_cut_off(
        self, web: Web, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hub, "QUEUE_SIZE", 1)
        web.parts.put(EVENTS_POLICY, EventsPolicy(recheck_seconds=0.05))
        client = await web.customer()
        organization = await organization_of(client)
        async with connect(web, client) as channel:
            await channel.send(FOLLOW)
            await until(lambda: open_channels() == 1)
            await until(lambda: web.parts[EVENT_HUB]._subscribers)
            async with web.database.transaction() as session:  # together, so that they arrive together
                for number in range(20):
                    await publish(session, ThingHappened(number=number), subject="x", organization_id=organization)
            assert await close_code(channel) == (4408, "events arrive faster than they are read")

    async def test_a_person_has_so_many_channels_and_another_is_not_touched_by_it(self, web: Web) -> None:
        assert EventsPolicy().channels_per_person == 50
        web.parts.put(EVENTS_POLICY, EventsPolicy(channels_per_person=2))
        mine, other = await web.customer(), await web.customer()
        async with connect(web, mine) as first, connect(web, mine):
            await until(lambda: open_channels() == 2)
            async with connect(web, mine) as third:
                assert (await close_code(third))[0] == 4429
            async with connect(web, other):
                await until(lambda: open_channels() == 3)
            await until(lambda: open_channels() == 2)
            await first.close()
            await until(lambda: open_channels() == 1)
            async with connect(web, mine):
                await until(lambda: open_channels() == 2)
        await until(lambda: open_channels() == 0)

    async def test_are_documented_with_their_close_codes(self, web: Web) -> None:
        document = (await web.client().get("/asyncapi.json")).json()
        for code in ("1001", "1008", "4401", "4403", "4408", "4410", "4429"):
            assert code in document["info"]["description"]
