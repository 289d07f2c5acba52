"""A worker that is killed at any boundary of its work leaves a row that the next one brings to the end, once."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest
from tests.core.work.dying import BOUNDARIES
from tests.core.work.kitchen import Kitchen

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("boundary", BOUNDARIES)
async def test_the_next_one_goes_on(kitchen: Kitchen, app_url: str, tmp_path: Path, boundary: str) -> None:
    await kitchen.want("a")
    heated = tmp_path / "heated"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.core.work.dying", app_url, boundary, str(heated)
    )
    assert await process.wait() == -signal.SIGKILL
    row = await kitchen.row()
    assert row is not None
    assert row.leased
    assert (await kitchen.one("SELECT state, told FROM kettle")) == ("cold", 0), "what was not concluded is not there"
    worker = kitchen.worker()
    assert await worker.sweep() == 0, "the dead one's lease still runs"
    await kitchen.leases_run_out()
    await kitchen.work(worker)
    assert (await kitchen.one("SELECT state, told FROM kettle")) == ("hot", 1)
    acted = heated.read_text().split() if heated.exists() else []
    assert acted == (["a"] if boundary in {"acted", "concluding"} else []), "it died where it was to"
    assert await kitchen.row() is None
