"""Saved cards: saved on a page of the processor, listed, one the default, removed and forgotten."""

import asyncio
from typing import Any

import pytest

from sublet.payments.api import PROCESSOR
from tests.payments.cards import (
    ask_for_card,
    cards_of,
    look_at_setup,
    save_card,
    work_off,
)
from tests.payments.deliveries import deliver
from tests.payments.shop import Shop, new_processor
from tests.payments.working import process_due
from tests.sandbox.stripe.process import pay

pytestmark = pytest.mark.anyio


async def read(shop: Shop, organization: str, setup_id: str) -> dict[str, Any]:
    """GET /payment-method-setups/{id}."""
    answer = await shop.ask(organization, "GET", f"/payment-method-setups/{setup_id}")
    found: dict[str, Any] = answer.json()
    return found


def kept_at_processor(shop: Shop, customer_id: str) -> list[str]:
    """The ids of the cards that the processor has for a customer."""
    found = shop.sandbox.client().v1.payment_methods.list({"customer": customer_id, "limit": 100})
    return [one.id for one in found.data]


class TestSaving:
    async def test_keeps_what_the_holder_knows_the_card_by_and_nothing_else(self, shop: Shop) -> None:
        organization = await shop.organization()
        card = await save_card(shop, organization, "5555555555554444")
        assert (card["brand"], card["last4"], card["expiry_month"], card["expiry_year"]) == (
            "mastercard",
            "4444",
            12,
            2040,
        )
        (row,) = await shop.rows("SELECT * FROM saved_card")
        assert "5555555555554444" not in str(row)
        assert await shop.balance(organization) == "0.00"

    async def test_tells_how_it_stands_until_a_card_is_there(self, shop: Shop) -> None:
        organization = await shop.organization()
        setup = await ask_for_card(shop, organization)
        await asyncio.to_thread(pay, setup["checkout_url"], "4000000000000002")
        await look_at_setup(shop, setup["id"])
        declined = await read(shop, organization, setup["id"])
        assert (declined["state"], declined["failure"]["code"]) == ("pending", "card_declined")
        await asyncio.to_thread(pay, setup["checkout_url"], "4000002500003155", challenge="complete")
        await look_at_setup(shop, setup["id"])
        done = await read(shop, organization, setup["id"])
        assert (done["state"], done["failure"], done["checkout_url"]) == ("succeeded", None, None)
        assert [card["last4"] for card in await cards_of(shop, organization)] == ["3155"]
        history = await shop.rows("SELECT previous, next FROM card_setup_history")
        assert [tuple(row) for row in history] == [("pending", "succeeded")]

    async def test_a_page_that_is_left_expires_without_a_card(self, shop: Shop) -> None:
        organization = await shop.organization()
        setup = await ask_for_card(shop, organization)
        shop.sandbox.client().v1.checkout.sessions.expire(setup["checkout_url"].rpartition("/")[2])
        await look_at_setup(shop, setup["id"])
        ended = await read(shop, organization, setup["id"])
        assert (ended["state"], ended["failure"]["code"]) == ("expired", "checkout_expired")
        assert await cards_of(shop, organization) == []

    async def test_an_event_has_it_looked_at_and_names_nobody_elses(self, shop: Shop) -> None:
        organization = await shop.organization()
        setup = await ask_for_card(shop, organization)
        await asyncio.to_thread(pay, setup["checkout_url"])
        events = shop.sandbox.client().v1.events.list({"type": "setup_intent.succeeded", "limit": 1}).data
        event = events[0].to_dict()
        for named in (event, {**event, "id": "evt_theirs", "data": {"object": {**event["data"]["object"]}}}):
            if named["id"] == "evt_theirs":
                named["data"]["object"]["metadata"] = {"sublet_card_setup": "su_theirs"}
            assert (await deliver(shop, named)).status_code == 200
        await process_due(shop, "stripe_event")
        await work_off(shop)
        assert len(await cards_of(shop, organization)) == 1
        outcomes = await shop.rows("SELECT id, outcome FROM stripe_event ORDER BY id")
        assert {row.id: row.outcome for row in outcomes} == {event["id"]: "applied", "evt_theirs": "ignored"}
        assert await shop.rows("SELECT 1 FROM finding") == []

    async def test_the_same_key_is_the_same_page_and_another_request_is_refused(self, shop: Shop) -> None:
        organization = await shop.organization()
        headers = {"Idempotency-Key": "k"}
        made = {(await ask_for_card(shop, organization, headers=headers))["checkout_url"] for _ in range(3)}
        other = await shop.ask(
            organization, "POST", "/payment-methods", json={"return_path": "/launch"}, headers=headers
        )
        assert len(made) == 1
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")

    async def test_one_customer_at_the_processor_for_all_cards(self, shop: Shop) -> None:
        organization = await shop.organization()
        for _ in range(2):
            await save_card(shop, organization)
        (row,) = await shop.rows("SELECT customer_id FROM processor_customer")
        assert len(kept_at_processor(shop, row.customer_id)) == 2

    async def test_an_outage_is_said_and_the_worker_goes_on(self, shop: Shop) -> None:
        organization = await shop.organization()
        away, healthy = new_processor("http://127.0.0.1:9"), shop.parts[PROCESSOR]
        shop.parts.put(PROCESSOR, away)
        answer = await shop.ask(organization, "POST", "/payment-methods", json={})
        shop.parts.put(PROCESSOR, healthy)
        await away.close()
        assert answer.status_code == 503
        await work_off(shop)
        (row,) = await shop.rows("SELECT id, checkout_session_id FROM card_setup")
        assert row.checkout_session_id is not None

    async def test_so_many_and_no_more(self, shop: Shop) -> None:
        organization = await shop.organization()
        for _ in range(20):
            await ask_for_card(shop, organization)
        beyond = await shop.ask(organization, "POST", "/payment-methods", json={})
        assert (beyond.status_code, beyond.json()["code"]) == (409, "too_many_cards")
        listed = (await shop.ask(organization, "GET", "/payment-methods")).json()
        assert [action["allowed"] for action in listed["actions"]] == [False]


