"""Waiting until something holds, with a deadline: a test that waits in vain says for what."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


def until(what: str, found: Callable[[], T], *, seconds: float = 60.0, pause: float = 0.02) -> T:
    """Wait until something is found that counts as true; what was found."""
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain for {what}"
        time.sleep(pause)
    return value


async def until_async(what: str, found: Callable[[], Awaitable[T] | T], *, seconds: float = 60.0) -> T:
    """The same beside what else runs in the loop; `found` may ask the loop itself."""
    deadline = time.monotonic() + seconds
    while True:
        value = found()
        told = await value if inspect.isawaitable(value) else value
        if told:
            return told
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain for {what}"
        await asyncio.sleep(0.02)
