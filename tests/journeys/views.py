"""Every page of both consoles, and how to bring it into each of its states."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from playwright.async_api import BrowserContext, Page, Route

Mode = Literal["loaded", "empty", "error", "cut"]
Act = Callable[[Page], Awaitable[None]]

EMPTY_PAGE = '{"items": [], "next_cursor": null}'
PROBLEM = json.dumps(
    {
        "type": "urn:sublet:problem:unavailable",
        "title": "A part that this needs is not available",
        "status": 500,
        "code": "unavailable",
        "detail": "The database does not answer. Nothing was changed. Try again in a few seconds.",
        "request_id": "req_8f2kq4mzt7w3xa5n",
    }
)


def press(name: str) -> Act:
    """Press the first button of a name."""

    async def act(page: Page) -> None:
        await page.get_by_role("button", name=name, exact=True).first.click()

    return act


@dataclass(frozen=True)
class View:
    """A page: its address, what opens its dialog, what makes its form complain, and the list that may be empty.

    `fails`: it shows data, which may not come; `cut`: it is also looked at without any answer, which reads alike.
    """

    name: str
    path: str
    dialog: Act | None = None
    invalid: Act | None = None
    list: str | None = None
    fails: bool = True
    cut: bool = False
    settled: str = "h1"

    def has(self, mode: Mode) -> bool:
        """Whether the page looks different when the server answers so."""
        return {"loaded": True, "empty": self.list is not None, "error": self.fails, "cut": self.cut}[mode]


SIGNED_OUT = [
    View("sign-in", "/sign-in", invalid=press("Sign in"), fails=False),
    View("sign-up", "/sign-up", invalid=press("Sign up"), fails=False),
]


def customer_views(active: str, released: str) -> list[View]:
    """The customer's console, with an allocation that runs and one that has been given back."""
    return [
        View("allocations", "/?ended=1", dialog=press("Account menu"), list="/allocations", cut=True),
        View("launch", "/launch", list="/offers"),
        View("allocation", f"/allocations/{active}", dialog=press("Release"), cut=True),
        View("allocation-released", f"/allocations/{released}", fails=False),
        View("billing", "/billing", dialog=press("Add funds")),
        View("billing-ledger", "/billing?view=ledger", list="/wallet/entries"),
        View("billing-charges", "/billing?view=charges", list="/usage"),
        View("billing-top-ups", "/billing?view=top-ups", list="/top-ups"),
        View("billing-limits", "/billing?view=limits", dialog=press("Set a limit"), list="/spending-limits"),
        View("billing-credits", "/billing?view=credits", list="/credits"),
        View("billing-refunds", "/billing?view=refunds", list="/refund-requests"),
        View("settings-keys", "/settings", dialog=press("Add SSH key"), list="/ssh-keys"),
        View("settings-tokens", "/settings?view=tokens", dialog=press("Create token"), list="/api-tokens"),
        View("settings-sessions", "/settings?view=sessions", list="/auth/sessions"),
        View("not-found", "/no/such/page", fails=False),
        View("operator-refused", "/operator/nodes", fails=False),
        View("terminal", f"/allocations/{active}/terminal", fails=False, settled="[data-terminal=open]"),
        View("terminal-ended", f"/allocations/{released}/terminal", fails=False, settled="[data-terminal=ended]"),
    ]


def operator_views(node: str, sku: str) -> list[View]:
    """The operator's console."""
    return [
        View("nodes", "/operator/nodes", list="/admin/nodes", cut=True),
        View("node", f"/operator/nodes/{node}", dialog=press("Cordon")),
        View("add-node", "/operator/nodes/new", invalid=press("Add node"), fails=False),
        View("skus", "/operator/skus", dialog=press("Create SKU"), list="/admin/skus"),
        View("prices", f"/operator/skus/{sku}", dialog=press("Create price"), list="/admin/prices"),
        View("helpers", "/operator/helpers"),
        View("approvals", "/operator/approvals"),
        View("money", "/operator/money"),
        View("money-requests", "/operator/money/requests", list="/admin/refund-requests"),
        View("money-refunds", "/operator/money/refunds", list="/admin/refunds"),
        View("money-payments", "/operator/money/payments", fails=False),
        View("money-credits", "/operator/money/credits", dialog=press("Make a code"), list="/admin/promo-codes"),
        View("money-disputes", "/operator/money/disputes", list="/admin/disputes"),
        View("money-payouts", "/operator/money/payouts", list="/admin/payouts"),
        View("money-findings", "/operator/money/findings", list="/admin/findings"),
        View("money-ledger", "/operator/money/ledger", fails=False),
        View("money-months", "/operator/money/months", list="/admin/months"),
        View("money-reports", "/operator/money/reports"),
        View("operator-allocations", "/operator/allocations", list="/admin/allocations"),
    ]


async def answer_as(context: BrowserContext, views: list[View], mode: Mode) -> None:
    """Make the server answer in a mode; who one is stays real."""

    async def empty(route: Route) -> None:
        await route.fulfill(status=200, content_type="application/json", body=EMPTY_PAGE)

    async def fail(route: Route) -> None:
        if route.request.url.endswith("/api/v1/me"):
            await route.continue_()
        elif mode == "cut":
            await route.abort()
        else:
            await route.fulfill(status=500, content_type="application/problem+json", body=PROBLEM)

    if mode == "empty":
        paths = tuple(f"/api/v1{view.list}" for view in views if view.list)
        await context.route(lambda url: url.split("?")[0].endswith(paths), empty)
    elif mode != "loaded":
        await context.route("**/api/v1/**", fail)


AT_REST = """([selector, failed]) => document.querySelector(selector) !== null
  && document.querySelector("[data-skeleton]") === null
  && (!failed || document.querySelector("[role=alert]") !== null)"""


async def visit(page: Page, url: str, view: View, mode: Mode) -> None:
    """Load a page anew, so that nothing of another is taken for it, and wait until it stands still."""
    await page.goto(f"{url}{view.path}")
    await page.wait_for_function(AT_REST, arg=[view.settled, mode in {"error", "cut"}])


async def act_on(page: Page, act: Act, wanted: str) -> None:
    """Do something to the page, and wait for what it brings."""
    await act(page)
    await page.wait_for_selector(wanted)
