"""Disputes: ours to bear while they are open, the customer's when they are lost; an inquiry moves no money."""

import itertools
from typing import Any

import pytest

from sublet.findings import launches, resolution
from sublet.ledger import holds
from sublet.payments import launch_stop
from sublet.payments.disputes import outcomes
from sublet.payments.top_ups import checkout
from tests.ledger.books import assert_books_are_sound, key, usd
from tests.payments.deliveries import deliver
from tests.payments.refunds import (
    all_open,
    available,
    books,
    dispute,
    funds,
    open_findings,
    paid,
    refunds_at_the_processor,
    send,
)
from tests.payments.shop import Shop
from tests.payments.test_refunds import spend
from tests.payments.working import look_at, process_due

pytestmark = pytest.mark.anyio


async def opened(shop: Shop, *, spent: str | None = None, **more: Any) -> tuple[str, str]:
    """An organization of whose 20.00, in part spent, the card holder wants something back; and the top-up."""
    organization, top_up_id = await paid(shop)
    if spent is not None:
        await spend(shop, organization, spent)
    await dispute(shop, top_up_id, **more)
    await look_at(shop, top_up_id)
    return organization, top_up_id


async def decide(shop: Shop, top_up_id: str, status: str) -> None:
    """The bank decides, and somebody looks."""
    (row,) = await shop.rows("SELECT processor_id FROM dispute WHERE top_up_id = :id", id=top_up_id)
    await shop.control("POST", f"disputes/{row.processor_id}", {"status": status})
    await look_at(shop, top_up_id)


async def one(shop: Shop) -> dict[str, Any]:
    """The one dispute as operators see it."""
    [found] = (await shop.operate("GET", "disputes")).json()["items"]
    assert (await shop.operate("GET", f"disputes/{found['id']}")).json() == found
    return dict(found)


async def top_up(shop: Shop, organization: str, amount: str) -> None:
    more = await shop.top_up(organization, amount)
    await shop.pay(more)
    await look_at(shop, more["id"])


async def are_stopped(shop: Shop, organization: str) -> bool:
    async with shop.database.reading() as session:
        return await launches.are_stopped(session, organization)


async def sound(shop: Shop) -> None:
    async with shop.database.transaction() as session:
        await assert_books_are_sound(session)


class TestOfWhatIsUnspent:
    async def test_takes_it_out_of_reach_and_is_ours_to_bear(self, shop: Shop) -> None:
        organization, top_up_id = await opened(shop)
        assert await available(shop, organization) == "0.00"
        assert await funds(shop, organization) == 0
        money = await books(shop, organization)
        # The fee of the payment itself is 0.88.
        assert (money["dispute_receivable"], money["dispute_fees"]) == ("-20.00", "-15.00")
        assert money["stripe_balance"] == "15.88", "less 35.00 than the 19.12 that it was"
        assert not await are_stopped(shop, organization)
        seen = await one(shop)
        assert (seen["state"], seen["taken"]["amount"], seen["top_up_id"]) == ("open", "20.00", top_up_id)
        [finding] = await all_open(shop)
        assert (finding.code, finding.severity) == (outcomes.OPEN_CODE, "critical")
        assert finding.detail["answer by"] == seen["due_by"].replace("Z", "+00:00")
        await sound(shop)

    async def test_won_is_there_again_and_can_be_refunded_once(self, shop: Shop) -> None:
        organization, top_up_id = await opened(shop)
        body = {"top_up_id": top_up_id, "amount": "20.00", "reason": "asked for"}
        refused = await shop.operate("POST", "refunds", **body)
        assert (refused.status_code, "disputed" in refused.json()["detail"]) == (409, True)
        await decide(shop, top_up_id, "won")
        assert (await one(shop))["state"] == "won"
        assert await available(shop, organization) == "20.00"
        assert (await books(shop, organization)).keys() == {"wallet", "stripe_balance", "stripe_fees", "dispute_fees"}
        assert await all_open(shop) == []
        assert (await send(shop, top_up_id, "20.00"))["state"] == "succeeded"
        assert await available(shop, organization) == "0.00"
        assert (await shop.operate("POST", "refunds", **body)).json()["code"] == "refund_not_possible"
        assert await refunds_at_the_processor(shop, top_up_id) == [(2000, "succeeded")]
        await sound(shop)

    async def test_lost_is_gone(self, shop: Shop) -> None:
        organization, top_up_id = await opened(shop)
        await decide(shop, top_up_id, "lost")
        for _ in range(2):
            await look_at(shop, top_up_id)
        money = await books(shop, organization)
        assert money.keys() == {"stripe_balance", "stripe_fees", "dispute_fees"}
        assert (await one(shop))["charged"]["amount"] == "20.00"
        assert not await are_stopped(shop, organization)
        assert await all_open(shop) == []
        await sound(shop)

    async def test_of_a_part_leaves_the_rest(self, shop: Shop) -> None:
        organization, top_up_id = await opened(shop, amount=150)
        assert await available(shop, organization) == "18.50"
        await decide(shop, top_up_id, "lost")
        assert (await books(shop, organization))["wallet"] == "18.50"
        await sound(shop)


