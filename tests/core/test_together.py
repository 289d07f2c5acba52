"""Questions that many ask at once are read together, and no answer is older than its question."""

import asyncio
from collections.abc import Collection

import pytest

from sublet.core.together import Together

pytestmark = pytest.mark.anyio


class Reads:
    """A read that goes on when it is let, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[set[int]] = []
        self.fails: Exception | None = None
        self.may_end = asyncio.Event()

    async def read(self, keys: Collection[int]) -> dict[int, str]:
        number = len(self.asked)
        self.asked.append(set(keys))
        await self.may_end.wait()
        if self.fails is not None:
            raise self.fails
        return {key: f"{key} in read {number}" for key in keys if key < 100}


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class TestTogether:
    async def test_reads_all_that_is_asked_while_a_read_is_under_way_by_the_next(self) -> None:
        reads = Reads()
        together = Together(reads.read)
        asking = [asyncio.create_task(together.ask(key)) for key in (1, 2)]
        await settle()
        late = [asyncio.create_task(together.ask(key)) for key in (1, 3, 100)]
        await settle()
        assert reads.asked == [{1, 2}]
        reads.may_end.set()
        assert await asyncio.gather(*asking) == ["1 in read 0", "2 in read 0"]
        assert await asyncio.gather(*late) == ["1 in read 1", "3 in read 1", None]
        assert reads.asked == [{1, 2}, {1, 3, 100}]

    async def test_tells_everybody_of_a_failure_and_reads_again_for_the_next(self) -> None:
        reads = Reads()
        reads.fails = OSError("away")
        reads.may_end.set()
        together = Together(reads.read)
        failed = await asyncio.gather(together.ask(1), together.ask(2), return_exceptions=True)
        assert [str(error) for error in failed] == ["away", "away"]
        reads.fails = None
        assert await together.ask(1) == "1 in read 1"

    async def test_goes_on_for_the_others_when_one_stops_waiting(self) -> None:
        reads = Reads()
        together = Together(reads.read)
        gone, stays = (asyncio.create_task(together.ask(key)) for key in (1, 2))
        await settle()
        gone.cancel()
        await settle()
        reads.may_end.set()
        assert await stays == "2 in read 0"
