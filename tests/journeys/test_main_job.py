"""The main job in a real browser on a real node: rent a machine, use it, pay for it, give it back."""

import asyncio
import json
import re
import time
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from tests.support.browser import picture
from tests.support.demo import Demo

pytestmark = [pytest.mark.anyio, pytest.mark.browser, pytest.mark.node]

PASSWORD = "seven quiet otters 42"
MICRO = Decimal(1_000_000)


async def sign_up(page: Page, url: str) -> None:
    await page.goto(f"{url}/sign-up")
    await page.get_by_label("Email").fill(f"{uuid4().hex[:10]}@journey.example")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_label("Your name").fill("Journey")
    await page.get_by_role("button", name="Sign up").click()
    await page.wait_for_url(re.compile(r"/$"))


async def pay(page: Page, number: str = "4242 4242 4242 4242") -> None:
    email = page.get_by_label("Email")
    if await email.count():
        await email.fill("journey@example.com")
    await page.get_by_label("Card number").fill(number)
    await page.get_by_label(re.compile("^Expir")).fill("12 / 34")
    await page.get_by_label("CVC").fill("123")
    await page.get_by_label(re.compile("^(Cardholder name|Name on card)", re.IGNORECASE)).fill("Journey")
    await page.get_by_role("button", name=re.compile("^Pay")).click()


async def top_up(page: Page, url: str, shots: str) -> None:
    await page.goto(f"{url}/billing")
    await page.get_by_role("button", name="Add funds").first.click()
    await page.get_by_role("radio", name=re.compile("20")).first.check(force=True)
    await picture(page, f"{shots}/02-add-funds")
    await page.get_by_role("button", name="Continue to payment").click()
    await page.wait_for_url(re.compile("/c/pay/"))
    await picture(page, f"{shots}/03-card")
    await pay(page)
    await page.wait_for_url(re.compile(re.escape(url)))
    await expect(page.get_by_text(re.compile("20.00 added"))).to_be_visible(timeout=15_000)
    await picture(page, f"{shots}/04-funds-added")


async def launch(page: Page, url: str, shots: str) -> str:
    await page.goto(f"{url}/launch")
    await page.get_by_role("radio", name=re.compile("Small CPU")).check(force=True)
    await picture(page, f"{shots}/05-launch")
    await page.get_by_role("button", name=re.compile("^Launch")).last.click()
    await page.wait_for_url(re.compile(r"/allocations/al_[a-z2-7]+"))
    found = re.search(r"al_[a-z2-7]+", page.url)
    assert found is not None
    return found[0]


async def type_and_read(page: Page, command: str, expected: str) -> None:
    terminal = page.locator(".xterm")
    await terminal.wait_for(timeout=20_000)
    await page.wait_for_function("() => /[$#] *$/m.test(document.querySelector('.xterm-rows')?.innerText ?? '')")
    await page.locator(".xterm-helper-textarea").focus()
    await page.keyboard.type(command)
    await page.keyboard.press("Enter")
    await expect(page.locator(".xterm-rows")).to_contain_text(expected, timeout=10_000)


async def api(page: Page, path: str) -> Any:
    answer = await page.request.get(f"{path}")
    assert answer.ok, await answer.text()
    return await answer.json()


def micro(money: dict[str, str]) -> int:
    return int(Decimal(money["amount"]) * MICRO)


