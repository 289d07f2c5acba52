"""Events of the processor find the top-up that they are about, and what nobody understands is a finding."""

from typing import Any

import pytest

from sublet.core.errors import Conflict, NotFound
from sublet.core.work import leases
from sublet.payments.stripe import inbox
from tests.payments.deliveries import deliver, event, events_of
from tests.payments.refunds import open_findings, paid
from tests.payments.shop import Shop
from tests.payments.working import process_due

pytestmark = pytest.mark.anyio


class TestEventsThatNameTheirTopUpByOneIdAlone:
    @pytest.mark.parametrize(
        ("told", "object_type", "column"),
        [
            ("charge.updated", "charge", "charge_id"),
            ("payment_intent.processing", "payment_intent", "payment_intent_id"),
        ],
    )
    async def test_find_it(self, shop: Shop, told: str, object_type: str, column: str) -> None:
        _, top_up_id = await paid(shop)
        await paid(shop)
        (row,) = await shop.rows(f"SELECT {column} AS named FROM top_up WHERE id = :id", id=top_up_id)
        await deliver(shop, event(told, id=row.named, object=object_type))
        await process_due(shop, inbox.WORK)
        assert [one.outcome for one in await shop.rows("SELECT outcome FROM stripe_event")] == ["applied"]

    async def test_are_applied_once(self, shop: Shop) -> None:
        _, top_up_id = await paid(shop)
        (row,) = await shop.rows("SELECT charge_id FROM top_up WHERE id = :id", id=top_up_id)
        await deliver(shop, event("charge.updated", id=row.charge_id, object="charge"))
        await process_due(shop, inbox.WORK)
        (before,) = await shop.rows("SELECT processed_at FROM stripe_event")
        async with shop.database.transaction() as session:
            await leases.make_due(session, inbox.WORK, "evt_charge.updated")
        await process_due(shop, inbox.WORK)
        assert await shop.rows("SELECT processed_at FROM stripe_event") == [before]


OF_ANOTHER_PLACE = {"sublet_top_up": "tu_ofanotherplace", "sublet_installation": "ins_ofanotherplace"}


class TestEventsThatAreNotUnderstood:
    @pytest.mark.parametrize(
        "told",
        [
            event("topup.succeeded", id="tu_1", object="topup"),
            event("charge.succeeded", id="ch_other", object="charge"),
            event("charge.dispute.created", id="dp_1", object="dispute", charge="ch_other"),
            event("invented.tomorrow", id="x", object="thing"),
        ],
        ids=lambda told: told["type"],
    )
    async def test_are_a_finding(self, shop: Shop, told: dict[str, Any]) -> None:
        await deliver(shop, told)
        await process_due(shop, inbox.WORK)
        (row,) = await shop.rows("SELECT outcome FROM stripe_event")
        assert row.outcome == "unhandled"
        [finding] = await open_findings(shop, inbox.UNHANDLED_CODE)
        assert (finding.subject_id, finding.detail["type"]) == (told["id"], told["type"])

    @pytest.mark.parametrize(
        "told",
        [
            event("customer.created", id="cus_1", object="customer"),
            event("payout.paid", id="po_1", object="payout"),
            event("payment_intent.created", id="pi_other", object="payment_intent"),
            event("charge.succeeded", id="ch_x", object="charge", metadata=OF_ANOTHER_PLACE),
        ],
        ids=["says nothing", "is mirrored", "comes to nothing", "another installation's"],
    )
    async def test_are_not_those_that_move_nothing_of_ours(self, shop: Shop, told: dict[str, Any]) -> None:
        await deliver(shop, told)
        await process_due(shop, inbox.WORK)
        (row,) = await shop.rows("SELECT outcome FROM stripe_event")
        assert row.outcome == "ignored"
        assert await open_findings(shop, inbox.UNHANDLED_CODE) == []

    async def test_are_processed_again_once_they_are_understood(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        organization = await shop.organization()
        top_up = await shop.top_up(organization)
        await shop.pay(top_up)
        told = next(one for one in events_of(shop, top_up["id"]) if one["type"] == "charge.succeeded")
        with monkeypatch.context() as yesterday:
            yesterday.setattr("sublet.payments.stripe.subjects.BY_OBJECT", {})
            await deliver(shop, told)
            await process_due(shop, inbox.WORK)
        assert await shop.balance(organization) == "0.00"
        async with shop.database.transaction() as session:
            await inbox.process_again(session, told["id"])
        await process_due(shop, inbox.WORK)
        assert await shop.balance(organization) == "20.00"
        assert await open_findings(shop, inbox.UNHANDLED_CODE) == []
        async with shop.database.transaction() as session:
            with pytest.raises(Conflict):
                await inbox.process_again(session, told["id"])
            with pytest.raises(NotFound):
                await inbox.process_again(session, "evt_none")
