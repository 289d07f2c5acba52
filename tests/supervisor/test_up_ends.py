"""However `sublet up` ends, nothing of it stays on the machine but its data, and the next start works."""

import os
import signal
from pathlib import Path

import pytest

from tests.supervisor.conftest import NewUp
from tests.supervisor.running import Up
from tests.support.nodes import require


@pytest.fixture(autouse=True)
def node_where_possible() -> None:
    """These tests are about what a real node leaves, too."""
    if os.geteuid() == 0:
        require("systemd")


def settle(up: Up) -> None:
    """It has ended by itself or is told to; in the end nothing is left."""
    up.wait()
    assert "Traceback" not in up.printed
    assert up.left() == []


def assert_times_are_told(printed: str) -> None:
    """Every line of progress begins with the seconds since the start, in one column."""
    said = [line for line in printed.splitlines() if " s  " in line[:12]]
    times = [float(line.split(" s  ")[0]) for line in said]
    assert len(said) >= 5
    assert times == sorted(times)
    assert len({line.index(" s  ") for line in said}) == 1


class TestStop:
    @pytest.mark.parametrize(
        ("number", "options"),
        [(signal.SIGINT, ()), (signal.SIGTERM, ("--no-demo",)), (signal.SIGHUP, ("--no-demo",))],
        ids=["SIGINT", "SIGTERM", "SIGHUP"],
    )
    def test_leaves_nothing(
        self, new_up: NewUp, set_up_directory: Path, number: signal.Signals, options: tuple[str, ...]
    ) -> None:
        up = new_up(*options, directory=set_up_directory).ready()
        assert up.info()["running"] is True
        assert up.stop(number) == 0
        settle(up)
        info = up.info()
        assert info["running"] is False
        assert info["data_directory"] == str(set_up_directory)
        assert_times_are_told(up.printed)

    def test_twice_is_at_once_and_leaves_nothing(self, new_up: NewUp, set_up_directory: Path) -> None:
        up = new_up(directory=set_up_directory).ready()
        up.send()
        up.until("Stopping")
        up.send()
        up.send()
        assert up.wait() == 0, up.printed
        settle(up)


class TestCrash:
    def test_of_a_running_one_is_made_good_by_the_next(self, new_up: NewUp, set_up_directory: Path) -> None:
        up = new_up(directory=set_up_directory).ready()
        before = up.info()
        up.crash()
        assert up.info()["running"] is False
        again = new_up(directory=set_up_directory)
        again.port = up.port
        again.ready()
        after = again.info()
        assert after["customer"] == before["customer"]
        assert after["sandbox"] == before["sandbox"]
        assert again.stop() == 0
        settle(again)


class TestChild:
    def test_killed_is_started_again(self, new_up: NewUp, set_up_directory: Path) -> None:
        up = new_up("--node", "none", directory=set_up_directory).ready()
        for part in ("web", "worker", "sandbox"):
            module = {"web": "sublet.entry.serve", "sandbox": "sublet_sandbox.stripe.__main__"}.get(
                part, "sublet.entry.worker"
            )
            killed = up.child(module)
            os.kill(killed, signal.SIGKILL)
            up.until(f"The {part} process ended (killed by SIGKILL); starting it again in 0.1 s")
            up.until(lambda module=module, killed=killed: up.child(module) not in {0, killed})
        os.kill(int((set_up_directory / "postgres/data/postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        up.until("The database runs again")
        up.until(up.answers)
        assert up.stop() == 0
        settle(up)

    def test_that_keeps_dying_is_tried_less_and_less_often_and_stops_nothing_else(
        self, new_up: NewUp, set_up_directory: Path
    ) -> None:
        up = new_up("--node", "none", directory=set_up_directory).ready()
        # For a while the sandbox meets a data file that it cannot use.
        data = set_up_directory / "sandbox.db"
        kept = data.read_bytes()
        data.write_bytes(b"this is no database" * 500)
        os.kill(up.child("sublet_sandbox.stripe.__main__"), signal.SIGKILL)
        for pause in ("0.1", "0.2", "0.4"):
            up.until(f"starting it again in {pause} s")
        assert up.answers()
        data.write_bytes(kept)
        up.until(lambda: up.child("sublet_sandbox.stripe.__main__") != 0)
        assert up.stop() == 0
        settle(up)
