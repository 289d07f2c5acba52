"""The operator's work in the browser: something to sell, its price, the nodes that serve it, and who uses them."""

import re
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from playwright.async_api import Browser, Page, expect

from tests.journeys.people import enter, new_customer, the_operator
from tests.support.browser import picture
from tests.support.demo import Demo

pytestmark = [pytest.mark.anyio, pytest.mark.browser, pytest.mark.node]

SLOW_MS = 20_000


@pytest.fixture
async def console(browser: Browser, demo: Demo) -> AsyncIterator[Page]:
    """The operator's console, entered through its own sign-in."""
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    page = await context.new_page()
    await page.goto(f"{demo.info.url}/operator")
    await page.get_by_label("Email").fill(demo.info.operator.email)
    await page.get_by_label("Password").fill(demo.info.operator.password)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Nodes", exact=True)).to_be_visible()
    yield page
    await context.close()


async def open_page(page: Page, link: str) -> None:
    await page.get_by_role("navigation", name="Main").get_by_role("link", name=link, exact=True).click()
    await expect(page.get_by_role("heading", name=link, exact=True)).to_be_visible()


class TestTheCatalogue:
    async def test_gets_a_sku_whose_prices_are_all_remembered(
        self, console: Page, browser: Browser, demo: Demo
    ) -> None:
        code = f"journey-{uuid4().hex[:6]}"
        await open_page(console, "SKUs and prices")
        await console.get_by_role("button", name="Create SKU").click()
        dialog = console.get_by_role("dialog")
        await dialog.get_by_label("Code").fill(code)
        await dialog.get_by_label("Name").fill("Journey shape")
        await dialog.get_by_label("Disk in GiB").fill("3")
        await dialog.get_by_role("button", name="Create SKU").click()
        await expect(console.get_by_role("heading", name=f"Prices of {code}")).to_be_visible()
        await expect(console.get_by_text("No price yet")).to_be_visible()

        for rate in ("0.36", "0.4825"):
            await self._price(console, rate)
        rows = console.get_by_role("row")
        await expect(rows).to_have_count(3)
        await expect(rows.filter(has_text="In effect")).to_contain_text("$0.4825/h")
        await expect(rows.filter(has_text="Past")).to_contain_text("$0.36/h")
        await picture(console, "operator/prices")

        context, shop = await enter(browser, new_customer(demo))
        await shop.goto(f"{demo.info.url}/launch")
        await expect(shop.get_by_role("row").filter(has_text=code)).to_contain_text("$0.4825/h")

        await open_page(console, "SKUs and prices")
        await console.get_by_role("button", name=f"Deactivate {code}").click()
        await console.get_by_role("alertdialog").get_by_role("button", name="Deactivate").click()
        await expect(console.get_by_role("row").filter(has_text=code)).to_contain_text("Inactive")
        await shop.reload()
        await expect(shop.get_by_role("row").filter(has_text="cpu-small")).to_be_visible()
        await expect(shop.get_by_role("row").filter(has_text=code)).to_have_count(0)
        await context.close()

    async def _price(self, console: Page, rate: str) -> None:
        await console.get_by_role("button", name="Create price").click()
        dialog = console.get_by_role("dialog")
        await dialog.get_by_label("Rate per hour", exact=True).fill(rate)
        await dialog.get_by_label("For some hours").check()
        await dialog.get_by_label("Hours", exact=True).fill("4")
        await dialog.get_by_label("Rate per hour while suspended").fill("0.01")
        await dialog.get_by_label("Rate per hour for its disk alone").fill("0.001")
        await dialog.get_by_label("Currency").fill("USD")
        await dialog.get_by_role("button", name="Create price").click()
        await expect(dialog).to_have_count(0)
        await expect(console.get_by_role("row").filter(has_text="In effect")).to_contain_text(f"${rate}/h")


