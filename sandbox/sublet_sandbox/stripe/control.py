"""/_sandbox: what Stripe does not offer and tests need. Never part of what the real SDK calls."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from sublet_sandbox.stripe import (
    balance,
    charges,
    disputes,
    early_fraud_warnings,
    payment_methods,
    payouts,
    refunds,
    rendering,
)
from sublet_sandbox.stripe.api import answer, check_key
from sublet_sandbox.stripe.errors import StripeProblem, no_such
from sublet_sandbox.stripe.params import Currency
from sublet_sandbox.stripe.store import Store
from sublet_sandbox.stripe.webhooks import Courier
from sublet_sandbox.stripe.work import Work, public


class Command(BaseModel):
    """What the sandbox is told to do; a field that it does not know is refused."""

    model_config = ConfigDict(extra="forbid")


class DeliveryMode(Command):
    """How events are delivered from now on: at once, kept for `deliveries/release`, or never."""

    mode: Literal["send", "hold", "drop"] = "send"
    copies: int = Field(default=1, ge=1, le=100)


class Release(Command):
    """Deliver these events now, in this order, whatever became of them before."""

    event_ids: list[str] = Field(min_length=1, max_length=500)
    copies: int = Field(default=1, ge=1, le=100)


class BalanceTransactions(Command):
    """Withhold the balance transaction of new charges, as Stripe may for a while; or stop and post those owed."""

    withhold: bool


class BareCharge(Command):
    """Charge a card without a payment intent, as callers of Stripe's older Charges API still do."""

    amount: int = Field(ge=1)
    currency: Currency


class Dispute(Command):
    """The card holder asks the bank for all of a charge, or for so many cents of it."""

    charge: str
    amount: int | None = Field(default=None, ge=1)
    status: disputes.Status = "needs_response"
    beyond: bool = False


class DisputeMove(Command):
    """The bank goes on with a dispute."""

    status: disputes.Status


class FraudWarning(Command):
    """The card's issuer warns of a charge."""

    charge: str


class RefundsWait(Command):
    """Whether new refunds are pending until they are ended by hand."""

    wait: bool


class Settlement(Command):
    """Which one currency the account keeps from now on, at which rate; None: each payment's own."""

    keeps: balance.Settlement | None = None


class PayOut(Command):
    """Pay out all that is available in a currency; `now` makes available first what would be in days."""

    currency: Currency
    now: bool = False


class PayoutMove(Command):
    """The bank goes on with a payout."""

    status: payouts.Status


class RefundEnd(Command):
    """What becomes of a refund that waits; one that had arrived can fail."""

    status: refunds.Ending


