"""One reader of the outbox per process, which hands each event to the subscribers it concerns.

The hub reads below the oldest running transaction (`core.outbox`), so no event is ever skipped. NOTIFY only wakes it;
a poll every second covers a lost connection. A subscriber that does not keep up is cut off rather than buffered.
"""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

import psycopg

from sublet.core import telemetry
from sublet.core.crashes import message_of
from sublet.core.db import Database
from sublet.core.outbox import CHANNEL, StoredEvent, latest_cursor, read_after

log = telemetry.get_logger(__name__)

Cursor = tuple[int, int]
POLL_SECONDS = 1.0
RETRY_SECONDS = 1.0
QUEUE_SIZE = 512


@dataclass(eq=False)
class Subscriber:
    """One open channel: what it may see, and a bounded queue of what it has not sent yet."""

    organization_id: str | None
    platform: bool
    queue: "asyncio.Queue[tuple[Cursor, StoredEvent]]" = field(default_factory=lambda: asyncio.Queue(QUEUE_SIZE))
    too_slow: asyncio.Event = field(default_factory=asyncio.Event)

    def concerns(self, event: StoredEvent) -> bool:
        """Whether the event is for this subscriber: its own organization's, or the platform's for operators."""
        if event.organization_id is None:
            return self.platform
        return event.organization_id == self.organization_id


class EventHub:
    """Reads the outbox once for all subscribers of this process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._subscribers: set[Subscriber] = set()
        self._channels: Counter[str] = Counter()
        self._cursor: Cursor = (0, 0)
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def cursor(self) -> Cursor:
        """Everything up to here has been handed out."""
        return self._cursor

    async def start(self) -> None:
        """Begin at the present end of the stream."""
        async with self._database.reading() as session:
            self._cursor = await latest_cursor(session)
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._follow())]

    async def stop(self) -> None:
        """End the reader; subscribers are left to close by themselves."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def enter(self, person: str, *, most: int) -> bool:
        """Count one more channel of a person until `leave`; False, and nothing is counted, if the person has `most`."""
        if self._channels[person] >= most:
            return False
        self._channels[person] += 1
        return True

    def leave(self, person: str) -> None:
        """One channel less."""
        self._channels[person] -= 1
        if self._channels[person] <= 0:
            del self._channels[person]

    def subscribe(self, *, organization_id: str | None, platform: bool) -> tuple[Subscriber, Cursor]:
        """Register; events after the returned cursor will arrive in the queue, earlier ones are in the outbox."""
        subscriber = Subscriber(organization_id, platform)
        self._subscribers.add(subscriber)
        return subscriber, self._cursor

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Forget the subscriber."""
        self._subscribers.discard(subscriber)

    async def _listen(self) -> None:
        url = self._database.pool.url.set(drivername="postgresql").render_as_string(hide_password=False)
        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
                async with connection:
                    await connection.execute(f"LISTEN {CHANNEL}".encode())
                    async for _ in connection.notifies():
                        self._wake.set()
            except psycopg.Error as error:
                log.warning("events.listen_failed", error=message_of(error))
            await asyncio.sleep(RETRY_SECONDS)

    async def _follow(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), POLL_SECONDS)
            self._wake.clear()
            try:
                await self._read()
            except Exception as error:  # the database may be away; the stream goes on from the same place
                log.warning("events.read_failed", error=message_of(error))
                await asyncio.sleep(RETRY_SECONDS)

    async def _read(self) -> None:
        while True:
            async with self._database.reading() as session:
                events = await read_after(session, self._cursor, everything=True, limit=500)
            for cursor, event in events:
                self._cursor = cursor
                self._hand_out(cursor, event)
            if len(events) < 500:
                return

    def _hand_out(self, cursor: Cursor, event: StoredEvent) -> None:
        for subscriber in self._subscribers:
            if subscriber.concerns(event):
                try:
                    subscriber.queue.put_nowait((cursor, event))
                except asyncio.QueueFull:
                    subscriber.too_slow.set()
