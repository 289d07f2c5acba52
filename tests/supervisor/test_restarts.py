"""A part of `sublet up` that ends is begun again after growing pauses, and given up alone."""

import asyncio
import re
from pathlib import Path

import pytest

from sublet.supervisor.processes import ChildProcess
from sublet.supervisor.restarts import PACE, RestartPace, keep

pytestmark = pytest.mark.anyio

ENDS_AT_ONCE = "sublet_sandbox.stripe.__main__"  # without its arguments, it says what is missing and ends
HURRIED = RestartPace(first_seconds=0.01, longest_seconds=0.03, most=5)


def part(tmp_path: Path) -> ChildProcess:
    """A process that ends as soon as it has begun."""
    return ChildProcess("sandbox", ENDS_AT_ONCE, environment={}, log=tmp_path / "sandbox.log")


class TestPauses:
    def test_double_up_to_the_longest(self) -> None:
        assert [PACE.pause(lives) for lives in (1, 2, 3, 9, 10, 10_000)] == [0.1, 0.2, 0.4, 25.6, 30.0, 30.0]


class TestAPart:
    async def test_that_keeps_ending_is_given_up_with_the_end_of_its_log(self, tmp_path: Path) -> None:
        said: list[str] = []
        process = part(tmp_path)
        await process.start()
        async with asyncio.timeout(60):
            await keep(process, said.append, asyncio.Event(), pace=HURRIED)
        pauses = [found[1] for line in said if (found := re.search(r"again in ([0-9.]+) s", line))]
        assert len(pauses) == 4
        assert said[-1].startswith("The sandbox process ended 5 times, each soon after it was started (status 2).")
        assert "Everything else goes on" in said[-1]
        assert "required" in said[-1], "the end of its log"

    async def test_that_lived_long_begins_anew(self, tmp_path: Path) -> None:
        said: list[str] = []
        process, stopping = part(tmp_path), asyncio.Event()
        await process.start()
        long_lives = RestartPace(first_seconds=0.01, longest_seconds=0.03, long_life_seconds=0.0, most=2)

        def say(line: str) -> None:
            said.append(line)
            if len(said) == 4:
                stopping.set()

        async with asyncio.timeout(60):
            await keep(process, say, stopping, pace=long_lives)
        await process.stop()
        assert all("again in 0.0 s" in line for line in said)

    async def test_that_cannot_be_started_is_tried_again(self, tmp_path: Path) -> None:
        said: list[str] = []
        process = part(tmp_path)
        await process.start()
        await process.ended()
        (tmp_path / "sandbox.log").unlink()
        (tmp_path / "sandbox.log").mkdir()
        async with asyncio.timeout(60):
            await keep(process, said.append, asyncio.Event(), pace=HURRIED)
        assert any("could not be started: Is a directory" in line for line in said)
        assert "ended 5 times" in said[-1]

    async def test_that_is_to_stop_is_not_started_again(self, tmp_path: Path) -> None:
        said: list[str] = []
        process, stopping = part(tmp_path), asyncio.Event()
        await process.start()
        stopping.set()
        async with asyncio.timeout(60):
            await keep(process, said.append, stopping, pace=HURRIED)
        assert said == []