class TestOfWhatIsSpent:
    async def test_lost_is_owed_and_paid_by_the_next_top_up_first(self, shop: Shop) -> None:
        organization, top_up_id = await opened(shop, spent="15")
        assert await are_stopped(shop, organization)
        [stop] = await open_findings(shop, launches.STOP_CODE)
        assert stop.amounts == {"disputed and spent": usd("15")}
        await decide(shop, top_up_id, "lost")
        money = await books(shop, organization)
        assert (money.get("wallet"), money["receivable"]) == (None, "-15.00")
        [stop] = await open_findings(shop, launches.STOP_CODE)
        assert stop.amounts == {"owed": usd("15")}
        await top_up(shop, organization, "30.00")
        money = await books(shop, organization)
        assert (money["wallet"], money.get("receivable")) == ("15.00", None)
        assert not await are_stopped(shop, organization)
        await sound(shop)

    async def test_topped_up_before_it_was_lost_comes_to_the_same(self, shop: Shop) -> None:
        organization, top_up_id = await opened(shop, spent="15")
        await top_up(shop, organization, "30.00")
        await look_at(shop, top_up_id)
        assert await available(shop, organization) == "15.00"
        assert not await are_stopped(shop, organization)
        await decide(shop, top_up_id, "lost")
        money = await books(shop, organization)
        assert (money["wallet"], money.get("receivable")) == ("15.00", None)
        assert (await one(shop))["owed"]["amount"] == "0.00"
        await sound(shop)

    async def test_and_of_more_than_the_payment_is_owed_in_whole(self, shop: Shop) -> None:
        organization, top_up_id = await opened(shop, spent="15", amount=2500, beyond=True)
        await decide(shop, top_up_id, "lost")
        money = await books(shop, organization)
        assert (money.get("wallet"), money["receivable"]) == (None, "-20.00")
        assert "dispute_receivable" not in money
        assert (await one(shop))["owed"]["amount"] == "20.00"
        await sound(shop)

    async def test_won_lets_launches_go_on(self, shop: Shop) -> None:
        organization, top_up_id = await opened(shop, spent="15")
        await decide(shop, top_up_id, "won")
        assert not await are_stopped(shop, organization)
        assert await available(shop, organization) == "5.00"
        await sound(shop)

    async def test_keeps_what_was_set_aside_for_something_else_once_it_is_free(self, shop: Shop) -> None:
        organization, top_up_id = await paid(shop)
        async with shop.database.transaction() as session:
            held = await holds.place(session, organization, usd("15"), subject_id="al_1", idempotency_key=key())
        await dispute(shop, top_up_id)
        await look_at(shop, top_up_id)
        assert await are_stopped(shop, organization)
        async with shop.database.transaction() as session:
            await holds.release(session, held.id, idempotency_key=key())
        assert await checkout.look_for_taken_back(shop.database, shop.processor, days=0) == 1
        await process_due(shop, checkout.WORK)
        assert await available(shop, organization) == "0.00"
        assert not await are_stopped(shop, organization)

    async def test_is_no_stop_that_an_operator_resolves(self, shop: Shop) -> None:
        organization, top_up_id = await opened(shop, spent="15")
        await decide(shop, top_up_id, "lost")
        [stop] = await open_findings(shop, launches.STOP_CODE)
        with pytest.raises(launch_stop.Conflict, match=r"15\.00 USD owed\. Nothing was changed"):
            async with shop.database.transaction() as session:
                await resolution.resolve(
                    session, stop.id, consequences=launch_stop.CONSEQUENCES, by="Ada", reason="settled"
                )
        given = {"organization_id": organization, "direction": "give", "currency": "USD", "reason": "a gift"}
        answer = await shop.operate("POST", "adjustments", **given, amount="16.00")
        assert answer.status_code == 201, answer.text
        assert not await are_stopped(shop, organization)
        money = await books(shop, organization)
        assert (money.get("receivable"), money["promo"], money["adjustments"]) == (None, "1.00", "-16.00")
        await sound(shop)


