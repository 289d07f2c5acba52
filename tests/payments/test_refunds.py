"""Refunds by operators: out of the wallet first, then to the card; what fails is in the wallet again, once."""

import itertools
from typing import Any

import pytest

from sublet.ledger import charges, holds
from sublet.payments.refunds import outcomes, requests, work
from tests.ledger.books import assert_books_are_sound, key, usd
from tests.payments.deliveries import deliver
from tests.payments.refunds import (
    all_open,
    available,
    books,
    open_findings,
    paid,
    refund,
    refunds_at_the_processor,
    send,
    shown,
    tell,
)
from tests.payments.shop import Shop
from tests.payments.working import look_at, make_due, process_due, watch

pytestmark = pytest.mark.anyio


async def spend(shop: Shop, organization: str, amount: str) -> None:
    """Charge so much for something that ran."""
    async with shop.database.transaction() as session:
        hold = await holds.place(session, organization, usd(amount), subject_id=key("al"), idempotency_key=key())
        await charges.capture(
            session,
            hold.id,
            usd(amount),
            meter_kind="compute",
            source_type="subject",
            source_id="al_1",
            idempotency_key=key(),
            description="Usage",
        )
        await holds.release(session, hold.id, idempotency_key=key())


async def payment(shop: Shop, organization: str) -> dict[str, Any]:
    """What operators read about the organization's one payment."""
    [one] = (await shop.operate("GET", f"payments?organization_id={organization}")).json()["items"]
    return dict(one)


async def sound(shop: Shop) -> None:
    async with shop.database.transaction() as session:
        await assert_books_are_sound(session)


async def end(shop: Shop, refund_id: str, status: str) -> None:
    """The bank ends a refund at the processor."""
    (row,) = await shop.rows("SELECT processor_id FROM refund WHERE id = :id", id=refund_id)
    await shop.control("POST", f"refunds/{row.processor_id}", {"status": status})


class TestOf20:
    async def test_ten_then_five_leave_ten_then_five(self, shop: Shop) -> None:
        organization, top_up_id = await paid(shop)
        for amount, left in (("10.00", "10.00"), ("5.00", "5.00")):
            sent = await send(shop, top_up_id, amount)
            assert (sent["state"], sent["owed"]["amount"]) == ("succeeded", "0.00")
            assert await available(shop, organization) == left
            assert (await payment(shop, organization))["refundable"]["amount"] == left
        assert await refunds_at_the_processor(shop, top_up_id) == [(1000, "succeeded"), (500, "succeeded")]
        assert (await books(shop, organization))["wallet"] == "5.00"
        await sound(shop)

    @pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
    async def test_amounts_are_cumulative_in_no_event_and_in_any_order(
        self, shop: Shop, order: tuple[int, ...]
    ) -> None:
        organization, top_up_id = await paid(shop)
        for cents in (1000, 500):
            await refund(shop, top_up_id, cents)
        listed = shop.sandbox.client().v1.events.list({"limit": 4}).data
        told = [event.to_dict() for event in listed if event.type != "charge.succeeded"][:3]
        for number in (*order, *order):
            assert (await deliver(shop, told[number])).status_code == 200
            await process_due(shop, "stripe_event")
        assert await available(shop, organization) == "5.00"
        assert (await payment(shop, organization))["refunded"]["amount"] == "15.00"
        rows = await shop.rows("SELECT amount, origin, state FROM refund ORDER BY amount")
        assert [tuple(row) for row in rows] == [
            (5_000_000, "processor", "succeeded"),
            (10_000_000, "processor", "succeeded"),
        ]
        assert await all_open(shop) == []
        await sound(shop)


