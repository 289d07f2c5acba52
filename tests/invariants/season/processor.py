"""The processor's side of a season: cards that pay or do not, refunds, disputes, and webhooks that go astray."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import Any

from sublet.core.work import leases
from sublet.payments.refunds import work as refund_work
from sublet.payments.stripe import inbox
from sublet.payments.top_ups import checkout
from tests.invariants.season.oracle import MICRO, Payment
from tests.invariants.season.tenants import LARGE, STEP, Tenant
from tests.payments import refunds as at_the_processor
from tests.payments.deliveries import deliver, signed
from tests.payments.shop import Shop
from tests.payments.working import process_due
from tests.support.clock import Clock

GOOD, WAITS, COMES_BACK, DECLINED = "4242424242424242", "4000000000007726", "4000000000005126", "4000000000000002"
KINDS = (checkout.WORK, refund_work.WORK, inbox.WORK)
UNITS = {"USD": 10_000, "JPY": MICRO, "KWD": 1_000}
"""What the processor counts each currency in, in millionths."""


def decimal(micro: int) -> str:
    """An amount as a person writes it."""
    return f"{micro // MICRO}.{micro % MICRO:06}".rstrip("0").rstrip(".")


@dataclass
class Counter:
    """Where tenants pay and have money back; what they know of it goes into their purses."""

    shop: Shop
    clock: Clock
    dice: random.Random
    late: list[dict[str, Any]] = field(default_factory=list)
    newest: str | None = None
    counts: dict[str, int] = field(default_factory=dict)
    is_out: bool = False

    def count(self, what: str, times: int = 1) -> None:
        """What happened, for who reads the result."""
        self.counts[what] = self.counts.get(what, 0) + times

    async def pay(self, tenant: Tenant) -> None:
        """A customer tops up, with one card or another; money that is taken is theirs from then on."""
        usual = LARGE[tenant.currency] * MICRO
        step = STEP[tenant.currency]
        amount = int(usual * self.dice.randint(40, 160) // 100 // step) * step
        answer = await self.shop.request(tenant.id, decimal(amount), currency=tenant.currency)
        if self.is_out:
            assert answer.status_code >= 500 or answer.json().get("checkout_url") is None, answer.text
            self.count("payments begun while the processor was out")
            return
        assert answer.status_code in {201, 409}, answer.text
        if answer.status_code == 409:
            self.count("payments refused, too many being open")
            return
        page = answer.json()
        card = self.dice.choices([GOOD, WAITS, COMES_BACK, DECLINED], weights=[75, 8, 5, 12])[0]
        await self.shop.pay(page, card)
        if card == DECLINED:
            self.count("declines")
            if self.dice.random() < 0.5:
                return
            await self.shop.pay(page, GOOD)
        tenant.purse.payments.append(Payment(page["id"], amount))
        self.count("payments")

    async def refund(self, tenant: Tenant, payment: Payment) -> None:
        """An operator sends back as much as the oracle says there is, or a part; or asks for more and is refused."""
        step = STEP[tenant.currency]
        most = tenant.purse.refundable(payment) // step * step
        more = self.dice.random() < 0.3 or most == 0
        amount = most + step if more else max(step, most * self.dice.choice([1, 2, 3]) // 3 // step * step)
        body = {"top_up_id": payment.id, "amount": decimal(amount), "reason": "season"}
        answer = await self.shop.operate("POST", "refunds", **body)
        if more:
            assert answer.json().get("code") == "refund_not_possible", f"{tenant.id} {amount} of {most}: {answer.text}"
            self.count("refunds refused")
            return
        assert answer.status_code == 201, f"{tenant.id} {amount} of {most}: {answer.text}"
        if (asked := answer.json()["approval"]) is not None and answer.json()["refund"] is None:
            await self.shop.approve(asked["id"], "bob")
            answer = await self.shop.operate("POST", "refunds", **body)
            assert answer.json()["refund"] is not None, answer.text
        payment.refunded += amount
        self.count("refunds")

    async def refund_there(self, tenant: Tenant, payment: Payment) -> None:
        """Somebody sends it back in the processor's own pages, whatever is left of it."""
        unit = max(UNITS[tenant.currency], STEP[tenant.currency])
        there = payment.amount - payment.refunded
        amount = there * self.dice.choice([1, 2]) // 2 // unit * unit
        if amount == 0:
            return
        tenant.clean &= amount <= max(tenant.purse.net, 0)
        await at_the_processor.refund(self.shop, payment.id, amount // UNITS[tenant.currency])
        payment.refunded += amount
        self.count("refunds made at the processor")

    async def dispute(self, tenant: Tenant, payment: Payment) -> None:
        """A card holder asks the bank for a payment, all of it or a part, or the bank only asks."""
        (row,) = await self.shop.rows("SELECT charge_id FROM top_up WHERE id = :id", id=payment.id)
        asked: dict[str, Any] = {"charge": row.charge_id}
        if self.dice.random() < 0.3:
            asked["status"] = "warning_needs_response"
        elif self.dice.random() < 0.3:
            asked["amount"] = payment.amount // UNITS[tenant.currency] // 2
        made = await self.shop.control("POST", "disputes", asked)
        tenant.disputed[payment.id] = made["id"]
        payment.was_disputed = True
        self.count("disputes")

    async def decide(self, tenant: Tenant, payment: Payment) -> None:
        """The bank decides a dispute; an inquiry is closed, or becomes one first."""
        dispute = tenant.disputed[payment.id]
        shown = self.shop.sandbox.client().v1.disputes.retrieve(dispute)
        if shown.status.startswith("warning_"):
            if self.dice.random() < 0.5:
                await self.shop.control("POST", f"disputes/{dispute}", {"status": "needs_response"})
                return
            to = "warning_closed"
        else:
            to = self.dice.choice(["won", "lost"])
        await self.shop.control("POST", f"disputes/{dispute}", {"status": to})
        del tenant.disputed[payment.id]
        if to == "lost":
            lost = shown.amount * UNITS[tenant.currency]
            tenant.clean &= lost <= max(tenant.purse.net, 0) and not tenant.running
            payment.lost += lost
        self.count(f"disputes {to}")

    async def look_back(self, tenants: list[Tenant]) -> None:
        """Read at the processor what went back of each payment; what a bank returned is the customer's again."""
        rows = await self.shop.rows(
            "SELECT t.id, t.charge_id, l.entry_id FROM top_up t JOIN ledger.topup_lot l USING (charge_id) ORDER BY 3"
        )
        paid_by = {row.charge_id: row.id for row in rows}
        sums: dict[str, int] = {}
        for one in self.shop.sandbox.client().v1.refunds.list({"limit": 100}).auto_paging_iter():
            if one.status in {"succeeded", "pending"}:
                top_up = paid_by[str(one.charge)]
                sums[top_up] = sums.get(top_up, 0) + one.amount
        place = {row.id: row.entry_id for row in rows}
        for tenant in tenants:
            tenant.purse.payments.sort(key=lambda payment: place.get(payment.id, 2**62))  # the oldest that arrived
            for payment in tenant.purse.payments:
                payment.arrived = payment.id in place
                went = sums.get(payment.id, 0) * UNITS[tenant.currency]
                self.count("refunds that came back", int(went < payment.refunded))
                payment.refunded = went

    async def post(self, *, everything: bool = False, worked_off: bool = True) -> None:
        """Deliver what the processor tells: most once and at once, some twice, some out of order, late, or never."""
        new = self._new_events()
        told: list[dict[str, Any]] = []
        for event in [*self.late, *new] if everything else new:
            fate = (
                "once"
                if everything
                else self.dice.choices(["once", "many", "late", "lost"], weights=[55, 15, 15, 15])[0]
            )
            self.count(f"events {fate}")
            told += [event] * {"once": 1, "many": 3}.get(fate, 0)
            if fate == "late":
                self.late.append(event)
        if everything:
            self.late.clear()
        elif self.late and self.dice.random() < 0.5:
            told += self.late
            self.late = []
        self.dice.shuffle(told)
        for event in told:
            body = json.dumps(event).encode()
            signature = signed(body, age_seconds=-round(self.clock.ahead_seconds))
            answer = await deliver(self.shop, body, signature)
            assert answer.status_code == 200, answer.text
        if worked_off:
            await self.work()

    def _new_events(self) -> list[dict[str, Any]]:
        """What was told since, oldest first."""
        found: list[dict[str, Any]] = []
        events = self.shop.sandbox.client().v1.events
        while True:
            after = {"ending_before": self.newest} if self.newest else {}
            page = events.list({"limit": 100, **after})  # type: ignore[arg-type]  # built by hand
            if page.data:
                found += [event.to_dict() for event in reversed(page.data)]
                self.newest = page.data[0].id
            if not (page.data and page.has_more and after):
                return found

    async def work(self) -> None:
        """Work off what is due of payments."""
        for kind in KINDS:
            while await process_due(self.shop, kind):
                pass

    async def catch_up(self) -> None:
        """What the schedule does: look at what is waited for, and for what nobody told of."""
        async with self.shop.database.transaction() as session:
            await checkout.ensure_watched(session)
            await refund_work.ensure_watched(session)
        await checkout.look_for_taken_back(self.shop.database, self.shop.processor, days=90)
        async with self.shop.database.transaction() as session:
            await leases.wake(session, list(KINDS))
        await self.work()

    def balances(self) -> dict[str, int]:
        """What the processor has of ours in each currency, in millionths."""
        sums: dict[str, int] = {}
        for one in self.shop.sandbox.client().v1.balance_transactions.list({"limit": 100}).auto_paging_iter():
            code = one.currency.upper()
            sums[code] = sums.get(code, 0) + one.net * UNITS[code]
        return sums
