"""Turns at the database: each organization has a share of the connections, so that none keeps another waiting."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary, WeakValueDictionary

from sublet.core.db import Database
from sublet.core.errors import SubletError

SHARE = 4
"""An organization has one connection of so many for what it changes."""
LONGEST_WAIT_SECONDS = 10.0

_turns: WeakKeyDictionary[Database, WeakValueDictionary[str, asyncio.Semaphore]] = WeakKeyDictionary()


class TooMuchAtOnce(SubletError):
    """As many changes of one organization are under way as it may have at a time, and none has ended in time."""

    code = "too_much_at_once"
    status = 503
    title = "Too much is under way at once"


@asynccontextmanager
async def turn(database: Database, whose: str) -> AsyncIterator[None]:
    """One of the connections that an organization may change something with; TooMuchAtOnce if none becomes free."""
    of_database = _turns.setdefault(database, WeakValueDictionary())
    share = of_database.get(whose)
    if share is None:
        share = of_database[whose] = asyncio.Semaphore(max(1, database.connections // SHARE))
    try:
        async with asyncio.timeout(LONGEST_WAIT_SECONDS):
            await share.acquire()
    except TimeoutError:
        raise TooMuchAtOnce(
            "Other changes of your organization are under way and wait for each other. This one was not begun, and "
            "nothing was changed. Try again in a moment."
        ) from None
    try:
        yield
    finally:
        share.release()