class TestIsRefused:
    @pytest.mark.parametrize(("amount", "status"), [("20.01", 409), ("0", 422), ("-1", 422), ("1.005", 422)])
    async def test_that_no_card_can_be_paid(self, shop: Shop, amount: str, status: int) -> None:
        organization, top_up_id = await paid(shop)
        answer = await shop.operate("POST", "refunds", top_up_id=top_up_id, amount=amount, reason="asked for")
        assert answer.status_code == status, answer.text
        assert "Nothing was changed" in answer.json()["detail"]
        assert await available(shop, organization) == "20.00"

    async def test_for_what_is_spent_or_set_aside(self, shop: Shop) -> None:
        organization, top_up_id = await paid(shop)
        await spend(shop, organization, "3")
        async with shop.database.transaction() as session:
            await holds.place(session, organization, usd("5"), subject_id="al_1", idempotency_key=key())
        seen = await payment(shop, organization)
        assert {name: seen[name]["amount"] for name in ("paid", "spent", "available", "refundable")} == {
            "paid": "20.00",
            "spent": "3.00",
            "available": "12.00",
            "refundable": "12.00",
        }
        body = {"top_up_id": top_up_id, "reason": "asked for"}
        answer = await shop.operate("POST", "refunds", **body, amount="12.01")
        assert (answer.status_code, answer.json()["code"]) == (409, "refund_not_possible")
        assert (await send(shop, top_up_id, "12.00"))["state"] == "succeeded"
        assert "set aside" in (await payment(shop, organization))["reason"]

    async def test_for_what_the_oldest_payment_has_spent(self, shop: Shop) -> None:
        organization, first = await paid(shop)
        second = await shop.top_up(organization)
        await shop.pay(second)
        await look_at(shop, second["id"])
        await spend(shop, organization, "25")
        answer = await shop.operate("POST", "refunds", top_up_id=first, amount="1.00", reason="asked for")
        assert answer.status_code == 409
        assert "20.00 USD is spent" in answer.json()["detail"]
        assert (await send(shop, second["id"], "15.00"))["state"] == "succeeded"
        assert await available(shop, organization) == "0.00"
        await sound(shop)

    async def test_twice(self, shop: Shop) -> None:
        _, top_up_id = await paid(shop)
        await send(shop, top_up_id, "20.00")
        answer = await shop.operate("POST", "refunds", top_up_id=top_up_id, amount="20.00", reason="again")
        assert (answer.status_code, answer.json()["code"]) == (409, "refund_not_possible")
        assert await refunds_at_the_processor(shop, top_up_id) == [(2000, "succeeded")]

    async def test_to_who_may_not(self, shop: Shop) -> None:
        organization, top_up_id = await paid(shop)
        body = {"top_up_id": top_up_id, "amount": "1.00", "reason": "mine"}
        headers = {"Authorization": f"Bearer {organization}"}
        answer = await shop.http.post("/api/v1/admin/refunds", json=body, headers=headers)
        assert answer.status_code == 403


