"""Wherever `sublet up` is interrupted, and however, nothing of it stays but its data, and the next start goes on."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.supervisor.conftest import NewUp
from tests.supervisor.running import Up
from tests.support.leftovers import still_there
from tests.support.nodes import require

SEED = int(os.environ.get("SUBLET_FAULT_SEED", random.SystemRandom().randrange(1 << 32)))
BUILDING = "building the node's root filesystem"
STOPPING = "… stopping"
STEPS = (
    BUILDING,
    "starting the database",
    "Creating the database",
    "starting the demo node",
    "preparing the database",
    "starting web, worker and card sandbox",
    "setting up accounts and prices",
    "the node joins",
    "Sublet is ready",
    STOPPING,
)
"""What a start says, roughly in its order: node and database come up side by side."""

ASKED = (signal.SIGINT, signal.SIGTERM)
"""Both mean the same to the supervisor, so one walk does for both; the seed says which comes first."""

OF_A_NEW_DATABASE = {"Creating the database", "preparing the database"}


def interrupt(up: Up, number: signal.Signals, *, late: bool = False) -> None:
    """As a terminal or `kill` does it; -9 meets the supervisor alone, and its parts must notice by themselves.

    A `late` signal may come when all has ended, and ends the program then as it would any.
    """
    if number == signal.SIGKILL:
        up.crash()
        assert up.left(still_there) == []
    else:
        assert up.stop(number) in ({0, -number} if late else {0}), up.printed
        assert "Traceback" not in up.printed
        assert up.left() == []


def walk(up: Up, signals: tuple[signal.Signals, ...], dice: random.Random) -> None:
    """Start, interrupt at a step, start again and interrupt at the next one, on the same data; signals take turns."""
    shared = (up.directory / "cache").resolve()
    first = dice.randrange(len(signals))
    # Only a node with enforced limits, which needs root, has a root filesystem of its own.
    steps = STEPS if os.geteuid() == 0 else STEPS[1:]
    for turn, step in enumerate(steps, first):
        number = signals[turn % len(signals)]
        if step == BUILDING:
            (up.directory / "cache").unlink()
        elif not (up.directory / "cache").is_symlink():
            # Building it takes long, and other tests have done it.
            (up.directory / "cache").rename(up.directory / "cache-of-the-first")
            (up.directory / "cache").symlink_to(shared)
        if step in OF_A_NEW_DATABASE:
            shutil.rmtree(up.directory / "postgres")
        up.start()
        if step == STOPPING:
            up.until("Web, worker and card sandbox run").send(signal.SIGINT)
        up.until(step)
        time.sleep(dice.random() * 0.3)
        interrupt(up, number, late=step == STOPPING)


class TestAnInterruptedStart:
    @pytest.mark.parametrize("signals", [ASKED, (signal.SIGKILL,)], ids=["asked to stop", "killed"])
    def test_leaves_nothing_and_is_made_good_by_the_next(
        self, new_up: NewUp, signals: tuple[signal.Signals, ...]
    ) -> None:
        print(f"SUBLET_FAULT_SEED={SEED}")
        if os.geteuid() == 0:
            require("systemd")
        up = new_up()
        walk(up, signals, random.Random(SEED))
        info = up.ready().info()
        assert up.answers()
        assert info["node"]["problem"] == ""
        assert Path(info["customer"]["token_file"]).read_text().startswith("sublet_")
        interrupt(up, signals[0])
        if (up.directory / "cache-of-the-first").exists():
            (up.directory / "cache").unlink()
            (up.directory / "cache-of-the-first").rename(up.directory / "cache")
        deleted = subprocess.run(
            [sys.executable, "-m", "sublet.supervisor.demo_delete", "--yes"],
            env={**os.environ, "SUBLET_DATA_DIR": str(up.directory)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert deleted.returncode == 0, deleted.stderr
        assert not up.directory.exists()
        assert up.left() == []
