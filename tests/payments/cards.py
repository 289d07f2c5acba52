"""Saved cards and auto top-up as customers come by them, and the workers that do what is due about them."""

import asyncio
from typing import Any

import httpx
from sqlalchemy import text

from sublet.core.outbox import EVENT_TYPES
from sublet.core.work import delivery, leases
from sublet.core.work.reconciler import Reconciler
from sublet.entry.subscriptions import GATHERED, subscriptions
from sublet.ledger import charges, holds, top_ups
from sublet.payments.auto_top_up import work as auto_top_up
from sublet.payments.cards import card, setup_work, setups
from sublet.payments.stripe.processor import Processor
from sublet.payments.top_ups import checkout
from tests.ledger.books import key, usd
from tests.payments.shop import BASE, Shop
from tests.sandbox.stripe.process import pay
from tests.support.policy import DEFAULT_POLICY
from tests.support.work import look_at

BOUNDS = {"threshold": "10.00", "amount": "20.00", "monthly_cap": "200.00", "currency": "USD"}

_DUE = text("SELECT kind, id FROM work WHERE kind = ANY(:kinds) AND ready_at <= clock_timestamp() ORDER BY kind, id")


def workers(shop: Shop, processor: Processor | None = None) -> Reconciler:
    """A worker that does all there is about cards and payments, and delivers events."""
    asked = processor or shop.processor
    return Reconciler(
        shop.database,
        [
            checkout.work(shop.database, asked),
            setup_work.work(shop.database, asked),
            card.work(asked),
            auto_top_up.work(asked, policy=DEFAULT_POLICY, public_url=BASE),
            *delivery.deliveries(subscriptions(DEFAULT_POLICY), EVENT_TYPES, gatherers=GATHERED),
        ],
    )


async def work_off(
    shop: Shop, *, kinds: tuple[str, ...] = ("auto_top_up", "top_up", "card_setup", "saved_card")
) -> None:
    """Deliver what has happened and do what is due of it, until nothing is."""
    worker = workers(shop)
    for _ in range(20):
        async with shop.database.transaction() as session:
            await delivery.register(session)
            await leases.wake(session, [delivery.DELIVERY])
        await look_at(worker, delivery.DELIVERY, delivery.SUBSCRIBER)
        due = await shop.rows(str(_DUE), kinds=list(kinds))
        if not due:
            return
        for row in due:
            await look_at(worker, row.kind, row.id)
    raise AssertionError(f"it never ends: {due}")


async def follow_events(shop: Shop) -> None:
    """Deliver events from now on; nothing of before."""
    async with shop.database.transaction() as session:
        await delivery.register(session)


async def ask_for_card(shop: Shop, organization: str, **more: Any) -> dict[str, Any]:
    """A setup whose page is open."""
    answer = await shop.ask(organization, "POST", "/payment-methods", json={}, **more)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def look_at_setup(shop: Shop, setup_id: str) -> None:
    """Have a setup looked at now, whatever the schedule says."""
    async with shop.database.transaction() as session:
        await leases.make_due(session, setups.WORK, setup_id)
    await look_at(workers(shop), setups.WORK, setup_id)


async def save_card(
    shop: Shop, organization: str, number: str = "4242424242424242", *, challenge: str | None = None
) -> dict[str, Any]:
    """A card that was saved on a page; the newest of the organization's."""
    setup = await ask_for_card(shop, organization)
    await asyncio.to_thread(pay, setup["checkout_url"], number, challenge=challenge)
    await look_at_setup(shop, setup["id"])
    return (await cards_of(shop, organization))[0]


async def cards_of(shop: Shop, organization: str) -> list[dict[str, Any]]:
    """The organization's cards, newest first."""
    answer = await shop.ask(organization, "GET", "/payment-methods")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def turn_on(shop: Shop, organization: str, **bounds: str) -> httpx.Response:
    """Auto top-up with its bounds."""
    return await shop.ask(organization, "PATCH", "/auto-top-up", json={**BOUNDS, **bounds})


async def auto_top_up_of(shop: Shop, organization: str) -> dict[str, Any]:
    """What is wanted and how it stands."""
    answer = await shop.ask(organization, "GET", "/auto-top-up")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def top_ups_of(shop: Shop, organization: str) -> list[dict[str, Any]]:
    """The organization's payments, oldest first."""
    found: list[dict[str, Any]] = (await shop.ask(organization, "GET", "/top-ups")).json()["items"]
    return list(reversed(found))


async def put_in(shop: Shop, organization: str, amount: str) -> None:
    """Money in the wallet, as if from a payment."""
    async with shop.database.transaction() as session:
        await top_ups.credit(
            session, organization, usd(amount), payment_intent_id=key("pi"), charge_id=key("ch"), source_id=key("tu")
        )


async def spend(shop: Shop, organization: str, amount: str) -> None:
    """Use so much, beyond what there is if need be: the rest is owed."""
    async with shop.database.transaction() as session:
        hold = await holds.place(session, organization, usd("0.01"), subject_id=key("al"), idempotency_key=key())
        await charges.capture(
            session,
            hold.id,
            usd(amount),
            meter_kind="compute",
            source_type="allocation",
            source_id=key("al"),
            idempotency_key=key(),
            description="Used",
            overrun=True,
        )


async def customer(
    shop: Shop, number: str = "4242424242424242", *, funds: str = "15.00", challenge: str | None = None, **bounds: str
) -> str:
    """An organization with funds, a saved card, and auto top-up: 20.00 below 10.00, unless told otherwise."""
    organization = await shop.organization()
    await put_in(shop, organization, funds)
    await save_card(shop, organization, number, challenge=challenge)
    answer = await turn_on(shop, organization, **bounds)
    assert answer.status_code == 200, answer.text
    await follow_events(shop)
    await work_off(shop)
    return organization
