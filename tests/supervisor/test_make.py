"""`make up` is what people interrupt: however make ends, it takes `sublet up` with it."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.demo import ROOT
from tests.support.waiting import until

SUBLET = """#!/bin/sh
trap 'echo stopped in good order > "$0.said"; exit 0' TERM INT
echo $$ > "$0.pid"
while :; do sleep 0.05; done
"""
"""Stands for `sublet up`, which the other tests of this folder interrupt itself."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_make_that_ends_takes_sublet_with_it(tmp_path: Path, number: signal.Signals) -> None:
    program = tmp_path / "sublet"
    program.write_text(SUBLET)
    program.chmod(0o755)
    done_before = ("--old-file=.venv/.installed", "--old-file=console/dist/index.html")
    make = subprocess.Popen(
        ["make", *done_before, f"BIN={tmp_path}", "up"], cwd=ROOT, start_new_session=True, stderr=subprocess.DEVNULL
    )
    until("the start", tmp_path.joinpath("sublet.pid").exists)
    if number == signal.SIGINT:  # a terminal's goes to everybody in front of it
        os.killpg(make.pid, number)
    else:
        make.send_signal(number)
    make.wait()
    until("the stop in good order", tmp_path.joinpath("sublet.said").exists)
    pid = int(tmp_path.joinpath("sublet.pid").read_text())
    until(
        "its end",
        lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2:3],
    )
