"""What failed is written down plainly, with so many frames at most, and not while anybody waits for a transaction."""

import subprocess
import sys

import pytest
import structlog

from sublet.core import crashes, telemetry
from sublet.core.db import Database

pytestmark = pytest.mark.anyio

log = telemetry.get_logger(__name__)


def fall(deep: int) -> None:
    """Fail so many frames below the caller."""
    secret = "hunter2" * 3  # a value that a frame has
    if deep == 0:
        raise ValueError(f"no {len(secret)}")
    fall_on(deep - 1)


def fall_on(deep: int) -> None:
    """The same by another name: frames that are all alike Python tells in one line."""
    fall(deep)


def failure(deep: int = 0) -> ValueError:
    """An error with its frames."""
    try:
        fall(deep)
    except ValueError as error:
        return error
    raise AssertionError("it fell")


class TestAFailure:
    async def test_is_written_down_once_the_session_has_ended(self, database: Database) -> None:
        with structlog.testing.capture_logs() as logs:
            async with database.transaction():
                telemetry.log_failure(log, "first", failure(), about="a row")
                async with database.reading():
                    telemetry.log_failure(log, "second", failure())
                assert logs == [], "while the transaction is open, nothing is"
            assert [(one["event"], one["log_level"]) for one in logs] == [("first", "error"), ("second", "error")]
            assert logs[0]["about"] == "a row"
            telemetry.log_failure(log, "third", failure())
            assert logs[-1]["event"] == "third", "with none open it is written at once"

    async def test_is_written_down_though_the_transaction_is_undone(self, database: Database) -> None:
        with structlog.testing.capture_logs() as logs:
            with pytest.raises(RuntimeError):
                await self._undone(database)
            assert [one["event"] for one in logs] == ["first"]

    @staticmethod
    async def _undone(database: Database) -> None:
        async with database.transaction():
            telemetry.log_failure(log, "first", failure())
            raise RuntimeError

    def test_has_neither_values_nor_colours_where_nobody_said_how_to_log(self) -> None:
        program = (
            "from sublet.core import telemetry; from tests.core.test_failures import failure; "
            "telemetry.get_logger('unsaid').error('failed', exc_info=failure(3))"
        )
        ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        said = ran.stdout
        assert "ValueError: no 21" in said
        assert "hunter2hunter2" not in said
        assert "\x1b" not in said
        assert "─" not in said, "no boxes"

    def test_has_so_many_frames_at_most(self) -> None:
        said = crashes.describe(failure(450))
        assert said.count("  File ") == 2 * crashes.MOST_FRAMES
        assert "… 842 frames …" in said
        assert said.endswith("ValueError: no 21")
