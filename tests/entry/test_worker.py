"""The worker's process: what it counted can be scraped, and it leaves in good order."""

import asyncio
import time
from pathlib import Path

import httpx
import pytest

from sublet.core.db import Database
from sublet.core.runtime import NotConfigured
from sublet.core.settings import Settings
from sublet.entry.worker import Worker
from sublet.ledger.wallets import open_wallet
from sublet.scheduling.claims import claims_on_gpu
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


class TestParts:
    async def test_know_who_has_a_gpu_that_a_node_brings(self, app_url: str, tmp_path: Path) -> None:
        worker = Worker(Settings(database_url=app_url, currency="USD", data_directory=tmp_path / "data"))
        assert worker.observer.claims_on is claims_on_gpu
        await worker.close()


class TestPrerequisites:
    async def test_wallets_in_another_currency_are_nobodys_to_bill(
        self, database: Database, app_url: str, tmp_path: Path
    ) -> None:
        async with database.transaction() as session:
            await open_wallet(session, "org_x", currency="USD")
        worker = Worker(
            Settings(database_url=app_url, currency="EUR", time_zone="UTC", data_directory=tmp_path / "data")
        )
        try:
            with pytest.raises(NotConfigured, match="SUBLET_CURRENCY is EUR"):
                await worker.run()
        finally:
            await worker.close()


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
