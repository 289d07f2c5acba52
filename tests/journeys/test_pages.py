"""Every page of both consoles in every state, light and dark, wide and narrow: accessible, quiet, storing nothing."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import pytest
from playwright.async_api import Browser, BrowserContext, Error, Locator, Page, expect

from tests.journeys.people import PASSWORD, Person, in_days, new_customer, sign_in, the_operator, until
from tests.journeys.views import SIGNED_OUT, Mode, View, act_on, answer_as, customer_views, operator_views, visit
from tests.journeys.watch import (
    API,
    COLOURS,
    EVERYTHING,
    NETWORK_CHANGED,
    Watch,
    check_accessibility,
    check_storage,
    check_width,
    come_to_rest,
)
from tests.support.browser import ARTIFACTS, picture
from tests.support.demo import Demo

pytestmark = [pytest.mark.anyio, pytest.mark.browser, pytest.mark.node]

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
MODES: tuple[Mode, ...] = ("loaded", "empty", "error", "cut")
PICTURES = ARTIFACTS / "pages"
SIZES = ((1280, 900), (375, 812))
INTERRUPTIONS = 4
DECLINED = "4000000000000002"
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7yJq2Lr9xW0aZtE4vB8nKc3MdHs6YfPuGq1ZkOe5sT journey"


@dataclass(frozen=True)
class World:
    """Somebody with something on every page, and the demo's operator."""

    customer: Person
    operator: Person
    active: str
    released: str
    node: str
    sku: str

    def walks(self) -> list[tuple[Person | None, list[View], Mode]]:
        """Who looks at which pages while the server answers how; a tab for each."""
        customers, operators = customer_views(self.active, self.released), operator_views(self.node, self.sku)
        walks: list[tuple[Person | None, list[View], Mode]] = [(None, SIGNED_OUT, "loaded")]
        for mode in MODES:
            walks += [(self.customer, customers, mode), (self.operator, operators, mode)]
        return walks


@pytest.fixture(scope="module")
def world(demo: Demo) -> Iterator[World]:
    """Something of everything: paid and declined, running and given back, a key and a token."""
    customer, operator = new_customer(demo, "Ada Lovelace"), the_operator(demo)
    customer.pay("50.00")
    customer.try_card("20.00", DECLINED)
    customer.post("/ssh-keys", {"name": "laptop", "public_key": PUBLIC_KEY})
    scopes = customer.get("/me")["permissions"][:2]
    customer.post("/api-tokens", {"name": "ci-runner", "scopes": scopes, "expires_at": in_days(60)})
    released = customer.launch("gpu-1", "old-sweep")
    until("something to charge for", lambda: customer.get(f"/allocations/{released}")["delivered_seconds"] > 0)
    customer.post(f"/allocations/{released}/release")
    active = customer.launch("gpu-1", "train-resnet")
    customer.wait_for(released, "released")
    node = next(node["id"] for node in operator.get("/admin/nodes")["items"] if node["name"] == demo.info.node.name)
    sku = next(sku["id"] for sku in operator.get("/admin/skus")["items"] if sku["code"] == "gpu-1")
    yield World(customer, operator, active, released, node, sku)
    customer.release_all()


async def new_context(browser: Browser, person: Person | None) -> BrowserContext:
    """A browser of its own, signed in; nothing moves, so that nothing is looked at half-way."""
    context = await browser.new_context(reduced_motion="reduce", viewport={"width": 1280, "height": 900})
    if person is not None:
        await sign_in(context, person)
    return context


async def look(page: Page, watch: Watch, name: str) -> None:
    """Check the page as it stands in both widths and both colour schemes, and keep a picture of each."""
    watch.place = name
    for width, height in SIZES:
        await page.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            await page.emulate_media(color_scheme=scheme)
            await come_to_rest(page)
            watch.place = f"{name} {scheme} {width}"
            await check_accessibility(page, watch, EVERYTHING if scheme == "light" else COLOURS)
            await check_width(page, watch)
            await page.screenshot(path=PICTURES / f"{name}-{scheme}-{width}.png")
    watch.place = name
    await check_storage(page, watch)
    await page.emulate_media(color_scheme="light")
    await page.set_viewport_size({"width": 1280, "height": 900})


async def walk(browser: Browser, url: str, person: Person | None, views: list[View], mode: Mode) -> list[str]:
    """Look at each page that differs in this mode, and at its dialog and its complaints; what was found."""
    context = await new_context(browser, person)
    await answer_as(context, views, mode)
    page = await context.new_page()
    # Whoever is signed out is told so by a 401; all other failures are those that the mode makes.
    watch = Watch(url, may_fail=(API,) if person is None or mode in {"error", "cut"} else ()).attach(page)
    for view in filter(lambda view: view.has(mode), views):
        await look_again_if_interrupted(page, watch, partial(look_at_states, page, watch, url, view, mode))
    await context.close()
    return watch.findings


