"""A saved card in the browser: auto top-up whose bank asks for its holder by mail, and one that is declined thrice."""

import re
from pathlib import Path

import psycopg
import pytest
from playwright.async_api import Browser, Page, expect

from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.journeys.people import Person, enter, new_customer, until
from tests.support.browser import picture
from tests.support.demo import Demo

pytestmark = [pytest.mark.anyio, pytest.mark.browser, pytest.mark.node]

ASKS_EACH_TIME = "4000 0027 6000 3184"
SAVES_AND_DECLINES = "4000 0000 0000 0341"
SLOW_MS = 30_000


async def read_mail(page: Page, demo: Demo, person: Person, subject: str) -> None:
    """Open a mail of the person's in the sandbox's mailbox, once it has come."""
    found = page.get_by_role("listitem").filter(has_text=person.email).filter(has_text=subject)
    for _ in range(60):
        await page.goto(f"{demo.info.sandbox}/mail")
        if await found.count():
            break
        await page.wait_for_timeout(500)
    await found.first.get_by_role("link").click()
    await expect(page.get_by_role("heading", name=subject)).to_be_visible()


async def verify_address(page: Page, demo: Demo, person: Person) -> None:
    """Follow the link of the mail that came with the sign-up: mail goes to verified addresses alone."""
    await read_mail(page, demo, person, "address")
    await page.locator("a[href*='/verify-email#']").first.click()
    await page.get_by_role("button", name="Confirm").click()
    await expect(page.get_by_text("Your address is verified")).to_be_visible()


async def save_card(page: Page, url: str, number: str) -> None:
    """Save a card on the processor's page, and come back."""
    await page.goto(f"{url}/billing?view=cards")
    await page.get_by_role("button", name="Save a card").click()
    await expect(page.get_by_role("heading", name="Save a card")).to_be_visible()
    await page.get_by_label("Card number").fill(number)
    await page.get_by_label("Expiration").fill("12 / 34")
    await page.get_by_label("CVC").fill("123")
    await page.get_by_label("Cardholder name").fill("Journey")
    await page.get_by_role("button", name="Save card").click()
    if number == ASKS_EACH_TIME:
        await page.wait_for_url(re.compile("/c/challenge/"))
        await page.get_by_role("button", name="Complete").click()
    await expect(page.get_by_text("Card saved")).to_be_visible(timeout=SLOW_MS)
    await expect(page.get_by_text(re.compile(f"ending in {number[-4:]}")).first).to_be_visible()


async def turn_on(page: Page, url: str) -> None:
    """Have 20.00 charged when the funds are below 10.00, and never more than 200.00 in a month."""
    await page.goto(f"{url}/billing?view=cards")
    await page.get_by_role("button", name="Turn on").click()
    dialog = page.get_by_role("dialog", name="Auto top-up")
    await dialog.get_by_label(re.compile("^Top up when funds are below")).fill("10.00")
    await dialog.get_by_label("Amount, in USD").fill("20.00")
    await dialog.get_by_label(re.compile("^Never more in a month")).fill("200.00")
    await dialog.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Your funds are at or above the threshold.")).to_be_visible(timeout=SLOW_MS)


def spend_a_little(person: Person) -> None:
    """Run a machine for a moment and give it back, which is charged: the funds fall below what they were."""
    used = person.launch("gpu-1", "a-moment")
    until("something to charge for", lambda: person.get(f"/allocations/{used}")["delivered_seconds"] > 0)
    person.release_all()


def charges(person: Person) -> list[dict[str, object]]:
    """What was charged by itself, newest first."""
    return [one for one in person.get("/top-ups")["items"] if one["purpose"] == "auto_top_up"]


