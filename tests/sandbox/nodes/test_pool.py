"""The image of a node's homes is made whole or not at all, and takes nothing of what is there already."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sublet_sandbox.nodes import pool
from tests.support.leftovers import still_there
from tests.support.nodes import require
from tests.support.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.node]

MAKER = """
import asyncio, sys
from pathlib import Path
from sublet_sandbox.nodes import pool

asyncio.run(pool.make(Path(sys.argv[1]), Path(sys.argv[1], "home")))
"""


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """The folder of a node that has no homes yet."""
    require("systemd")
    (tmp_path / "home").mkdir()
    return tmp_path


def pretend(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Let a script stand for the program that makes the file system."""
    program = folder / "bin" / "mkfs.btrfs"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


class TestTheImage:
    async def test_is_made_once_and_mounted_from_then_on(self, node: Path) -> None:
        await pool.make(node, node / "home")
        made = (node / pool.IMAGE).stat()
        await pool.make(node, node / "home")
        assert (node / pool.IMAGE).stat().st_ino == made.st_ino
        assert made.st_blocks * 512 < 64 << 20 < made.st_size
        assert len(pool.mounting(node, node / "home")) == 1
        assert still_there(node) == []

    async def test_does_not_cover_homes_that_an_earlier_version_made(self, node: Path) -> None:
        (node / "home" / "al-abcdefghijklmnop").mkdir()
        await pool.make(node, node / "home")
        assert pool.mounting(node, node / "home") == []

    async def test_is_missing_where_it_cannot_be_made(self, node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        pretend(node, monkeypatch, "exit 1")
        await pool.make(node, node / "home")
        assert pool.mounting(node, node / "home") == []
        assert sorted(os.listdir(node)) == ["bin", "home"]

    async def test_is_made_anew_after_whoever_made_it_was_killed(
        self, node: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pretend(node, monkeypatch, f"touch {node}/began; sleep 600")
        owner = subprocess.Popen([sys.executable, "-c", MAKER, str(node)])  # noqa: ASYNC220  (it is to be killed)
        until("the making", (node / "began").exists)
        owner.kill()
        owner.wait()
        until("its end", lambda: still_there(node) == [], seconds=10)
        assert (node / f"{pool.IMAGE}.unfinished").exists()
        (node / "bin" / "mkfs.btrfs").unlink()
        await pool.make(node, node / "home")
        assert sorted(os.listdir(node)) == ["began", "bin", "home", pool.IMAGE]
