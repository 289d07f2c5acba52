"""Building the root filesystem, interrupted while /proc and its like are mounted in it, leaves nothing of that."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.leftovers import still_there
from tests.support.nodes import require
from tests.support.waiting import until

pytestmark = pytest.mark.node

BUILDER = """
import asyncio, sys
from pathlib import Path
from sublet_sandbox.nodes.rootfs import root_filesystem

asyncio.run(root_filesystem(Path(sys.argv[1])))
"""
SECONDS = 120.0


def build(cache: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", BUILDER, str(cache)], stderr=subprocess.DEVNULL)


def has_mounts(cache: Path) -> bool:
    """Whether a process sees something mounted in what is built there."""
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            lines = (process / "mountinfo").read_text() if process.name.isdigit() else ""
            if str(cache) in lines and "/root/proc" in lines:
                return True
    return False


class TestAnInterruptedBuilding:
    def test_leaves_no_process_and_no_mount_and_the_next_removes_its_files(self, tmp_path: Path) -> None:
        require("systemd")
        killed = build(tmp_path)
        until("a mount", lambda: has_mounts(tmp_path), seconds=SECONDS)
        (left,) = tmp_path.glob("rootfs-*.building-*")
        killed.kill()
        killed.wait()
        until("an empty folder", lambda: still_there(tmp_path) == [], seconds=10)
        assert left.is_dir()
        stopped = build(tmp_path)
        until(
            "another attempt",
            lambda: not left.exists() and list(tmp_path.glob("rootfs-*.building-*")),
            seconds=SECONDS,
        )
        stopped.send_signal(signal.SIGINT)
        stopped.wait()
        assert still_there(tmp_path) == []
        assert os.listdir(tmp_path) == ["rootfs.lock"]
