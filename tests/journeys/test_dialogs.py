"""Every dialog of both consoles, light and dark, wide and narrow: accessible, and no wider than the window.

They are opened in the console as developers run it, before the mock, which holds something of everything in each state.
So no demo is needed, and a dialog that a demo would come to once in a month is looked at like the others.
"""

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, Page, Route

from tests.journeys.test_pages import SCHEMES, SIZES
from tests.journeys.watch import COLOURS, EVERYTHING, Watch, check_accessibility, check_width, come_to_rest
from tests.support.ports import free_port
from tests.support.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

CONSOLE = Path(__file__).resolve().parents[2] / "console"
DIALOG = "[role=dialog], [role=alertdialog]"

OPENED: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("allocations/AllocationActions.tsx", "/allocations/al_1", ("Suspend", "Release")),
    ("allocations/AllocationActions.tsx", "/allocations/al_18", ("Restart elsewhere",)),
    ("allocations/Ports.tsx", "/allocations/al_1", ("Publish port", "Withdraw 8080/tcp")),
    ("allocations/GivenPanel.tsx", "/allocations/al_1", ("Edit labels",)),
    ("billing/BillingPage.tsx", "/billing", ("Add funds",)),
    ("billing/Cards.tsx", "/billing?view=cards", ("Remove the card ending in 4242",)),
    ("billing/AutoTopUpPanel.tsx", "/billing?view=cards", ("Change",)),
    ("billing/Refunds.tsx", "/billing?view=refunds", ("Ask for a refund of tu_4", "Withdraw the request for $10.00")),
    ("billing/SpendingLimits.tsx", "/billing?view=limits", ("Set a limit", "Clear the limit: A day")),
    ("billing/Credits.tsx", "/billing?view=credits", ("Redeem a code",)),
    ("settings/SshKeys.tsx", "/settings", ("Add SSH key", "Remove laptop")),
    ("settings/ApiTokens.tsx", "/settings?view=tokens", ("Create token", "Revoke ci")),
    ("settings/Sessions.tsx", "/settings?view=sessions", ("End session: curl/8",)),
    ("operator/SkusPage.tsx", "/operator/skus", ("Create SKU", "Deactivate cpu-small")),
    ("operator/PricesPage.tsx", "/operator/skus/sku_1", ("Create price",)),
    ("operator/HelpersPage.tsx", "/operator/helpers", ("Try the helper on node-a first",)),
    ("operator/RolloutPage.tsx", "/operator/helpers/hro_3", ("Stop",)),
    (
        "operator/ApprovalsPage.tsx",
        "/operator/approvals",
        ("Approve: Give up a node nd_7", "Refuse: Give up a node nd_7"),
    ),
    ("operator/NodePage.tsx", "/operator/nodes/nd_1", ("Cordon",)),
    ("operator/NodePorts.tsx", "/operator/nodes/nd_1", ("Ports",)),
    ("operator/NodeCorrection.tsx", "/operator/nodes/nd_1", ("Correct", "Remove")),
    ("operator/NodeLife.tsx", "/operator/nodes/nd_1", ("Drain",)),
    ("operator/money/DisputesPage.tsx", "/operator/money/disputes", ("Evidence of dsp_1",)),
    ("operator/money/FindingsPage.tsx", "/operator/money/findings", ("Resolve ledger.balance_drift of acc_12",)),
    ("operator/money/FindingPage.tsx", "/operator/money/findings/fnd_1", ("Resolve",)),
    ("operator/money/RequestsPage.tsx", "/operator/money/requests", ("Grant rrq_1",)),
    ("operator/money/CreditsPage.tsx", "/operator/money/credits", ("Make a code", "Give credit", "End SPRING-7Q4M-X2")),
    ("operator/money/MonthsPage.tsx", "/operator/money/months", ("Close 2026-10",)),
    ("operator/money/PaymentsPage.tsx", "/operator/money/payments?organization=org_1", ("Adjust", "Refund tu_4")),
    ("operator/Gpus.tsx", "/operator/nodes/nd_1", ("Clear",)),
)
"""The file that a dialog is in, its page, and the buttons that open it there; each line is a page that is gone to."""


