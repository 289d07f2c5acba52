"""Turns at the database: each organization has a share of the connections for its changes, and all together leave some
for who only reads and for finding out who asks, so that none keeps another from seeing what is theirs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakKeyDictionary, WeakValueDictionary

from sublet.core.db import Database
from sublet.core.errors import SubletError

SHARE = 4
"""An organization has one connection of so many for what it changes."""
RESERVE = 4
"""One connection of so many is never waited on by a change."""
LONGEST_WAIT_SECONDS = 10.0

_turns: WeakKeyDictionary[Database, WeakValueDictionary[str, asyncio.Semaphore]] = WeakKeyDictionary()
_changes: WeakKeyDictionary[Database, asyncio.Semaphore] = WeakKeyDictionary()


class TooMuchAtOnce(SubletError):
    """As many changes are under way as one organization, or all of them, may have at a time, and none ended in time."""

    code = "too_much_at_once"
    status = 503
    title = "Too much is under way at once"


@asynccontextmanager
async def turn(database: Database, whose: str) -> AsyncIterator[None]:
    """One of the connections that an organization may change something with; TooMuchAtOnce if none becomes free."""
    async with AsyncExitStack() as taken:
        try:
            async with asyncio.timeout(LONGEST_WAIT_SECONDS):
                waits_for = "Other changes of your organization are under way and wait for each other."
                await taken.enter_async_context(_share_of(database, whose))
                waits_for = "More changes are under way than this server does at a time."
                await taken.enter_async_context(_all_changes(database))
        except TimeoutError:
            raise TooMuchAtOnce(
                f"{waits_for} This one was not begun, and nothing was changed. Try again in a moment."
            ) from None
        yield


def _share_of(database: Database, whose: str) -> asyncio.Semaphore:
    of_database = _turns.setdefault(database, WeakValueDictionary())
    share = of_database.get(whose)
    if share is None:
        share = of_database[whose] = asyncio.Semaphore(max(1, database.connections // SHARE))
    return share


def _all_changes(database: Database) -> asyncio.Semaphore:
    changes = _changes.get(database)
    if changes is None:
        kept = max(1, database.connections // RESERVE)
        changes = _changes[database] = asyncio.Semaphore(max(1, database.connections - kept))
    return changes
