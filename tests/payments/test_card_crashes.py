"""Killed with -9 at every arrow, the saving of a card goes on to one customer, one page and one card."""

import asyncio
from typing import Any

import pytest

from sublet.payments.api import PROCESSOR
from tests.payments.cards import cards_of, look_at_setup, work_off
from tests.payments.shop import Shop, new_processor
from tests.payments.test_auto_top_up_crashes import LaterGate, killed_worker
from tests.payments.working import make_due
from tests.sandbox.stripe.process import pay
from tests.support.waiting import until_async

pytestmark = pytest.mark.anyio


async def asked_in_an_outage(shop: Shop) -> tuple[str, str]:
    """An organization that asked to save a card while the processor was away; and the setup, which waits."""
    organization = await shop.organization()
    away, healthy = new_processor("http://127.0.0.1:9"), shop.parts[PROCESSOR]
    shop.parts.put(PROCESSOR, away)
    answer = await shop.ask(organization, "POST", "/payment-methods", json={})
    shop.parts.put(PROCESSOR, healthy)
    await away.close()
    assert answer.status_code == 503
    (row,) = await shop.rows("SELECT id FROM card_setup WHERE organization_id = :id", id=organization)
    return organization, row.id


async def killed_at(shop: Shop, app_url: str, *, answers: int, passes: bool) -> None:
    """A worker hears so many answers of the processor, and is killed while it waits for the next."""
    await make_due(shop, "card_setup")
    door = LaterGate(shop.sandbox.url, answers=answers, passes=passes)
    async with door.open() as gate, killed_worker(app_url, gate.url):
        await until_async("the call at the gate", lambda: bool(gate.answered if passes else gate.asked))


async def goes_on(shop: Shop) -> None:
    """Other workers take up what is left."""
    for _ in range(2):
        await make_due(shop, "card_setup")
        await work_off(shop)


def at_the_processor(shop: Shop, organization: str, setup_id: str) -> tuple[int, int]:
    """How many customers it has for the organization, and how many pages for the setup."""
    client = shop.sandbox.client().v1

    def names(one: Any, name: str) -> bool:
        return name in str(one.to_dict())

    customers = [one for one in client.customers.list({"limit": 100}).data if names(one, organization)]
    pages = [one for one in client.checkout.sessions.list({"limit": 100}).data if names(one, setup_id)]
    return len(customers), len(pages)


@pytest.mark.parametrize("passes", [False, True], ids=["before-the-call-arrives", "before-its-answer-is-recorded"])
class TestKilled:
    @pytest.mark.parametrize("answers", [0, 1, 2], ids=["making-the-customer", "opening-the-page", "looking-at-it"])
    async def test_it_goes_on_to_one_card(self, shop: Shop, app_url: str, answers: int, passes: bool) -> None:
        organization, setup_id = await asked_in_an_outage(shop)
        await killed_at(shop, app_url, answers=answers, passes=passes)
        await goes_on(shop)
        assert at_the_processor(shop, organization, setup_id) == (1, 1)
        (row,) = await shop.rows("SELECT checkout_url FROM card_setup WHERE id = :id", id=setup_id)
        await asyncio.to_thread(pay, row.checkout_url)
        await look_at_setup(shop, setup_id)
        assert [card["is_default"] for card in await cards_of(shop, organization)] == [True]

    async def test_once_it_is_saved_there_it_is_kept_here_once(self, shop: Shop, app_url: str, passes: bool) -> None:
        organization, setup_id = await asked_in_an_outage(shop)
        await goes_on(shop)
        (row,) = await shop.rows("SELECT checkout_url FROM card_setup WHERE id = :id", id=setup_id)
        await asyncio.to_thread(pay, row.checkout_url)
        await killed_at(shop, app_url, answers=0, passes=passes)
        assert await cards_of(shop, organization) == []
        await goes_on(shop)
        assert len(await cards_of(shop, organization)) == 1
        history = await shop.rows("SELECT next FROM card_setup_history WHERE card_setup_id = :id", id=setup_id)
        assert [one.next for one in history] == ["succeeded"]
