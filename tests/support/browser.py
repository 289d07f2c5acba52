"""A real Chromium, driven by Playwright; pictures of each step are kept as artefacts."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

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


@pytest.fixture
async def browser() -> AsyncIterator["Browser"]:
    """Chromium, headless; without it the test skips, or fails where nothing may be skipped."""
    if not CHROMIUM.exists():
        message = "Chromium is not installed: apt-get install chromium"
        if os.environ.get("SUBLET_TEST_REQUIRE_ALL"):
            pytest.fail(message)
        pytest.skip(message)
    from playwright.async_api import async_playwright  # noqa: PLC0415 - half a second that few tests need

    sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=[*ARGUMENTS, *sandbox])
        yield browser
        await browser.close()


async def picture(page: "Page", name: str) -> None:
    """Keep a picture of the page under artifacts/."""
    path = ARTIFACTS / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=str(path))