class TestAnInquiry:
    async def test_moves_no_money_and_is_found_with_its_deadline(self, shop: Shop) -> None:
        organization, top_up_id = await paid(shop)
        before = await shop.rows("SELECT count(*) AS n FROM ledger.ledger_entry")
        await dispute(shop, top_up_id, status="warning_needs_response")
        await look_at(shop, top_up_id)
        assert await shop.rows("SELECT count(*) AS n FROM ledger.ledger_entry") == before
        assert await available(shop, organization) == "20.00"
        [finding] = await all_open(shop)
        assert (finding.code, finding.severity) == (outcomes.INQUIRY_CODE, "warning")
        assert finding.detail["answer by"] == (await one(shop))["due_by"].replace("Z", "+00:00")
        await decide(shop, top_up_id, "warning_closed")
        assert (await one(shop))["state"] == "closed"
        assert await all_open(shop) == []
        assert await shop.rows("SELECT count(*) AS n FROM ledger.ledger_entry") == before

    async def test_that_becomes_a_dispute_is_one(self, shop: Shop) -> None:
        organization, top_up_id = await opened(shop, status="warning_needs_response")
        await decide(shop, top_up_id, "needs_response")
        assert await available(shop, organization) == "0.00"
        assert [finding.code for finding in await all_open(shop)] == [outcomes.OPEN_CODE]
        history = await shop.rows("SELECT previous, next FROM dispute_history ORDER BY id")
        assert [tuple(row) for row in history] == [("seen", "inquiry"), ("inquiry", "open")]
        await sound(shop)


class TestEvents:
    @pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
    async def test_come_to_the_same_in_any_order_and_number(self, shop: Shop, order: tuple[int, ...]) -> None:
        organization, top_up_id = await paid(shop)
        await spend(shop, organization, "15")
        await dispute(shop, top_up_id)
        [found] = shop.sandbox.client().v1.disputes.list({"limit": 1}).data
        await shop.control("POST", f"disputes/{found.id}", {"status": "lost"})
        told = [event.to_dict() for event in shop.sandbox.client().v1.events.list({"limit": 3}).data]
        assert {event["type"].rpartition(".")[2] for event in told} == {"created", "funds_withdrawn", "closed"}
        for number in (*order, *order):
            assert (await deliver(shop, told[number])).status_code == 200
            await process_due(shop, "stripe_event")
        money = await books(shop, organization)
        assert (money.get("wallet"), money["receivable"], money["dispute_fees"]) == (None, "-15.00", "-15.00")
        assert "dispute_receivable" not in money
        await sound(shop)

    async def test_are_not_needed(self, shop: Shop) -> None:
        organization, top_up_id = await paid(shop)
        await dispute(shop, top_up_id)
        assert await checkout.look_for_taken_back(shop.database, shop.processor, days=2) == 1
        await process_due(shop, checkout.WORK)
        assert await available(shop, organization) == "0.00"

    async def test_of_a_refund_that_failed_after_the_dispute_was_opened(self, shop: Shop) -> None:
        """What the refund brought back is kept aside for the dispute, and is not spendable in between."""
        organization, top_up_id = await paid(shop)
        sent = await send(shop, top_up_id, "20.00")
        await dispute(shop, top_up_id)
        await look_at(shop, top_up_id)
        assert await are_stopped(shop, organization)
        (row,) = await shop.rows("SELECT processor_id FROM refund WHERE id = :id", id=sent["id"])
        await shop.control("POST", f"refunds/{row.processor_id}", {"status": "failed"})
        await look_at(shop, top_up_id)
        assert await available(shop, organization) == "0.00"
        assert not await are_stopped(shop, organization)
        await decide(shop, top_up_id, "lost")
        assert (await books(shop, organization)).keys() == {"stripe_balance", "stripe_fees", "dispute_fees"}
        await sound(shop)
