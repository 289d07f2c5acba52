"""Questions that many ask at about the same time, answered by one statement instead of one for each."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Together(Generic[K, V]):
    """Reads many keys at once. What is asked while a read is under way waits for the next one, so that an answer is
    never older than the question; a single question is answered at once."""

    def __init__(self, read: Callable[[Collection[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._read = read
        self._asked: list[tuple[K, asyncio.Future[V | None]]] = []
        self._reading: asyncio.Task[None] | None = None

    async def ask(self, key: K) -> V | None:
        """What was read for the key; None if nothing was. Whatever the read raises, everybody in it gets."""
        answer: asyncio.Future[V | None] = asyncio.get_running_loop().create_future()
        self._asked.append((key, answer))
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_all())
        return await answer

    async def _read_all(self) -> None:
        while self._asked:
            asked, self._asked = self._asked, []
            try:
                found = await self._read({key for key, _ in asked})
            except Exception as error:  # whoever asked is told, and the next are read all the same
                for _, answer in asked:
                    if not answer.done():
                        answer.set_exception(error)
                continue
            for key, answer in asked:
                if not answer.done():
                    answer.set_result(found.get(key))
