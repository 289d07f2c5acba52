"""WS /events: replay what was missed, then follow; heartbeats both ways; ends with the session that opened it."""

import asyncio
import time

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.websockets import WebSocket, WebSocketDisconnect

from sublet.core import telemetry, websockets
from sublet.core.actors import Actor, Permission
from sublet.core.db import Database
from sublet.core.outbox import is_gapless, parse_cursor, read_after
from sublet.core.websockets import Door
from sublet.notifications.hub import Cursor, EventHub, Subscriber
from sublet.notifications.policy import EventsPolicy
from sublet.notifications.schemas import Heartbeat, Subscribe

log = telemetry.get_logger(__name__)

SUBPROTOCOL = "sublet.events.v1"


class _Ended(Exception):
    """The channel is to be closed with this code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


def sees_platform(actor: Actor) -> bool:
    """Whether the actor is an operator, who also sees the platform's events."""
    return actor.can(Permission.ADMIN_NODE_READ)


async def serve_events(websocket: WebSocket, door: Door, hub: EventHub, policy: EventsPolicy) -> None:
    """Run one events channel until either side ends it."""
    actor = await door.admit(websocket, subprotocol=SUBPROTOCOL, permission=Permission.EVENTS_READ)
    if actor is None:
        return
    subscriber: Subscriber | None = None
    person = actor.user_id or ""
    if not hub.enter(person, most=policy.channels_per_person):
        reason = f"{policy.channels_per_person} channels are open for you, which is the most; close one"
        await websockets.close(websocket, websockets.TOO_MANY, reason)
        return
    telemetry.open_websockets.labels("events").inc()
    try:
        after = await _first_message(websocket, policy)
        subscriber, start = hub.subscribe(organization_id=actor.organization_id, platform=sees_platform(actor))
        heard = _Heard()
        async with asyncio.TaskGroup() as tasks:
            # The replay is watched too: a client that reads it slowly, or not at all, must not outlast its sign-in.
            tasks.create_task(
                _send(websocket, door.database, actor, subscriber, after=after, start=start, policy=policy)
            )
            tasks.create_task(_receive(websocket, heard))
            tasks.create_task(_watch(actor, door, heard, subscriber, policy=policy))
    except* _Ended as ended:
        first = ended.exceptions[0]
        assert isinstance(first, _Ended)
        await websockets.close(websocket, first.code, first.reason)
    except* SQLAlchemyError as failed:
        log.warning("events.database_away", error=type(failed.exceptions[0]).__name__)
        await websockets.close(websocket, websockets.GOING_AWAY, "the database does not answer; connect again")
    except* (WebSocketDisconnect, RuntimeError):
        pass  # the client left; there is nobody to tell
    finally:
        telemetry.open_websockets.labels("events").dec()
        hub.leave(person)
        if subscriber is not None:
            hub.unsubscribe(subscriber)


class _Heard:
    """When the client was last heard of."""

    def __init__(self) -> None:
        self.at = time.monotonic()


async def _first_message(websocket: WebSocket, policy: EventsPolicy) -> Cursor | None:
    try:
        text = await asyncio.wait_for(websocket.receive_text(), policy.first_message_seconds)
        message = Subscribe.model_validate_json(text)
    except (TimeoutError, ValidationError, KeyError):
        raise _Ended(1008, 'the first message is {"after": id or null}') from None
    if message.after is None:
        return None
    cursor = parse_cursor(message.after)
    if cursor is None:
        raise _Ended(websockets.WINDOW_PASSED, "this cursor is not known; read again and subscribe with null")
    return cursor


async def _replay(
    websocket: WebSocket, database: Database, actor: Actor, after: Cursor, until: Cursor, *, policy: EventsPolicy
) -> None:
    """Send what lies between the client's cursor and the place where the live queue begins."""
    async with database.reading() as session:
        if not await is_gapless(session, after):
            raise _Ended(websockets.WINDOW_PASSED, "what was missed is not kept; read again and subscribe with null")
    sent = 0
    while after < until:
        async with database.reading() as session:
            events = await read_after(
                session,
                after,
                organization_id=actor.organization_id or "",
                platform=sees_platform(actor),
                limit=policy.replay_page,
            )
        for cursor, event in events:
            if cursor > until:
                return
            await websocket.send_text(event.model_dump_json())
            after = cursor
        sent += len(events)
        if sent > policy.replay_events:
            raise _Ended(websockets.WINDOW_PASSED, "too much was missed; read again and subscribe with null")
        if len(events) < policy.replay_page:
            return


async def _send(
    websocket: WebSocket,
    database: Database,
    actor: Actor,
    subscriber: Subscriber,
    *,
    after: Cursor | None,
    start: Cursor,
    policy: EventsPolicy,
) -> None:
    if after is not None:
        await _replay(websocket, database, actor, after, start, policy=policy)
    beat = Heartbeat().model_dump_json()
    while True:
        try:
            cursor, event = await asyncio.wait_for(subscriber.queue.get(), policy.heartbeat_seconds)
        except TimeoutError:
            await websocket.send_text(beat)
        else:
            # A client that was connected to another web process may have seen later events than our hub has read.
            if after is None or cursor > after:
                await websocket.send_text(event.model_dump_json())


async def _receive(websocket: WebSocket, heard: _Heard) -> None:
    while True:
        try:
            Heartbeat.model_validate_json(await websocket.receive_text())
        except (ValidationError, KeyError):  # KeyError: bytes instead of text
            raise _Ended(1008, "only heartbeats are expected here") from None
        heard.at = time.monotonic()


async def _watch(actor: Actor, door: Door, heard: _Heard, subscriber: Subscriber, *, policy: EventsPolicy) -> None:
    while True:
        try:
            await asyncio.wait_for(door.stopping.wait(), policy.recheck_seconds)
            raise _Ended(websockets.GOING_AWAY, "Sublet is restarting; connect again")
        except TimeoutError:
            pass
        if subscriber.too_slow.is_set():
            raise _Ended(websockets.TOO_SLOW, "events arrive faster than they are read")
        if time.monotonic() - heard.at > policy.silence_seconds:
            raise _Ended(websockets.GOING_AWAY, "no heartbeat")
        if not await door.alive(actor):
            raise _Ended(websockets.UNAUTHENTICATED, "the session has ended")