def declined_before(demo: Demo, person: Person) -> None:
    """Two charges of the last hours that came to nothing: there is one an hour at most, and no journey takes three."""
    organization = person.get("/me")["organization"]["id"]
    postgres = EmbeddedPostgres(Path(demo.info.data_directory) / "postgres")
    with psycopg.connect(postgres.owner_url) as owner:
        owner.execute(
            "UPDATE auto_top_up SET set_at = set_at - interval '3 hours' WHERE organization_id = %s", (organization,)
        )
        for hours in (2, 1):
            of_then = {"id": f"tu_{organization[4:]}{hours}", "organization": organization, "hours": hours}
            owner.execute(
                "INSERT INTO top_up (id, purpose, saved_card_id, organization_id, installation_id, requested_by,"
                " amount, currency, return_path, success_url, cancel_url, created_at) "
                "SELECT %(id)s, 'auto_top_up', c.id, c.organization_id, i.id, 'auto_top_up', 20000000, 'USD',"
                " '/billing', 'https://x.test/', 'https://x.test/', clock_timestamp() - %(hours)s * interval '65 min' "
                "FROM saved_card c CROSS JOIN installation i WHERE c.organization_id = %(organization)s",
                of_then,
            )
            owner.execute(
                "UPDATE top_up SET state = 'failed', completed_at = created_at, failure_code = 'card_declined', "
                "failure_message = 'Your card was declined.' "
                "WHERE id = %(id)s",
                of_then,
            )


class TestAutoTopUp:
    async def test_that_the_bank_asks_about_waits_for_its_holder_and_credits_once(
        self, browser: Browser, demo: Demo
    ) -> None:
        url, person = demo.info.url, new_customer(demo, "Hedy")
        context, page = await enter(browser, person)
        await verify_address(page, demo, person)
        person.pay("10.00")
        await save_card(page, url, ASKS_EACH_TIME)
        await turn_on(page, url)
        await picture(page, "auto-top-up/1-on")
        assert charges(person) == []

        spend_a_little(person)
        until("the bank to ask", lambda: [one["state"] for one in charges(person)] == ["needs_action"])
        before = float(person.get("/wallet")["balance"]["amount"])
        assert before < 10
        await page.goto(f"{url}/billing?view=cards")
        await expect(page.get_by_text("There is no other charge until it has ended.")).to_be_visible(timeout=SLOW_MS)

        await read_mail(page, demo, person, "Your bank asks you to confirm")
        await picture(page, "auto-top-up/2-mail")
        await page.locator("a[href*='/billing?top_up=']").first.click()
        await expect(page.get_by_text("Your bank asks you to confirm")).to_be_visible(timeout=SLOW_MS)
        await picture(page, "auto-top-up/3-asked")
        await page.get_by_role("button", name="Confirm with your bank").click()
        await page.wait_for_url(re.compile("/c/challenge/"))
        await page.get_by_role("button", name="Complete").click()
        await expect(page.get_by_text("$20.00 added")).to_be_visible(timeout=SLOW_MS)
        await picture(page, "auto-top-up/4-added")

        [charge] = charges(person)
        credited = [
            one for one in person.get("/wallet/entries?kind=top_up")["items"] if one["source"]["id"] == charge["id"]
        ]
        assert [one["amount"]["amount"] for one in credited] == ["20.00"]
        assert round(float(person.get("/wallet")["balance"]["amount"]) - before, 6) == 20
        await page.goto(f"{url}/inbox")
        await expect(
            page.get_by_text("Receipt: $20.00 paid in").or_(page.get_by_text("Receipt: 20.00 USD paid in")).first
        ).to_be_visible(timeout=SLOW_MS)
        await context.close()

    async def test_that_is_declined_a_third_time_stops_and_says_so(self, browser: Browser, demo: Demo) -> None:
        url, person = demo.info.url, new_customer(demo, "Joan")
        context, page = await enter(browser, person)
        await verify_address(page, demo, person)
        person.pay("10.00")
        await save_card(page, url, SAVES_AND_DECLINES)
        await turn_on(page, url)
        declined_before(demo, person)

        spend_a_little(person)
        until("the third decline", lambda: [one["state"] for one in charges(person)] == ["failed"] * 3)
        before = person.get("/wallet")["balance"]["amount"]
        await page.goto(f"{url}/billing?view=cards")
        await expect(page.get_by_text("Stopped", exact=True)).to_be_visible(timeout=SLOW_MS)
        await expect(page.get_by_text(re.compile("Three charges in a row came to nothing"))).to_be_visible()
        await picture(page, "auto-top-up/5-stopped")
        await read_mail(page, demo, person, "Auto top-up has stopped")
        await page.locator("a[href*='/billing?view=cards']").first.click()
        await expect(page.get_by_text("Stopped", exact=True)).to_be_visible(timeout=SLOW_MS)
        spend_a_little(person)
        assert len(charges(person)) == 3
        assert float(person.get("/wallet")["balance"]["amount"]) < float(before)
        await context.close()
