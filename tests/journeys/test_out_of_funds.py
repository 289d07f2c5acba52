"""Out of funds on a real node: told in time, grace, suspended with the data kept, and a top-up brings it back."""

import json
import subprocess
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from sublet.supervisor.seed_data import Person, pay_by_card
from tests.support import waiting
from tests.support.demo import SUBLET, Demo, demo_with_node

pytestmark = [pytest.mark.node]

# A clock that runs in seconds instead of hours: what is held covers 6 s of use, and grace is 4 s of that.
QUICK = {
    "SUBLET_SETTLE_INTERVAL_SECONDS": "3",
    "SUBLET_DETECTION_SECONDS": "2",
    "SUBLET_FUNDS_GRACE_SECONDS": "4",
    "SUBLET_METERING_INTERVAL_SECONDS": "1",
    "SUBLET_OBSERVE_INTERVAL_SECONDS": "1",
}
RATE_PER_HOUR = "5400"  # 1.50 a second: 25.00 are gone in 17 s
until = partial(waiting.until, seconds=90.0, pause=0.2)


@pytest.fixture(scope="module")
def quick_demo() -> Iterator[Demo]:
    """A demo whose money clock runs fast."""
    with demo_with_node(environment=QUICK, logs_in="quick-demo-logs") as demo:
        yield demo


def login_works(demo: Demo, name: str) -> bool:
    done = demo.sublet("ssh", name, "--", "true", check=False)
    return done.returncode == 0


def told(customer: Person, after: str) -> list[str]:
    """The steps of the funds clock that the customer was told of, in order, each as often as it was told."""
    thresholds: list[str] = []
    while (page := customer.get("/events", after=after))["items"]:
        thresholds += [event["data"]["threshold"] for event in page["items"] if event["type"] == "wallet.low"]
        after = page["next_cursor"]
    return thresholds


class TestOutOfFunds:
    def test_warns_then_suspends_keeping_the_data_and_resumes_after_a_top_up(self, quick_demo: Demo) -> None:
        demo = quick_demo

        def show() -> dict[str, Any]:
            shown: dict[str, Any] = json.loads(demo.sublet("show", "dear", "--json").stdout)
            return shown

        customer = Person.sign_in(demo.info.url, demo.info.customer.email, demo.info.customer.password)
        began = customer.get("/events")["next_cursor"]
        sku = ["--vcpu", "1", "--memory", "256MiB", "--disk", "1"]
        demo.sublet("admin", "sku", "add", "dear", *sku, operator=True)
        terms = ["--suspended-claim", "always", "--suspended", "0.36", "--currency", "USD"]
        demo.sublet("admin", "price", "set", "dear", RATE_PER_HOUR, *terms, operator=True)
        demo.sublet("launch", "dear", "--name", "dear")
        demo.sublet("ssh", "dear", "--", "echo kept > note; (sleep 600 &) ; true")

        suspended = until("suspension", lambda: (one := show())["state"] == "suspended" and one)
        assert told(customer, began) == ["10m", "grace", "suspended"]
        assert not login_works(demo, "dear")
        wallet = json.loads(demo.sublet("balance", "--json").stdout)
        assert not wallet["balance"]["amount"].startswith("-")
        assert wallet["receivable"]["amount"] == "0.00"

        def seen() -> str:
            nodes = json.loads(demo.sublet("admin", "node", "ls", "--json", operator=True).stdout)
            return str(nodes[0]["last_seen_at"])

        # What nobody has seen is not charged: let the node be asked twice while it is suspended.
        for _ in range(2):
            before = seen()
            until("another look at the node", lambda: seen() > before)  # noqa: B023 - called at once
        pay_by_card(customer, "40.00")
        customer.http.close()
        until("resumption", lambda: show()["state"] == "active")
        until("login", lambda: login_works(demo, "dear"))
        kept = subprocess.run(
            [SUBLET, "ssh", "dear", "--", "cat note; pgrep -c sleep"],
            env=demo.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert kept.stdout.split() == ["kept", "0"], "the files stay, the processes do not"

        demo.sublet("release", "dear", "--yes")
        charges = json.loads(demo.sublet("charges", suspended["id"], "--json").stdout)
        assert {charge["kind"] for charge in charges} == {"running", "suspended"}
        checks = json.loads(demo.sublet("admin", "reconcile", "--json", operator=True).stdout)["checks"]
        assert all(check["ok"] for check in checks), checks
