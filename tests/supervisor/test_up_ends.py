"""However `sublet up` ends, nothing of it stays on the machine but its data, and the next start works."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.supervisor.conftest import NewUp
from tests.supervisor.running import Up
from tests.support.nodes import require

SEED = int(os.environ.get("SUBLET_FAULT_SEED", random.SystemRandom().randrange(1 << 32)))
dice = random.Random(SEED)


@pytest.fixture(autouse=True)
def node_where_possible() -> None:
    """These tests are about what a real node leaves, too."""
    print(f"SUBLET_FAULT_SEED={SEED}")
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

    @pytest.mark.parametrize("moment", ["Creating the database", "The demo node runs", "The database runs"])
    def test_during_the_first_start_leaves_nothing(self, new_up: NewUp, moment: str) -> None:
        up = new_up().start().until(moment)
        time.sleep(dice.random() * 0.3)
        assert up.stop() == 0, up.printed
        settle(up)

    def test_twice_is_at_once_and_leaves_nothing(self, new_up: NewUp, set_up_directory: Path) -> None:
        up = new_up(directory=set_up_directory).ready()
        up.send()
        up.until("Stopping")
        up.send()
        up.send()
        assert up.wait() == 0, up.printed
        settle(up)


class TestCrash:
    def test_of_the_first_start_is_made_good_by_the_next(self, new_up: NewUp) -> None:
        crashed = new_up()
        for moment in ("Creating the database", "Creating the database", "The demo node runs", "The database runs"):
            crashed.start().until(lambda moment=moment: moment in crashed.printed or "database runs" in crashed.printed)
            time.sleep(dice.random() * 0.5)
            crashed.crash()
        crashed.start().until(lambda: crashed.child("sublet.entry.serve") > 0)
        time.sleep(dice.random() * 3)
        crashed.crash()
        crashed.ready()
        assert crashed.answers()
        info = crashed.info()
        assert Path(info["customer"]["token_file"]).read_text().startswith("sublet_")
        assert crashed.stop() == 0
        settle(crashed)

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
            up.until(f"The {part} process ended (killed by SIGKILL); starting it again")
            up.until(lambda module=module, killed=killed: up.child(module) not in {0, killed})
        os.kill(int((set_up_directory / "postgres/data/postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        up.until("The database runs again")
        up.until(up.answers)
        assert up.stop() == 0
        settle(up)

    def test_that_keeps_dying_ends_up_with_the_end_of_its_log(self, new_up: NewUp, set_up_directory: Path) -> None:
        up = new_up("--node", "none", directory=set_up_directory).ready()
        # From now on the sandbox meets a data file that it cannot use.
        data = set_up_directory / "sandbox.db"
        kept = data.read_bytes()
        data.write_bytes(b"this is no database" * 500)
        os.kill(up.child("sublet_sandbox.stripe.__main__"), signal.SIGKILL)
        assert up.wait() == 1
        data.write_bytes(kept)
        assert "The sandbox process ended 5 times within a minute" in up.printed
        assert f"The end of {set_up_directory}/logs/sandbox.log" in up.printed
        assert "file is not a database" in up.printed
        assert up.left() == []