class TestTheDefault:
    async def test_is_the_first_card_until_another_is_chosen(self, shop: Shop) -> None:
        organization = await shop.organization()
        first = await save_card(shop, organization)
        second = await save_card(shop, organization, "5555555555554444")
        assert (first["is_default"], second["is_default"]) == (True, False)
        answer = await shop.ask(organization, "POST", f"/payment-methods/{second['id']}/default")
        assert answer.json()["is_default"]
        assert [card["is_default"] for card in await cards_of(shop, organization)] == [True, False]

    async def test_removed_leaves_none_and_nobody_chooses_for_the_customer(self, shop: Shop) -> None:
        organization = await shop.organization()
        first = await save_card(shop, organization)
        await save_card(shop, organization, "5555555555554444")
        assert (await shop.ask(organization, "DELETE", f"/payment-methods/{first['id']}")).status_code == 204
        assert [card["is_default"] for card in await cards_of(shop, organization)] == [False]


class TestRemoving:
    async def test_has_the_processor_forget_the_card(self, shop: Shop) -> None:
        organization = await shop.organization()
        card = await save_card(shop, organization)
        await shop.ask(organization, "DELETE", f"/payment-methods/{card['id']}")
        await work_off(shop)
        (row,) = await shop.rows("SELECT customer_id, forgotten_at FROM saved_card")
        assert row.forgotten_at is not None
        assert kept_at_processor(shop, row.customer_id) == []

    async def test_is_fine_where_the_processor_has_forgotten_it_already(self, shop: Shop) -> None:
        organization = await shop.organization()
        card = await save_card(shop, organization)
        (row,) = await shop.rows("SELECT payment_method_id FROM saved_card")
        shop.sandbox.client().v1.payment_methods.detach(row.payment_method_id)
        await shop.ask(organization, "DELETE", f"/payment-methods/{card['id']}")
        await work_off(shop)
        (row,) = await shop.rows("SELECT forgotten_at FROM saved_card")
        assert row.forgotten_at is not None

    async def test_reaches_nobody_elses_card(self, shop: Shop) -> None:
        organization, other = await shop.organization(), await shop.organization()
        card = await save_card(shop, organization)
        for method, path in (("DELETE", ""), ("POST", "/default")):
            answer = await shop.ask(other, method, f"/payment-methods/{card['id']}{path}")
            assert answer.status_code == 404
        assert len(await cards_of(shop, organization)) == 1

    async def test_a_removed_card_stays_removed(self, shop: Shop) -> None:
        organization = await shop.organization()
        card = await save_card(shop, organization)
        await shop.ask(organization, "DELETE", f"/payment-methods/{card['id']}")
        for change in ("removed_at = NULL", "is_default = true"):
            with pytest.raises(Exception, match=r"append-only|violates check"):
                async with shop.database.transaction() as session:
                    await session.exec_driver_sql(f"UPDATE saved_card SET {change}")
