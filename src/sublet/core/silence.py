"""A database that is there and says nothing: who waits for it gets an answer in time.

A server that is gone ends its connections, and the driver tells. One that hangs, or to which no packet comes through,
ends nothing: whoever asked it waits for ever. So when a session has been open for long, a new connection knocks. A
server that is only slow opens, or says why not; one that does neither counts as gone.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from sublet.core import telemetry

log = telemetry.get_logger(__name__)

PATIENCE_SECONDS = 2.5
"""How long a session may be open before somebody knocks, and how long each knock waits for an answer."""

KNOCKS = 2
"""How many must stay unanswered: one alone may have been missed by a process that was itself busy for long."""


class Watch:
    """Knocks while sessions stay open for long, and calls `on_silence` when nobody opens."""

    def __init__(
        self, conninfo: str, on_silence: Callable[[], None], *, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._conninfo = conninfo
        self._on_silence = on_silence
        self._patience_seconds = patience_seconds
        self._open: dict[object, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._knocking: asyncio.Task[None] | None = None

    @contextmanager
    def over(self) -> Iterator[None]:
        """Watch over a session, from before it has a connection."""
        loop = asyncio.get_running_loop()
        session = object()
        self._open[session] = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(self._patience_seconds, self._look)
        try:
            yield
        finally:
            del self._open[session]
            if not self._open:
                self.stop()

    def stop(self) -> None:
        """Look no more, until the next session."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._knocking is not None:
            self._knocking.cancel()
            self._knocking = None

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        overdue = loop.time() - min(self._open.values()) >= self._patience_seconds
        if overdue and (self._knocking is None or self._knocking.done()):
            self._knocking = loop.create_task(self._knock())
        self._timer = loop.call_later(self._patience_seconds, self._look)

    async def _knock(self) -> None:
        for _ in range(KNOCKS):
            try:
                async with asyncio.timeout(self._patience_seconds):
                    await (await psycopg.AsyncConnection.connect(self._conninfo)).close()
            except TimeoutError:
                continue
            except psycopg.Error:
                pass  # it refuses, or is gone: either way those who wait for it are told
            return
        log.error("database.silent", open_sessions=len(self._open))
        self._on_silence()