class TestTheNode:
    async def test_shows_what_its_kernel_enforces(self, console: Page, demo: Demo) -> None:
        await console.get_by_role("link", name=demo.info.node.name, exact=True).click()
        panel = console.get_by_role("region", name="Capabilities")
        for limit in ("CPU", "Memory", "Processes", "Devices"):
            line = panel.get_by_role("listitem").filter(has_text=re.compile(f"^{limit}"))
            await expect(
                line.get_by_text("Enforced" if demo.info.node.limits_enforced else "Not enforced")
            ).to_be_visible()
        await expect(console.get_by_role("region", name="Capacity").get_by_role("row")).to_have_count(5)
        await picture(console, "operator/node")

    async def test_takes_no_new_work_while_it_is_cordoned(self, console: Page, browser: Browser, demo: Demo) -> None:
        context, shop = await enter(browser, new_customer(demo))
        offer = shop.get_by_role("row").filter(has_text="cpu-small")
        await console.get_by_role("link", name=demo.info.node.name, exact=True).click()
        await console.get_by_role("button", name="Cordon").click()
        await console.get_by_role("alertdialog").get_by_role("button", name="Cordon").click()
        await expect(console.get_by_role("heading", name=re.compile("Cordoned"))).to_be_visible()
        try:
            await shop.goto(f"{demo.info.url}/launch")
            await expect(offer).to_contain_text("Nothing of this kind is free now.")
            await expect(offer.get_by_role("cell", name="0", exact=True)).to_be_visible()
            await picture(shop, "operator/cordoned-offers")
        finally:
            await console.get_by_role("button", name="Uncordon").click()
            await expect(console.get_by_role("heading", name=re.compile("Ready"))).to_be_visible()
        await shop.reload()
        await expect(offer).not_to_contain_text("Nothing of this kind is free now.")
        await context.close()

    async def test_joins_by_one_command_and_its_checklist_says_what_is_missing(self, console: Page) -> None:
        name = f"node-{uuid4().hex[:6]}"
        await console.get_by_role("link", name="Add node").click()
        await console.get_by_label("Name").fill(name)
        await console.get_by_label("Address").fill(f"{name}.example")
        await console.get_by_role("button", name="Add node").click()
        command = console.get_by_role("region", name="Run this on the server, as root").locator("code")
        await expect(command).to_contain_text("sublet-node")
        await expect(command).to_contain_text("enrol")
        checklist = console.get_by_role("region", name="Enrolment").get_by_role("listitem")
        await expect(checklist.filter(has_text="Added")).to_contain_text("Done")
        for step in ("Joined", "Host certificate", "Connected back", "Accepting work"):
            await expect(checklist.filter(has_text=step).first).to_contain_text("Waiting")
        await picture(console, "operator/join")
        await console.get_by_role("link", name="Open node").click()
        await expect(console.get_by_role("heading", name=re.compile(f"{name}.*Enrolling"))).to_be_visible()


class TestTheCustomers:
    async def test_allocations_are_listed_with_whose_they_are_and_for_how_long(self, console: Page, demo: Demo) -> None:
        customer = new_customer(demo, f"Customer {uuid4().hex[:6]}")
        customer.pay("20.00")
        try:
            allocation = customer.launch("cpu-small", "listed")
            whose = customer.get("/me")["organization"]["name"]
            await open_page(console, "Allocations")
            row = console.get_by_role("row").filter(has_text=allocation)
            await expect(row).to_contain_text("Active", timeout=SLOW_MS)
            await expect(row).to_contain_text(whose)
            await expect(row).to_contain_text(demo.info.node.name)
            await console.get_by_label("State").select_option("suspended")
            await expect(console).to_have_url(re.compile("state=suspended"))
            await expect(row).to_have_count(0)
        finally:
            customer.release_all()
        await console.get_by_label("State").select_option("released")
        await expect(row).to_contain_text("Released")
        await picture(console, "operator/allocations")

    async def test_have_no_operator_console(self, browser: Browser, demo: Demo) -> None:
        customer = new_customer(demo)
        context, page = await enter(browser, customer)
        await page.goto(demo.info.url)
        navigation = page.get_by_role("navigation", name="Main")
        await expect(navigation.get_by_role("link", name="Billing")).to_be_visible()
        await expect(navigation.get_by_role("link", name="Operator console")).to_have_count(0)
        await page.goto(f"{demo.info.url}/operator/nodes")
        await expect(page.get_by_role("heading", name="This page is for operators")).to_be_visible()
        for path in ("/admin/nodes", "/admin/skus", "/admin/prices", "/admin/allocations"):
            answer = customer.http.get(f"/api/v1{path}")
            assert (path, answer.status_code, answer.json()["code"]) == (path, 403, "permission_denied")
        await context.close()

    async def test_of_an_operator_who_is_one_too_reach_both_consoles(self, console: Page, demo: Demo) -> None:
        assert the_operator(demo).get("/me")["platform_roles"]
        await console.get_by_role("link", name="Customer console").click()
        await expect(console.get_by_role("heading", name="Allocations", exact=True)).to_be_visible()
        await console.get_by_role("link", name="Operator console").click()
        await expect(console.get_by_role("heading", name="Nodes", exact=True)).to_be_visible()
