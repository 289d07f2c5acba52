"""Whose password is looked at next: a few at a time, so many waiting, and each origin in its turn.

Who is slowed waits outside, in no place of the queue: so whoever is slowed often takes no place from others.
Each takes 46 MiB and a core for a moment. The event loop only hands them to threads, which give way to it, so that
whoever signs in by the hundred keeps nobody from anything else.
"""

import asyncio
import os
import threading
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

from sublet.identity.errors import PasswordsWait, TooManyAttempts

SHARE = 4
"""An origin has one place of so many."""
SLOWED_EACH = 4
"""So many attempts from one address are slowed at a time."""
SLOWED_AT_ONCE = 1024
"""So many of all addresses, in this process."""
RETRY_SECONDS = 2
GIVES_WAY = 5
"""How much less than the event loop's thread a thread that hashes is preferred, as `nice` counts."""

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an attempt comes from: a network, or a browser in which somebody was signed in lately (`known`)."""

    name: str
    known: bool = False


@contextmanager
def _counted(counts: Counter[str], name: str) -> Iterator[None]:
    counts[name] += 1
    try:
        yield
    finally:
        counts[name] -= 1
        if not counts[name]:
            del counts[name]


def _give_way() -> None:
    with suppress(OSError):  # where that cannot be had, hashing goes on as before
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + GIVES_WAY)


class HashQueue:
    """`at_once` passwords are looked at, and `waiting` more wait in this process; origins take turns.

    Known browsers and all others have every second turn, and a known one is not turned away because strangers fill the
    queue: as many wait beside it as its owner may have. Where it is full, whoever comes takes the place of the last of
    the origin of which most wait, if those are more than there would be of its own.
    """

    def __init__(self, *, waiting: int, at_once: int | None = None) -> None:
        self.waiting = waiting
        self.each = max(1, waiting // SHARE)
        self.at_once = max(2, os.cpu_count() or 1) if at_once is None else at_once
        self._free = self.at_once
        self._places: Counter[str] = Counter()
        self._slowed: Counter[str] = Counter()
        self._strangers = 0
        self._turns: dict[bool, dict[str, deque[asyncio.Future[None]]]] = {True: {}, False: {}}
        self._known_next = True
        self._threads = ThreadPoolExecutor(self.at_once, thread_name_prefix="hash", initializer=_give_way)

    def refuse_if_full(self, origin: Origin) -> None:
        """PasswordsWait if an attempt from there would be turned away: then nothing need be looked up for it."""
        if not origin.known and self._strangers >= self.waiting and self._fullest_beyond(origin) is None:
            raise PasswordsWait(self._strangers, RETRY_SECONDS)

    async def slow(self, whose: str, seconds: float) -> None:
        """Hold an attempt of an address, or of a known browser's owner, back; TooManyAttempts if as many of it are held
        back, PasswordsWait if of all."""
        if not seconds:
            return
        if self._slowed[whose] >= SLOWED_EACH:
            raise TooManyAttempts(RETRY_SECONDS)
        if self._slowed.total() >= SLOWED_AT_ONCE:
            raise PasswordsWait(self._slowed.total(), RETRY_SECONDS)
        with _counted(self._slowed, whose):
            await asyncio.sleep(seconds)

    @asynccontextmanager
    async def place(self, origin: Origin) -> AsyncIterator[None]:
        """A place for one attempt of an origin; TooManyAttempts if all are taken, PasswordsWait if no more may wait."""
        self.refuse_if_full(origin)
        if self._places[origin.name] >= self.each:
            raise TooManyAttempts(RETRY_SECONDS)
        with _counted(self._places, origin.name):
            yield

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
        if not origin.known and self._strangers >= self.waiting:
            self._turn_away_last_of(self._fullest_beyond(origin))
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

    def _fullest_beyond(self, origin: Origin) -> str | None:
        """The stranger of which most wait, if those are more than of `origin` with one more."""
        waiting = {name: sum(not turn.done() for turn in turns) for name, turns in self._turns[False].items()}
        most = max(waiting, key=waiting.__getitem__, default=None)
        return most if most is not None and waiting[most] > waiting.get(origin.name, 0) + 1 else None

    def _turn_away_last_of(self, name: str | None) -> None:
        if name is not None:
            last = next(turn for turn in reversed(self._turns[False][name]) if not turn.done())
            last.set_exception(PasswordsWait(self._strangers, RETRY_SECONDS))

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
