"""A test that sleeps is slow on a quick machine and fails on a slow one."""

import pytest

from tests.architecture.pauses import THE_TIME_IS_WHAT_IS_TESTED, paused, pauses
from tests.architecture.source import ROOT, broken, planted, sources

TESTS = ROOT / "tests"


class TestPauses:
    def test_are_not_made(self) -> None:
        assert broken(pauses, sources(TESTS)) == []

    def test_are_made_where_an_exception_says_so(self) -> None:
        by_path = {source.path: source for source in sources(TESTS)}
        assert [path for path in THE_TIME_IS_WHAT_IS_TESTED if not paused(by_path[path])] == []

    @pytest.mark.parametrize("text", ["time.sleep(0.1)", "async def wait():\n    await asyncio.sleep(1)"])
    def test_are_caught(self, text: str) -> None:
        assert pauses(planted(text))
        inside = "for _ in range(9):\n    if ready():\n        break\n    time.sleep(0.1)"
        assert pauses(planted(inside)) == []
        assert pauses(planted("await asyncio.sleep(0)")) == []

    def test_are_caught_in_a_function_that_a_loop_makes(self) -> None:
        assert pauses(planted("for one in many:\n    def wait():\n        time.sleep(1)"))
