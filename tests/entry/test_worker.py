"""The worker's process: what it counted can be scraped, and it leaves in good order."""

import asyncio
import time
from pathlib import Path

import httpx
import pytest

from tests.faults.worker_process import worker_process
from tests.support.app import Web
from tests.support.ports import free_port

pytestmark = pytest.mark.anyio

DEADLINE = 30.0


def scrape(port: int, wanted: str) -> str:
    """The worker's figures, as soon as they tell of something."""
    deadline = time.monotonic() + DEADLINE
    figures = ""
    while wanted not in figures:
        assert time.monotonic() < deadline, figures
        try:
            figures = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
        except httpx.TransportError:
            figures = ""
        time.sleep(0.05)
    return figures


class TestMetrics:
    async def test_of_a_worker_are_its_own(self, web: Web, app_url: str, tmp_path: Path) -> None:
        port = free_port()
        environment = {"SUBLET_METRICS_LISTEN": f"127.0.0.1:{port}"}
        with worker_process(web, app_url, tmp_path / "log", environment=environment):
            figures = await asyncio.to_thread(scrape, port, 'sublet_work_seconds_count{outcome="again",work="tick"}')
        assert 'sublet_worker_tick_seconds_count{task="meter"} 1.0' in figures
        assert "sublet_provision_seconds_count" in figures
        assert 'sublet_work_wait_seconds_count{work="tick"}' in figures

    async def test_on_an_address_that_is_taken_are_refused_with_a_sentence(
        self, web: Web, app_url: str, tmp_path: Path
    ) -> None:
        taken = web.url.removeprefix("http://")
        log = tmp_path / "log"
        with worker_process(web, app_url, log, environment={"SUBLET_METRICS_LISTEN": taken}) as worker:
            assert await asyncio.to_thread(worker.ended) == 1
        said = log.read_text()
        assert f"SUBLET_METRICS_LISTEN is {taken}" in said
        assert "Traceback" not in said