class TestTheMainJob:
    async def test_from_signing_up_to_books_that_balance(self, browser: Browser, demo: Demo, tmp_path: Path) -> None:
        url, shots = demo.info.url, "main-job"
        page = await browser.new_page(viewport={"width": 1280, "height": 900})
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))

        began = time.monotonic()
        await sign_up(page, url)
        await picture(page, f"{shots}/01-signed-up")
        await top_up(page, url, shots)
        allocation_id = await launch(page, url, shots)
        await page.wait_for_url(re.compile(r"/terminal$"), timeout=30_000)
        await type_and_read(page, "echo $((6*7)) $(id -un)", "42 al-")
        assert time.monotonic() - began < 60, "from signing up to the first prompt took over a minute"
        await picture(page, f"{shots}/06-terminal")

        base = f"{url}/api/v1/allocations/{allocation_id}"
        before = micro((await api(page, base))["cost"]["total"])
        await page.goto(f"{url}/allocations/{allocation_id}")
        await self._cost_grows(page, before)
        await picture(page, f"{shots}/07-cost-grows")

        await self._plain_ssh(page, url, base, tmp_path)
        await self._release(page, base)
        await picture(page, f"{shots}/08-released")
        await self._books_balance(page, url, base, allocation_id)
        await page.goto(f"{url}/billing?view=ledger")
        await expect(page.get_by_role("row").nth(2)).to_be_visible()
        await picture(page, f"{shots}/09-ledger")
        assert problems == []
        checks = json.loads(demo.sublet("admin", "reconcile", "--json", operator=True).stdout)["checks"]
        assert checks
        assert all(check["ok"] for check in checks), checks

    async def _cost_grows(self, page: Page, before: int) -> None:
        """The figure on the page itself, as the customer sees it, without a reload."""
        figure = page.get_by_role("region", name="Cost").locator("dd data").first
        async with asyncio.timeout(30):
            while (shown := await figure.get_attribute("value")) is None or int(Decimal(shown) * MICRO) <= before:
                await asyncio.sleep(0.2)

    async def _plain_ssh(self, page: Page, url: str, base: str, tmp_path: Path) -> None:
        key = tmp_path / "key"
        await self._run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
        cookies = {cookie["name"]: cookie["value"] for cookie in await page.context.cookies()}
        async with httpx.AsyncClient(cookies=cookies, headers={"Origin": url}) as client:
            answer = await client.post(
                f"{base}/ssh-certificates", json={"public_key": key.with_suffix(".pub").read_text()}
            )
        assert answer.status_code == 201, answer.text
        access = answer.json()
        (tmp_path / "key-cert.pub").write_text(access["certificate"] + "\n")
        (tmp_path / "known_hosts").write_text(access["known_hosts"] + "\n")
        printed = await self._run(
            *("ssh", "-F", "none", "-i", str(key), "-o", f"CertificateFile={tmp_path / 'key-cert.pub'}"),
            *("-o", f"UserKnownHostsFile={tmp_path / 'known_hosts'}", "-o", "StrictHostKeyChecking=yes"),
            *("-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"),
            *("-p", str(access["port"]), f"{access['login']}@{access['host']}", "echo plain ssh; id -un"),
        )
        assert printed.split("\n")[:2] == ["plain ssh", access["login"]]

    async def _run(self, *command: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 0, err.decode()
        return out.decode()

    async def _release(self, page: Page, base: str) -> None:
        await page.get_by_role("button", name="Release").first.click()
        await page.get_by_role("alertdialog").get_by_role("button", name="Release").click()
        async with asyncio.timeout(30):
            while (found := await api(page, base))["state"] != "released":
                assert found["state"] in {"active", "releasing"}, found
                await asyncio.sleep(0.1)
        assert found["evidence"]["clean"]
        assert all(check["clean"] for check in found["evidence"]["checks"])
        await expect(page.get_by_text("Evidence of release")).to_be_visible(timeout=10_000)

    async def _books_balance(self, page: Page, url: str, base: str, allocation_id: str) -> None:
        allocation = await api(page, base)
        wallet = await api(page, f"{url}/api/v1/wallet")
        entries = (await api(page, f"{url}/api/v1/wallet/entries?limit=200"))["items"]
        charges = (await api(page, f"{base}/charges?limit=200"))["items"]
        assert sum(micro(entry["amount"]) for entry in entries) == micro(wallet["balance"])
        assert micro(entries[0]["balance_after"]) == micro(wallet["balance"])
        assert micro(wallet["held"]) == 0
        seconds = sum(charge["seconds"] for charge in charges)
        assert seconds == allocation["delivered_seconds"]
        assert seconds > 0
        rate = Decimal(allocation["price"]["per_hour"]["amount"])
        exact = (rate * MICRO * seconds / 3600).to_integral_value(ROUND_FLOOR)
        assert sum(micro(charge["amount"]) for charge in charges) == exact
        assert micro(allocation["cost"]["charged"]) == exact
        assert 20 * MICRO - micro(wallet["balance"]) == exact
        assert allocation_id == allocation["id"]
