"""A real Chromium, driven by Playwright; pictures of each step are kept as artefacts."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.apart import Apart, apart

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

CHROMIUM = Path("/usr/bin/chromium")
ARTIFACTS = Path(__file__).resolve().parents[2] / "artifacts"
ARGUMENTS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
)


@pytest.fixture(scope="session")
def its_own_network() -> Iterator[Apart | None]:
    """Where Chromium runs apart from what nodes do to the machine's network; None where only root could have that."""
    with apart() if os.geteuid() == 0 else nullcontext() as network:
        yield network


@pytest.fixture
async def browser(its_own_network: Apart | None, tmp_path: Path) -> AsyncIterator["Browser"]:
    """Chromium, headless; without it the test skips, or fails where nothing may be skipped."""
    if not CHROMIUM.exists():
        message = "Chromium is not installed: apt-get install chromium"
        if os.environ.get("SUBLET_TEST_REQUIRE_ALL"):
            pytest.fail(message)
        pytest.skip(message)
    from playwright.async_api import async_playwright  # noqa: PLC0415 - half a second that few tests need

    program, options = CHROMIUM, list(ARGUMENTS)
    if its_own_network is not None:
        program = its_own_network.command(CHROMIUM, tmp_path / "chromium")
        options += ["--no-sandbox", *its_own_network.options]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(program), args=options)
        yield browser
        await browser.close()


async def picture(page: "Page", name: str) -> None:
    """Keep a picture of the page under artifacts/."""
    path = ARTIFACTS / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=str(path))