def router(store: Store, courier: Courier, api_key: str) -> APIRouter:
    """The control routes; they ask for the API key as the API does."""

    def authorised(request: Request) -> None:
        check_key(request, api_key)

    control = APIRouter(prefix="/_sandbox", dependencies=[Depends(authorised)])

    @control.put("/delivery")
    async def set_delivery(command: DeliveryMode) -> DeliveryMode:
        with store.transaction():
            store.set_setting("delivery_mode", command.mode)
            store.set_setting("delivery_copies", command.copies)
        return command

    @control.get("/deliveries")
    async def deliveries() -> dict[str, Any]:
        rows = store.execute(
            "SELECT delivery.id, event_id, json_extract(body, '$.type') AS type, progress AS state, attempts,"
            " last_status FROM delivery JOIN resource ON resource.id = event_id ORDER BY delivery.id"
        )
        return {"items": [dict(row) for row in rows]}

    @control.post("/deliveries/release")
    async def release(command: Release) -> dict[str, Any]:
        """One event after the other; the copies of one event go at the same time."""
        answers = []
        for event_id in command.event_ids:
            if store.get(event_id, "event") is None:
                raise no_such("event", event_id)
            with store.transaction():
                store.execute(
                    "UPDATE delivery SET progress = 'given_up' WHERE event_id = ? AND progress = 'held'", (event_id,)
                )
                made = [
                    store.execute(
                        "INSERT INTO delivery (event_id, progress, due_at) VALUES (?, 'held', 0) RETURNING id",
                        (event_id,),
                    )[0]["id"]
                    for _ in range(command.copies)
                ]
            statuses = await asyncio.gather(*(courier.deliver(delivery_id) for delivery_id in made))
            answers.append({"event_id": event_id, "statuses": statuses})
        return {"items": answers}

    @control.post("/early-fraud-warnings")
    async def warn(command: FraudWarning) -> dict[str, Any]:
        with store.transaction():
            made = early_fraud_warnings.create(Work(store, ""), command.charge)
        courier.wake()
        return public(made)

    @control.post("/disputes")
    async def dispute(command: Dispute) -> dict[str, Any]:
        with store.transaction():
            work = Work(store, "")
            made = disputes.create(work, command.charge, command.amount, command.status, beyond=command.beyond)
        courier.wake()
        return public(made)

    @control.post("/disputes/{dispute_id}")
    async def move_dispute(dispute_id: str, command: DisputeMove) -> dict[str, Any]:
        with store.transaction():
            moved = disputes.move(Work(store, ""), dispute_id, command.status)
        courier.wake()
        return public(moved)

    @control.put("/refunds")
    async def let_refunds_wait(command: RefundsWait) -> RefundsWait:
        with store.transaction():
            store.set_setting("refunds_wait", command.wait)
        return command

    @control.post("/refunds/{refund_id}")
    async def end_refund(refund_id: str, command: RefundEnd) -> dict[str, Any]:
        with store.transaction():
            ended = refunds.end(Work(store, ""), refund_id, command.status)
        courier.wake()
        return public(ended)

    @control.put("/balance-transactions")
    async def balance_transactions(command: BalanceTransactions) -> BalanceTransactions:
        work = Work(store, "")
        with store.transaction():
            store.set_setting("withhold_balance_transactions", command.withhold)
            if not command.withhold:
                for charge in store.find("charge", equal={"status": "succeeded"}, limit=-1):
                    if charge["balance_transaction"] is None:
                        charges.settle(work, charge)
                        work.emit("charge.updated", charge)
        courier.wake()
        return command

    _add_balance(control, store, courier)
    return control


def _add_balance(control: APIRouter, store: Store, courier: Courier) -> None:
    """What is told about the account's balance, about what others charge through it, and about its payouts."""

    @control.delete("/state")
    async def begin_anew() -> dict[str, Any]:
        with store.transaction():
            store.forget_all()
        return {}

    @control.put("/settlement")
    async def settle_in(command: Settlement) -> Settlement:
        with store.transaction():
            store.set_setting("settlement", command.keeps and command.keeps.model_dump(mode="json"))
        return command

    @control.post("/charges")
    async def charge_without_intent(command: BareCharge) -> dict[str, Any]:
        of = {"id": None, **command.model_dump(), "customer": None, "description": None, "metadata": {}}
        with store.transaction():
            work = Work(store, "")
            made = charges.create(work, of, payment_methods.resolve(work, "pm_card_visa"), None, authenticated=False)
        courier.wake()
        return public(made)

    @control.post("/payouts")
    async def pay_out(command: PayOut) -> dict[str, Any]:
        with store.transaction():
            if command.now:
                balance.release_all(store)
            made = payouts.pay_out_all(Work(store, ""), command.currency)
        courier.wake()
        return public(made)

    @control.post("/payouts/{payout_id}")
    async def move_payout(payout_id: str, command: PayoutMove) -> dict[str, Any]:
        with store.transaction():
            moved = payouts.move(Work(store, ""), payout_id, command.status)
        courier.wake()
        return public(moved)


async def problem_answer(request: Request, problem: Exception) -> Response:
    """Errors outside the API's own routes: a page for people, the envelope for programs."""
    assert isinstance(problem, StripeProblem)  # registered for this type only
    if request.url.path.startswith("/c/"):
        return rendering.message("There is no such page", problem.status)
    return answer(problem, {})
