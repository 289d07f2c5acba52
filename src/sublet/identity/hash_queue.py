"""Whose password is looked at next: a few at a time, so many waiting, and each origin in its turn.

Each takes 46 MiB and a core for a moment. The event loop only hands them to threads, which give way to it, so that
whoever signs in by the hundred keeps nobody from anything else.
"""

import asyncio
import os
import threading
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

from sublet.identity.errors import PasswordsWait, TooManyAttempts

SHARE = 4
"""An origin has one place of so many."""
RETRY_SECONDS = 2
GIVES_WAY = 5
"""How much less than the event loop's thread a thread that hashes is preferred, as `nice` counts."""

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an attempt comes from: a network, or a browser in which somebody was signed in lately (`known`)."""

    name: str
    known: bool = False


def _give_way() -> None:
    with suppress(OSError):  # where that cannot be had, hashing goes on as before
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + GIVES_WAY)


class HashQueue:
    """`at_once` passwords are looked at, and `waiting` more wait in this process; origins take turns.

    Known browsers and all others have every second turn, and a known one is not turned away because strangers fill the
    queue: as many wait beside it as its owner may have.
    """

    def __init__(self, *, waiting: int, at_once: int | None = None) -> None:
        self.waiting = waiting
        self.each = max(1, waiting // SHARE)
        self.at_once = max(2, os.cpu_count() or 1) if at_once is None else at_once
        self._free = self.at_once
        self._places: Counter[str] = Counter()
        self._strangers = 0
        self._turns: dict[bool, dict[str, deque[asyncio.Future[None]]]] = {True: {}, False: {}}
        self._known_next = True
        self._threads = ThreadPoolExecutor(self.at_once, thread_name_prefix="hash", initializer=_give_way)

    def refuse_if_full(self, origin: Origin) -> None:
        """PasswordsWait if an attempt from there would be turned away: then nothing need be looked up for it."""
        if not origin.known and self._strangers >= self.waiting:
            raise PasswordsWait(self._strangers, RETRY_SECONDS)

    @asynccontextmanager
    async def place(self, origin: Origin) -> AsyncIterator[None]:
        """A place for one attempt of an origin, which may be slowed within it; TooManyAttempts if all are taken,
        PasswordsWait if no more may wait."""
        self.refuse_if_full(origin)
        if self._places[origin.name] >= self.each:
            raise TooManyAttempts(RETRY_SECONDS)
        self._places[origin.name] += 1
        try:
            yield
        finally:
            self._places[origin.name] -= 1
            if not self._places[origin.name]:
                del self._places[origin.name]

    async def run(self, origin: Origin, work: Callable[[], R]) -> R:
        """What the work comes to, once it is the origin's turn; PasswordsWait if too many wait."""
        await self._turn(origin)
        working = asyncio.get_running_loop().run_in_executor(self._threads, work)
        working.add_done_callback(self._ended)  # also when whoever asked has gone: the core is taken until then
        return await asyncio.shield(working)

    async def _turn(self, origin: Origin) -> None:
        if self._free:
            self._free -= 1
            return
        self.refuse_if_full(origin)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns[origin.known].setdefault(origin.name, deque()).append(turn)
        self._strangers += not origin.known
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._hand_on()
            raise
        finally:
            self._strangers -= not origin.known

    def _ended(self, working: "asyncio.Future[R]") -> None:
        if not working.cancelled():
            working.exception()  # whoever asked has it, or has gone
        self._hand_on()

    def _hand_on(self) -> None:
        """Give the slot to the next origin; one that has more waiting goes to the end."""
        while turns := self._turns[self._known_next] or self._turns[not self._known_next]:
            self._known_next = turns is self._turns[False]
            name = next(iter(turns))
            waiting = turns.pop(name)
            turn = waiting.popleft()
            if waiting:
                turns[name] = waiting
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
