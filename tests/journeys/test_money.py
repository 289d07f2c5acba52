"""Money in the browser: a refund asked, decided, failed and repeated; a dispute until it is lost; a month closed."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from playwright.async_api import Browser, Locator, Page, expect

from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.journeys.people import Person, enter, new_customer, the_operator, until
from tests.support.browser import picture
from tests.support.demo import Demo

pytestmark = [pytest.mark.anyio, pytest.mark.browser, pytest.mark.node]

REFUND_FAILS = "4000000000005126"
DISPUTED = "4000000000000259"
PLAIN = "4242424242424242"
SLOW_MS = 30_000


def paid(person: Person, amount: str, card: str) -> str:
    """A top-up with a card, once its money is there; its id."""
    top_up = person.try_card(amount, card)
    until("the payment", lambda: person.get(f"/top-ups/{top_up}")["state"] == "succeeded")
    return top_up


async def ask_back(page: Page, url: str, top_up: str, amount: str, reason: str) -> None:
    """Ask for so much of a payment, as the customer."""
    await page.goto(f"{url}/billing?view=refunds")
    await page.get_by_role("button", name=f"Ask for a refund of {top_up}").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Amount, in USD").fill(amount)
    await dialog.get_by_label("Why").fill(reason)
    await dialog.get_by_role("button", name="Ask for it").click()
    await expect(dialog).to_be_hidden()


async def open_decision(page: Page, url: str, reason: str, verb: str, answer: str) -> Locator:
    """Answer what somebody asked for with that reason, as an operator; the dialog after that."""
    await page.goto(f"{url}/operator/money/requests?state=requested")
    await page.get_by_role("row").filter(has_text=reason).get_by_role("button", name=re.compile(f"^{verb} ")).click()
    dialog = page.get_by_role("dialog")
    if verb == "Grant":
        await expect(dialog.get_by_text("Can go back")).to_be_visible(timeout=SLOW_MS)
    await dialog.get_by_label("What the customer reads").fill(answer)
    await dialog.get_by_role("button", name=verb).click()
    return dialog


async def grant(asker: Page, second: Page, url: str, reason: str) -> None:
    """Grant it, which takes two where it is above 20.00: one asks, somebody else approves, and the first does it."""
    dialog = await open_decision(asker, url, reason, "Grant", "Of course")
    await expect(dialog.get_by_text("Somebody else has to approve it first")).to_be_visible(timeout=SLOW_MS)
    await second.goto(f"{url}/operator/approvals?state=requested")
    row = second.get_by_role("row").filter(has_text=reason)
    await row.get_by_role("button", name=re.compile("^Approve: ")).click()
    approval = second.get_by_role("dialog")
    await approval.get_by_label("Why").fill("I read the request")
    await approval.get_by_role("button", name="Approve").click()
    await expect(approval).to_be_hidden(timeout=SLOW_MS)
    await expect(await open_decision(asker, url, reason, "Grant", "Of course")).to_be_hidden(timeout=SLOW_MS)


def another_operator(demo: Demo) -> Person:
    """A second operator: what takes two, one cannot do alone."""
    person = new_customer(demo, "Grace")
    postgres = EmbeddedPostgres(Path(demo.info.data_directory) / "postgres")
    with psycopg.connect(postgres.owner_url, autocommit=True) as owner:
        owner.execute("UPDATE user_account SET platform_roles = '{admin}' WHERE email = %s", (person.email,))
    return person


class TestARefund:
    async def test_is_asked_for_granted_sent_back_and_the_next_one_declined(self, browser: Browser, demo: Demo) -> None:
        url, person = demo.info.url, new_customer(demo, "Mary")
        top_up = paid(person, "40.00", PLAIN)
        customer, page = await enter(browser, person)
        operator, desk = await enter(browser, the_operator(demo))
        other, second = await enter(browser, another_operator(demo))

        await ask_back(page, url, top_up, "25.00", "too many, says Mary")
        assert person.get("/wallet")["available"]["amount"] == "40.00"
        await picture(page, "money/1-asked")
        await grant(desk, second, url, "too many, says Mary")
        await picture(desk, "money/2-granted")
        until("the refund", lambda: person.get("/refunds")["items"][0]["state"] == "succeeded")
        await page.goto(f"{url}/billing?view=refunds")
        await expect(page.get_by_text("Answer: Of course")).to_be_visible()
        await expect(page.get_by_text("It went to the card that paid.")).to_be_visible()
        assert person.get("/wallet")["available"]["amount"] == "15.00"

        await ask_back(page, url, top_up, "15.00", "all of it, says Mary")
        declined = await open_decision(desk, url, "all of it, says Mary", "Decline", "It ran for you")
        await expect(declined).to_be_hidden(timeout=SLOW_MS)
        await page.reload()
        await expect(page.get_by_text("Answer: It ran for you")).to_be_visible()
        await picture(page, "money/3-declined")
        assert person.get("/wallet")["available"]["amount"] == "15.00"
        for window in (customer, operator, other):
            await window.close()

    async def test_that_the_card_does_not_take_is_back_in_the_balance_and_can_be_asked_for_again(
        self, browser: Browser, demo: Demo
    ) -> None:
        url, person = demo.info.url, new_customer(demo, "Rosa")
        top_up = paid(person, "40.00", REFUND_FAILS)
        customer, page = await enter(browser, person)
        operator, desk = await enter(browser, the_operator(demo))
        other, second = await enter(browser, another_operator(demo))
        for time in ("first", "second"):
            await ask_back(page, url, top_up, "28.00", f"the {time} time, says Rosa")
            await grant(desk, second, url, f"the {time} time, says Rosa")
            until(
                "the card to refuse it", lambda: {one["state"] for one in person.get("/refunds")["items"]} == {"failed"}
            )
            assert person.get("/wallet")["available"]["amount"] == "40.00"
        await page.goto(f"{url}/billing?view=refunds")
        await expect(page.get_by_text("The card did not take it. The money is back in your balance.")).to_have_count(2)
        await desk.goto(f"{url}/operator/money/refunds?state=failed")
        await expect(desk.get_by_text("the second time, says Rosa")).to_be_visible()
        await picture(desk, "money/4-failed")
        for window in (customer, operator, other):
            await window.close()


class TestADispute:
    async def test_is_shown_with_its_deadline_until_it_is_lost(self, browser: Browser, demo: Demo) -> None:
        url, person = demo.info.url, new_customer(demo, "Emmy")
        top_up = paid(person, "25.00", DISPUTED)
        clerk = the_operator(demo)

        def dispute() -> Any:
            return next((one for one in clerk.get("/admin/disputes")["items"] if one["top_up_id"] == top_up), None)

        until("the dispute to be open", lambda: (dispute() or {}).get("state") == "open")
        operator, desk = await enter(browser, clerk)
        await desk.goto(f"{url}/operator/money/disputes?state=open")
        row = desk.get_by_role("row").filter(has_text=top_up)
        await expect(row).to_contain_text("The processor holds $25.00 for it.")
        due_by = dispute()["due_by"]
        assert due_by is not None
        await expect(row.locator(f'time[datetime="{due_by}"]')).to_be_visible()
        await picture(desk, "money/5-disputed")

        self._lose(demo, dispute()["processor_id"])
        until("the dispute to be lost", lambda: dispute()["state"] == "lost")
        await desk.goto(f"{url}/operator/money/disputes?state=lost")
        lost = desk.get_by_role("row").filter(has_text=top_up)
        await expect(lost).to_contain_text("The customer was charged $25.00.")
        await expect(lost.locator(f'time[datetime="{due_by}"]')).to_have_count(0)
        assert person.get("/wallet")["available"]["amount"] == "0.00"
        await picture(desk, "money/6-lost")
        await operator.close()

    def _lose(self, demo: Demo, processor_id: str) -> None:
        key = (Path(demo.info.data_directory) / "keys" / "stripe-api-key").read_text(encoding="utf-8").strip()
        answer = httpx.post(
            f"{demo.info.sandbox}/_sandbox/disputes/{processor_id}",
            json={"status": "lost"},
            headers={"Authorization": f"Bearer {key}"},
            timeout=20,
        )
        assert answer.is_success, answer.text


class TestAMonth:
    async def test_is_closed_by_an_accountant_who_takes_it_away_as_a_file(self, browser: Browser, demo: Demo) -> None:
        earlier, month = _months_before(datetime.now(UTC))
        # The demo's books begin today: a month before that is there once the one before it is closed.
        postgres = EmbeddedPostgres(Path(demo.info.data_directory) / "postgres")
        with psycopg.connect(postgres.owner_url, autocommit=True) as owner:
            owner.execute("SELECT ledger.close_month(%s, 'usr_1')", (earlier,))
        operator, desk = await enter(browser, the_operator(demo))
        await desk.goto(f"{demo.info.url}/operator/money/months")
        await desk.get_by_role("button", name=f"Close {month}").click()
        dialog = desk.get_by_role("alertdialog")
        await expect(dialog).to_contain_text("This cannot be undone.")
        await dialog.get_by_role("button", name="Close the month").click()
        await expect(dialog).to_be_hidden(timeout=SLOW_MS)
        row = desk.get_by_role("row").filter(has_text=month)
        await expect(row).to_contain_text("Closed")
        await expect(desk.get_by_role("button", name=f"Close {month}")).to_have_count(0)
        await picture(desk, "money/7-closed")
        await row.get_by_role("link", name=month, exact=True).click()
        await expect(desk.get_by_text("As it was closed.")).to_be_visible()
        async with desk.expect_download() as downloading:
            await desk.get_by_role("link", name=f"Download CSV: {month}").click()
        assert (await downloading.value).suggested_filename == f"month-{month}.csv"
        await operator.close()


def _months_before(now: datetime) -> tuple[str, str]:
    """The month before the last, and the last."""
    count = now.year * 12 + now.month - 1
    earlier, last = (f"{one // 12}-{one % 12 + 1:02}" for one in (count - 2, count - 1))
    return earlier, last
