"""What must not happen on any page: faults in the console, forbidden content, strangers asked, anything stored."""

from dataclasses import dataclass, field
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import ConsoleMessage, Page, Request

TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
EVERYTHING: dict[str, Any] = {"type": "tag", "values": TAGS}
# The two colour schemes differ in nothing but colours, so for the second one these rules are all that can fail.
COLOURS: dict[str, Any] = {"type": "rule", "values": ("color-contrast", "link-in-text-block")}
API = "/api/v1/"
# Chromium drops what it is fetching whenever an interface of the machine comes or goes, as those of nodes do.
NETWORK_CHANGED = "ERR_NETWORK_CHANGED"


@dataclass
class Watch:
    """Findings of one page, each with the place where it was seen."""

    origin: str
    place: str = "start"
    may_fail: tuple[str, ...] = ()
    """Parts of addresses whose requests the test makes fail."""
    interrupted: bool = False
    """Whether the machine's network changed under the browser, so that what was seen says nothing."""
    findings: list[str] = field(default_factory=list)

    def attach(self, page: Page) -> "Watch":
        """Listen to a page from now on."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.found(f"uncaught: {error}"))
        page.on("request", self._request)
        return self

    def found(self, what: str) -> None:
        """Note something that must not be."""
        self.findings.append(f"{self.place}: {what}")

    def _console(self, message: ConsoleMessage) -> None:
        if message.type not in {"error", "warning"}:
            return
        address = str(message.location.get("url", ""))
        if NETWORK_CHANGED in message.text:
            self.interrupted = True
        if any(part in address or part in message.text for part in self.may_fail):
            return  # the browser's own line about an answer that the test made fail
        self.found(f"console {message.type}: {message.text} ({address})")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((f"{self.origin}/", "data:", "blob:")):
            self.found(f"asked a stranger: {request.url}")


async def come_to_rest(page: Page) -> None:
    """Wait for fonts, and for colours that are still on their way to others."""
    await page.evaluate(
        """async () => {
          await document.fonts.ready;
          for (const _ of [1, 2]) await new Promise(requestAnimationFrame);
          await Promise.allSettled(document.getAnimations().map(({ finished }) => finished));
        }"""
    )


async def check_accessibility(
    page: Page, watch: Watch, rules: dict[str, Any] = EVERYTHING, *, within: str = "html"
) -> None:
    """Run axe on the page as it is now, or on what a selector finds of it."""
    if not await page.evaluate("() => 'axe' in window"):
        await page.evaluate(AXE_SCRIPT)
    violations: list[dict[str, Any]] = await page.evaluate(
        "([within, options]) => axe.run(within, options).then(({ violations }) => violations)",
        [within, {"runOnly": rules, "resultTypes": ["violations"], "preload": False}],
    )
    for violation in violations:
        where = [node["target"] for node in violation["nodes"]][:3]
        watch.found(f"axe {violation['id']} at {where}: {violation['nodes'][0]['failureSummary']}")


async def check_width(page: Page, watch: Watch) -> None:
    """Nothing reaches out of the window sideways."""
    over = await page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth")
    if over > 0:
        watch.found(f"{over} px wider than the window")


async def check_storage(page: Page, watch: Watch) -> None:
    """Nothing is kept where scripts of later pages could read it."""
    stored = await page.evaluate("() => [...Object.keys(localStorage), ...Object.keys(sessionStorage)]")
    if stored:
        watch.found(f"stored in the browser: {stored}")