@pytest.fixture
def mock() -> Iterator[str]:
    """The address of the console before the mock of the API."""
    port = free_port()
    command = [
        str(Path(sys.executable).parent / "node"),
        "node_modules/.bin/vite",
        "--mode",
        "mock",
        "--port",
        str(port),
        "--strictPort",
    ]
    # It ends when nobody can type to it any more, so its input stays open. The `node` of the virtual environment starts
    # another one, so both are ended, as a group.
    with subprocess.Popen(
        command,
        cwd=CONSOLE,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as server:
        address = f"http://127.0.0.1:{port}"
        try:
            until("the mock to answer", lambda: _answers(address), seconds=120.0)
            yield address
        finally:
            os.killpg(server.pid, signal.SIGTERM)


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/api/v1/me", timeout=10).is_success
    except httpx.HTTPError:
        return False


async def offer_everything(route: Route) -> None:
    """What the mock would refuse just now can be asked for too: its dialog is looked at, and nothing is sent."""
    answer = await route.fetch()
    refused = r'"allowed":false,"reason":"[^"]*"'
    await route.fulfill(response=answer, body=re.sub(refused, '"allowed":true,"reason":null', await answer.text()))


async def look(page: Page, watch: Watch, name: str) -> None:
    """Check the dialog that is open; what is behind it is looked at by the walk over the pages."""
    for width, height in SIZES:
        await page.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            await page.emulate_media(color_scheme=scheme)
            await come_to_rest(page)
            watch.place = f"{name} {scheme} {width}"
            await check_accessibility(page, watch, EVERYTHING if scheme == "light" else COLOURS, within=DIALOG)
            await check_width(page, watch)


async def go_to(page: Page, path: str) -> None:
    """Go to another page of the console that is loaded, as its own links do: loading it anew takes seconds."""
    await page.evaluate(
        "path => { history.pushState(null, '', path); dispatchEvent(new PopStateEvent('popstate', { state: null })); }",
        path,
    )


class TestEveryDialog:
    async def test_is_accessible_light_and_dark_wide_and_narrow(self, browser: Browser, mock: str) -> None:
        context = await browser.new_context(reduced_motion="reduce", viewport={"width": 1280, "height": 900})
        page = await context.new_page()
        page.set_default_timeout(60_000)
        watch = Watch(mock)  # of what a development server says to the browser nothing is asked
        await page.route("**/api/v1/admin/**", offer_everything)
        await page.goto(mock)
        await page.get_by_role("navigation", name="Main").wait_for()
        for _file, path, buttons in OPENED:
            await go_to(page, path)
            for button in buttons:
                await page.get_by_role("button", name=button, exact=True).first.click()
                await page.wait_for_selector(DIALOG)
                await look(page, watch, button)
                await page.keyboard.press("Escape")
                await page.wait_for_selector(DIALOG, state="detached")
                await page.set_viewport_size({"width": 1280, "height": 900})
        await page.route("**/auth/logout", lambda route: route.abort())
        await page.get_by_role("button", name="Account menu").click()
        await page.get_by_role("menuitem", name="Sign out").click()
        await page.wait_for_selector(DIALOG)
        await look(page, watch, "Not signed out")
        await context.close()
        assert watch.findings == []

    def test_is_opened_here(self) -> None:
        written = Counter(
            {
                str(file.relative_to(CONSOLE / "src")): len(re.findall(r"<(?:Dialog|Confirm)\s", file.read_text()))
                for file in sorted((CONSOLE / "src").rglob("*.tsx"))
                if file.parent.name not in {"ui", "testing"} and not file.name.endswith(".test.tsx")
            }
        )
        opened = Counter({"shell/AccountMenu.tsx": 1})  # when signing out fails
        for file, _path, buttons in OPENED:
            opened[file] += len(buttons)
        assert written - opened == Counter(), "a dialog that no line of OPENED opens"
