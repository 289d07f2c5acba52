"""People of the journeys: customers who sign up, and the demo's operator, over HTTP as a browser speaks it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import httpx
from playwright.async_api import Browser, BrowserContext, Page

from tests.support import waiting
from tests.support.demo import Demo

PASSWORD = "seven quiet otters 42"
until = partial(waiting.until, seconds=60.0, pause=0.1)


@dataclass(frozen=True)
class Person:
    """Somebody with an account, signed in over HTTP."""

    url: str
    email: str
    password: str
    http: httpx.Client

    def get(self, path: str) -> Any:
        """GET below /api/v1."""
        return self._checked(self.http.get(f"/api/v1{path}"))

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """POST JSON below /api/v1."""
        return self._checked(self.http.post(f"/api/v1{path}", json=body or {}))

    def _checked(self, answer: httpx.Response) -> Any:
        assert answer.is_success, f"{answer.request.method} {answer.request.url}: {answer.text}"
        return answer.json() if answer.content else None

    def try_card(self, amount: str, number: str) -> str:
        """Ask for a top-up and send a card to the payment page; the top-up's id."""
        top_up = self.post("/top-ups", {"amount": amount, "currency": "USD"})
        page = str(top_up["checkout_url"])
        card = {"cardNumber": number, "cardExpiry": "12 / 34", "cardCvc": "123"}
        with httpx.Client(timeout=30) as browser:
            browser.get(page).raise_for_status()
            browser.post(page, data={"email": self.email, "billingName": "Journey", **card})
        return str(top_up["id"])

    def pay(self, amount: str) -> None:
        """Top up with a card that succeeds, and wait for the money."""
        top_up = self.try_card(amount, "4242424242424242")
        until("the payment", lambda: self.get(f"/top-ups/{top_up}")["state"] == "succeeded")

    def launch(self, code: str, name: str) -> str:
        """Launch an offer and wait until it is active; the allocation's id."""
        offer = next(offer for offer in self.get("/offers")["items"] if offer["sku"]["code"] == code)
        launched: str = self.post("/allocations", {"offer_id": offer["id"], "name": name})["id"]
        self.wait_for(launched, "active")
        return launched

    def wait_for(self, allocation_id: str, state: str) -> None:
        """Wait until an allocation is in a state."""
        until(f"{allocation_id} to be {state}", lambda: self.get(f"/allocations/{allocation_id}")["state"] == state)

    def release_all(self) -> None:
        """Give everything back, so that whoever comes next finds the node empty."""
        held = [item["id"] for item in self.get("/allocations")["items"]]
        for allocation_id in held:
            self.post(f"/allocations/{allocation_id}/release")
        for allocation_id in held:
            self.wait_for(allocation_id, "released")


OPEN_CLIENTS: list[httpx.Client] = []
"""Closed at the end of the run."""


def _client(url: str) -> httpx.Client:
    client = httpx.Client(base_url=url, headers={"Origin": url}, timeout=30)
    OPEN_CLIENTS.append(client)
    return client


def new_customer(demo: Demo, name: str = "Journey") -> Person:
    """A customer who has just signed up, with an empty wallet."""
    email = f"{uuid4().hex[:10]}@journey.example"
    person = Person(demo.info.url, email, PASSWORD, _client(demo.info.url))
    person.post("/auth/signup", {"email": email, "password": PASSWORD, "name": name})
    return person


def the_operator(demo: Demo) -> Person:
    """The demo's operator, signed in."""
    account = demo.info.operator
    person = Person(demo.info.url, account.email, account.password, _client(demo.info.url))
    person.post("/auth/login", {"email": account.email, "password": account.password})
    return person


async def sign_in(context: BrowserContext, person: Person) -> None:
    """A session of the browser's own, with the cookie as the server sets it."""
    answer = await context.request.post(
        f"{person.url}/api/v1/auth/login",
        data={"email": person.email, "password": person.password},
        headers={"Origin": person.url},
    )
    assert answer.ok, await answer.text()


async def enter(browser: Browser, person: Person) -> tuple[BrowserContext, Page]:
    """A window of the person's own, signed in."""
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    await sign_in(context, person)
    return context, await context.new_page()


def in_days(days: int) -> str:
    """A moment in the future, as the API takes it."""
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()
