"""Too little money in the middle of a launch: pay in place, and the launch goes on; and signing out ends everything."""

import asyncio
import re
import time
from dataclasses import dataclass, field

import pytest
from playwright.async_api import Browser, Page, Request, WebSocket, expect

from tests.journeys.people import Person, enter, new_customer, until
from tests.support.browser import picture
from tests.support.demo import Demo

pytestmark = [pytest.mark.anyio, pytest.mark.browser, pytest.mark.node]

DECLINED = "4000 0000 0000 0002"
CHALLENGED = "4000 0027 6000 3184"
SIGN_OUT_SECONDS = 5.0
SLOW_MS = 30_000


@dataclass
class Launches:
    """The launches that a page asked for: the idempotency key of each."""

    keys: list[str | None] = field(default_factory=list)

    def note(self, request: Request) -> None:
        """Remember a request if it is a launch."""
        if request.method == "POST" and request.url.endswith("/api/v1/allocations"):
            self.keys.append(request.headers.get("idempotency-key"))


async def launch_without_money(page: Page, url: str, name: str) -> None:
    """Choose a machine, and go to the payment page that is offered in place of the launch."""
    await page.goto(f"{url}/launch")
    await page.get_by_role("radio", name=re.compile("Small CPU")).check()
    await page.get_by_label("Name").fill(name)
    await expect(page.get_by_role("button", name=re.compile("^Launch for "))).to_be_disabled()
    await expect(page.get_by_text("less is available in your wallet").first).to_be_visible()
    await expect(page.get_by_role("heading", name="Add funds to launch")).to_be_visible()
    await picture(page, "low-funds/1-add-funds")
    await page.get_by_role("radio", name="$20.00").check(force=True)
    await page.get_by_role("button", name="Continue to payment").click()
    await page.wait_for_url(re.compile("/c/pay/"))


async def pay(page: Page, card: str) -> None:
    await page.get_by_label("Card number").fill(card)
    await page.get_by_label("Expiration").fill("12 / 34")
    await page.get_by_label("CVC").fill("123")
    await page.get_by_label("Cardholder name").fill("Journey")
    await page.get_by_role("button", name=re.compile("^Pay")).click()


class TestALaunchWithoutMoney:
    async def test_goes_on_by_itself_once_the_card_is_accepted(self, browser: Browser, demo: Demo) -> None:
        person = new_customer(demo)
        context, page = await enter(browser, person)
        launches = Launches()
        page.on("request", launches.note)
        await launch_without_money(page, demo.info.url, "paid-late")
        assert launches.keys == []

        await pay(page, DECLINED)
        await expect(page.get_by_role("alert")).to_contain_text("Your card was declined.")
        await picture(page, "low-funds/2-declined")
        assert person.get("/wallet")["balance"]["amount"] == "0.00"
        declined = until("news of the card", lambda: person.get("/top-ups")["items"][0]["failure"])
        assert declined["code"] == "card_declined"

        await pay(page, CHALLENGED)
        await page.wait_for_url(re.compile("/c/challenge/"))
        await picture(page, "low-funds/3-challenge")
        await page.get_by_role("button", name="Complete").click()
        try:
            await page.wait_for_url(re.compile(r"/allocations/al_[a-z2-7]+/terminal"), timeout=SLOW_MS)
            await expect(page.get_by_role("status").filter(has_text="Connected")).to_be_visible(timeout=SLOW_MS)
            await picture(page, "low-funds/4-terminal")
            assert len(launches.keys) == 1
            assert launches.keys[0]
            launched = person.get("/allocations?include_ended=true")["items"]
            assert [allocation["name"] for allocation in launched] == ["paid-late"]
            assert person.get("/wallet")["balance"]["amount"] == "20.00"
            await self._going_back_launches_nothing(page, person, launches)
        finally:
            person.release_all()
            await context.close()

    async def _going_back_launches_nothing(self, page: Page, person: Person, launches: Launches) -> None:
        """The address of the resumed launch, opened again, is answered with the same allocation."""
        top_up = person.get("/top-ups")["items"][0]["id"]
        offer = person.get("/offers")["items"][0]
        resumed = (
            f"/launch/resume/{offer['id']}/{offer['price']['id']}/{launches.keys[0]}/page/paid-late?top_up={top_up}"
        )
        await page.goto(f"{person.url}{resumed}")
        await page.wait_for_url(re.compile(r"/allocations/al_[a-z2-7]+$"))
        assert len(person.get("/allocations?include_ended=true")["items"]) == 1

    async def test_waits_when_the_payment_page_is_left_unpaid(self, browser: Browser, demo: Demo) -> None:
        person = new_customer(demo)
        context, page = await enter(browser, person)
        launches = Launches()
        page.on("request", launches.note)
        await launch_without_money(page, demo.info.url, "never-paid")
        await page.get_by_role("link", name="← Back").click()
        await expect(page.get_by_text("The payment was not made")).to_be_visible()
        await expect(page.get_by_label("Name")).to_have_value("never-paid")
        await expect(page.get_by_role("radio", name=re.compile("Small CPU"))).to_be_checked()
        await picture(page, "low-funds/5-unpaid")
        assert launches.keys == []
        assert person.get("/allocations?include_ended=true")["items"] == []
        await page.get_by_role("link", name="Continue to payment").click()
        await expect(page.get_by_role("heading", name="Pay with card")).to_be_visible()
        await context.close()


class TestSigningOut:
    async def test_ends_the_terminal_and_the_events_channel_of_other_tabs(self, browser: Browser, demo: Demo) -> None:
        person = new_customer(demo)
        person.pay("20.00")
        context, tab = await enter(browser, person)
        other, listing = await context.new_page(), await context.new_page()
        sockets: list[WebSocket] = []

        def opened_socket(socket: WebSocket) -> None:
            sockets.append(socket)

        for page in (other, listing):
            page.on("websocket", opened_socket)
        try:
            allocation = person.launch("cpu-small", "left-open")
            await listing.goto(demo.info.url)
            await expect(listing.get_by_text("Live", exact=True)).to_be_visible()
            await other.goto(f"{demo.info.url}/allocations/{allocation}/terminal")
            await expect(other.get_by_role("status").filter(has_text="Connected")).to_be_visible(timeout=SLOW_MS)
            opened = list(sockets)
            assert {socket.url.rsplit("/", 1)[1] for socket in opened} == {"terminal", "events"}

            await tab.goto(demo.info.url)
            await tab.get_by_role("button", name="Account menu").click()
            await tab.get_by_role("menuitem", name="Sign out").click()
            await tab.wait_for_url(re.compile("/sign-in"))
            signed_out = time.monotonic()
            async with asyncio.timeout(SIGN_OUT_SECONDS):
                while not all(socket.is_closed() for socket in opened):
                    await asyncio.sleep(0.05)
            left = (SIGN_OUT_SECONDS - (time.monotonic() - signed_out)) * 1000
            for page in (other, listing):
                await expect(page.get_by_role("heading", name="Sign in")).to_be_visible(timeout=max(left, 1000))
            await picture(other, "low-funds/6-signed-out")
        finally:
            person.release_all()
            await context.close()