class TestThatFails:
    @pytest.mark.parametrize("status", ["failed", "canceled"])
    async def test_while_pending_is_in_the_wallet_as_before_with_one_entry(self, shop: Shop, status: str) -> None:
        await shop.control("PUT", "refunds", {"wait": True})
        try:
            organization, top_up_id = await paid(shop)
            before = await books(shop, organization)
            sent = await send(shop, top_up_id, "15.00")
        finally:
            await shop.control("PUT", "refunds", {"wait": False})
        assert (sent["state"], await available(shop, organization)) == ("pending", "5.00")
        assert (await books(shop, organization))["refund_pending"] == "15.00"
        await end(shop, sent["id"], status)
        for _ in range(2):
            await tell(shop, "refund.updated")
            await look_at(shop, top_up_id)
        assert (await shown(shop, sent["id"]))["state"] == status
        assert await books(shop, organization) == before
        kinds = await shop.rows("SELECT kind::text FROM ledger.ledger_entry WHERE source_type = 'refund' ORDER BY id")
        assert [row.kind for row in kinds] == ["refund", "refund_failed"]
        told = await shop.rows("SELECT type FROM outbox_event WHERE type LIKE 'refund.%' ORDER BY id")
        assert [row.type for row in told] == ["refund.begun", "refund.failed"]
        assert (await payment(shop, organization))["refundable"]["amount"] == "20.00"
        await sound(shop)

    async def test_after_it_had_arrived_is_in_the_wallet_again(self, shop: Shop) -> None:
        organization, top_up_id = await paid(shop)
        before = await books(shop, organization)
        sent = await send(shop, top_up_id, "20.00")
        assert "refund_pending" not in await books(shop, organization)
        await end(shop, sent["id"], "failed")
        await tell(shop, "refund.failed")
        assert (await shown(shop, sent["id"]))["state"] == "failed"
        assert await books(shop, organization) == before
        assert (await send(shop, top_up_id, "20.00"))["state"] == "succeeded"
        await sound(shop)

    async def test_is_seen_by_itself_when_no_event_tells(self, shop: Shop) -> None:
        await shop.control("PUT", "refunds", {"wait": True})
        try:
            organization, top_up_id = await paid(shop)
            sent = await send(shop, top_up_id, "15.00")
        finally:
            await shop.control("PUT", "refunds", {"wait": False})
        await end(shop, sent["id"], "succeeded")
        await make_due(shop, requests.WORK)
        assert await process_due(shop, requests.WORK) == 1
        assert (await shown(shop, sent["id"]))["state"] == "succeeded"
        assert await available(shop, organization) == "5.00"

    async def test_because_the_processor_refuses_is_said_and_given_back(self, shop: Shop) -> None:
        organization, top_up_id = await paid(shop)
        await refund(shop, top_up_id)  # in the processor's own pages, and nobody has told us
        answer = await shop.operate("POST", "refunds", top_up_id=top_up_id, amount="20.00", reason="asked for")
        await process_due(shop, requests.WORK)
        failed = await shown(shop, answer.json()["refund"]["id"])
        assert failed["state"] == "failed"
        assert "already been refunded" in failed["failure"]
        assert await available(shop, organization) == "20.00"
        await look_at(shop, top_up_id)
        assert await available(shop, organization) == "0.00"
        assert (await books(shop, organization)).keys() == {"stripe_fees", "stripe_balance"}
        await sound(shop)

    async def test_here_and_goes_on_there_is_for_a_person(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        _, top_up_id = await paid(shop)
        sent = await send(shop, top_up_id, "20.00")
        await end(shop, sent["id"], "failed")
        await look_at(shop, top_up_id)
        (row,) = await shop.rows("SELECT * FROM refund")
        (charge,) = await shop.rows("SELECT charge_id FROM top_up")
        seen = outcomes.RefundSeen(row.processor_id, row.id, usd("20"), "succeeded", None)
        for late, found in ((outcomes.SETTLING_SECONDS, 0), (0.0, 1)):
            monkeypatch.setattr(outcomes, "SETTLING_SECONDS", late)
            async with shop.database.transaction() as session:
                await outcomes.settle(session, row, charge.charge_id, seen)
            assert len(await open_findings(shop, outcomes.DIFFERS_CODE)) == found


class TestMadeAtTheProcessor:
    @pytest.mark.parametrize("told", ["charge.refunded", "refund.created"])
    async def test_counts_the_same(self, shop: Shop, told: str) -> None:
        organization, top_up_id = await paid(shop)
        await refund(shop, top_up_id)
        await tell(shop, told)
        assert await available(shop, organization) == "0.00"
        (event,) = await shop.rows("SELECT outcome FROM stripe_event")
        assert event.outcome == "applied"
        [one] = (await shop.operate("GET", "refunds")).json()["items"]
        assert (one["origin"], one["state"], one["amount"]["amount"]) == ("processor", "succeeded", "20.00")
        assert await all_open(shop) == []
        await sound(shop)

    async def test_of_spent_money_is_owed_and_stops_launches_until_a_top_up_has_paid_it(self, shop: Shop) -> None:
        organization, top_up_id = await paid(shop)
        await spend(shop, organization, "15")
        await refund(shop, top_up_id)
        await look_at(shop, top_up_id)
        money = await books(shop, organization)
        assert (money.get("wallet"), money["receivable"]) == (None, "-15.00")
        [stop] = await open_findings(shop, "organization.launches_stopped")
        assert stop.amounts == {"owed": usd("15")}
        more = await shop.top_up(organization, "30.00")
        await shop.pay(more)
        await look_at(shop, more["id"])
        money = await books(shop, organization)
        assert (money["wallet"], money.get("receivable")) == ("15.00", None)
        assert await all_open(shop) == []
        await sound(shop)

    async def test_takes_what_was_set_aside_once_it_is_free(self, shop: Shop) -> None:
        organization, top_up_id = await paid(shop)
        async with shop.database.transaction() as session:
            held = await holds.place(session, organization, usd("15"), subject_id="al_1", idempotency_key=key())
        await refund(shop, top_up_id)
        await look_at(shop, top_up_id)
        assert (await books(shop, organization))["receivable"] == "-15.00"
        async with shop.database.transaction() as session:
            await holds.release(session, held.id, idempotency_key=key())
        await look_at(shop, top_up_id)
        assert (await books(shop, organization)).keys() == {"stripe_fees", "stripe_balance"}
        assert await all_open(shop) == []
        await sound(shop)

    async def test_that_is_pending_is_watched_and_not_asked_for_again(self, shop: Shop) -> None:
        await shop.control("PUT", "refunds", {"wait": True})
        try:
            organization, top_up_id = await paid(shop)
            await refund(shop, top_up_id, 600)
        finally:
            await shop.control("PUT", "refunds", {"wait": False})
        await look_at(shop, top_up_id)
        (row,) = await shop.rows("SELECT id, state FROM refund")
        assert row.state == "pending"
        for status in ("pending", "succeeded"):
            async with shop.database.transaction() as session:
                await work.ensure_watched(session)
            await make_due(shop, requests.WORK)
            assert await process_due(shop, requests.WORK) == 1
            assert await refunds_at_the_processor(shop, top_up_id) == [(600, status)]
            if status == "pending":
                await end(shop, row.id, "succeeded")
        assert (await shown(shop, row.id))["state"] == "succeeded"
        assert await available(shop, organization) == "14.00"
        await sound(shop)

    async def test_that_failed_before_anybody_looked_never_was(self, shop: Shop) -> None:
        organization, top_up_id = await paid(shop)
        await refund(shop, top_up_id)
        [made] = shop.sandbox.client().v1.refunds.list({"limit": 1}).data
        await shop.control("POST", f"refunds/{made.id}", {"status": "failed"})
        await look_at(shop, top_up_id)
        assert await available(shop, organization) == "20.00"
        assert await shop.rows("SELECT 1 FROM refund") == []


class TestTwoOperators:
    async def test_are_needed_above_the_threshold_and_for_what_adds_up_to_it(self, shop: Shop) -> None:
        await shop.hire("ada", "bob")
        organization = await shop.organization()
        top_up = await shop.top_up(organization, "100.00")
        await shop.pay(top_up)
        await look_at(shop, top_up["id"])
        body = {"top_up_id": top_up["id"], "reason": "asked for"}
        assert (await shop.operate("POST", "refunds", **body, amount="50.00")).json()["refund"] is not None
        asked = (await shop.operate("POST", "refunds", **body, amount="0.01")).json()
        assert (asked["refund"], asked["approval"]["state"]) == (None, "requested")
        assert await available(shop, organization) == "50.00"
        await shop.approve(asked["approval"]["id"], "bob")
        done = (await shop.operate("POST", "refunds", **body, amount="0.01")).json()
        assert (done["refund"]["amount"]["amount"], done["approval"]["state"]) == ("0.01", "used")
        assert await available(shop, organization) == "49.99"


class TestWatching:
    async def test_goes_on_with_what_lost_its_work(self, shop: Shop) -> None:
        _, top_up_id = await paid(shop)
        await shop.operate("POST", "refunds", top_up_id=top_up_id, amount="1.00", reason="asked for")
        async with shop.database.transaction() as session:
            await session.exec_driver_sql("DELETE FROM work WHERE kind = 'refund'")
        await watch(shop)
        assert await process_due(shop, requests.WORK) == 1
        assert await refunds_at_the_processor(shop, top_up_id) == [(100, "succeeded")]