async def look_at_states(page: Page, watch: Watch, url: str, view: View, mode: Mode) -> None:
    """The page as it comes, with its dialog open, and with its form complaining."""
    watch.place = f"{view.name}-{mode}"
    await visit(page, url, view, mode)
    await look(page, watch, f"{view.name}-{mode}")
    if mode == "loaded" and view.dialog:
        await act_on(page, view.dialog, "[role=dialog], [role=alertdialog], [role=menu]")
        await look(page, watch, f"{view.name}-dialog")
        await page.keyboard.press("Escape")
    if mode == "loaded" and view.invalid:
        await act_on(page, view.invalid, "[aria-invalid=true]")
        await look(page, watch, f"{view.name}-invalid")


async def look_again_if_interrupted(page: Page, watch: Watch, looking: Callable[[], Awaitable[None]]) -> None:
    """Forget what was seen while the machine's network changed, load the page anew and look again, a few times."""
    for _ in range(INTERRUPTIONS):
        known = len(watch.findings)
        watch.interrupted = False
        try:
            await looking()
        except Error as error:
            if not (watch.interrupted or NETWORK_CHANGED in error.message):
                raise
            watch.interrupted = True
        if not watch.interrupted:
            return
        del watch.findings[known:]
        await page.goto("about:blank")
    watch.found(f"the network of this machine changed {INTERRUPTIONS} times while it was looked at")


class TestEveryPage:
    async def test_is_accessible_and_quiet_in_every_state(self, browser: Browser, demo: Demo, world: World) -> None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        found = await asyncio.gather(*(walk(browser, demo.info.url, *how) for how in world.walks()))
        assert [finding for findings in found for finding in findings] == []

    async def test_says_so_when_its_code_or_the_session_cannot_be_fetched(
        self, browser: Browser, demo: Demo, world: World
    ) -> None:
        context = await new_context(browser, world.customer)
        page = await context.new_page()
        watch = Watch(demo.info.url, may_fail=(API, "/assets/BillingPage")).attach(page)
        await page.goto(demo.info.url)
        await expect(page.get_by_role("heading", name="Allocations")).to_be_visible()
        await page.route("**/assets/BillingPage*", lambda route: route.abort())
        await page.get_by_role("link", name="Billing", exact=True).click()
        await expect(page.get_by_role("alert")).to_contain_text("did not answer")
        await look(page, watch, "unfetched")
        await page.route("**/api/v1/me", lambda route: route.abort())
        await page.goto(demo.info.url)
        await expect(page.get_by_role("alert")).to_contain_text("did not answer")
        await look(page, watch, "unknown-session")
        await context.close()
        assert watch.findings == []


class TestCookies:
    async def test_keep_the_session_from_scripts_and_other_sites(
        self, browser: Browser, demo: Demo, world: World
    ) -> None:
        context = await new_context(browser, world.customer)
        cookies = await context.cookies()
        await context.close()
        assert [(cookie.get("httpOnly"), cookie.get("sameSite"), cookie.get("path")) for cookie in cookies] == [
            (True, "Lax", "/")
        ]

    async def test_remember_the_colour_scheme_and_nothing_else(
        self, browser: Browser, demo: Demo, world: World
    ) -> None:
        context = await new_context(browser, world.customer)
        page = await context.new_page()
        await page.goto(demo.info.url)
        await page.get_by_role("button", name="Account menu").click()
        await page.get_by_role("menuitemradio", name="Dark").click()
        await page.reload()
        assert await page.evaluate("() => getComputedStyle(document.documentElement).colorScheme") == "dark"
        cookies = {cookie.get("name"): cookie for cookie in await context.cookies()}
        await context.close()
        assert len(cookies) == 2
        assert cookies["sublet_theme"].get("value") == "dark"
        assert cookies["sublet_theme"].get("sameSite") == "Lax"


class TestTheKeyboard:
    async def test_alone_signs_in_and_opens_the_launch_page(self, browser: Browser, demo: Demo) -> None:
        person = new_customer(demo)
        context = await new_context(browser, None)
        page = await context.new_page()
        await page.goto(demo.info.url)
        await expect(page.get_by_label("Email")).to_be_focused()
        await page.keyboard.type(person.email)
        await page.keyboard.press("Tab")
        await page.keyboard.type(PASSWORD)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Allocations", exact=True)).to_be_visible()

        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        launch = page.get_by_role("navigation", name="Main").get_by_role("link", name="Launch", exact=True)
        await self._tab_to(page, launch)
        assert await launch.evaluate("link => getComputedStyle(link).outlineStyle") != "none"
        await page.keyboard.press("Enter")
        await page.wait_for_url(re.compile("/launch$"))
        await expect(page.get_by_role("main")).to_be_focused()

        chosen = page.locator("input[name=offer]:checked")
        await self._tab_to(page, chosen)
        first = await chosen.get_attribute("value")
        await page.keyboard.press("ArrowDown")
        assert await chosen.get_attribute("value") != first
        await picture(page, "pages/keyboard-launch")
        await context.close()

    async def _tab_to(self, page: Page, target: Locator) -> None:
        """Press Tab until the focus is there; the way must not be long."""
        for _ in range(15):
            await page.keyboard.press("Tab")
            if await target.evaluate("element => element === document.activeElement"):
                return
        pytest.fail(f"fifteen presses of Tab do not lead to {target}")
