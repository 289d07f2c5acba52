"""A payment that is not what its top-up asked for is said to a person, and never tried for ever."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from sublet.core.money import Money
from sublet.findings import findings
from sublet.payments.stripe import inbox
from sublet.payments.stripe.processor import CheckoutSeen
from sublet.payments.top_ups import outcomes
from tests.payments.deliveries import deliver
from tests.payments.refunds import open_findings
from tests.payments.shop import Shop
from tests.payments.working import look_at, process_due, watch
from tests.sandbox.stripe.orders import open_session

pytestmark = pytest.mark.anyio


async def paid_otherwise(shop: Shop, currency: str, cents: int) -> tuple[str, str, str]:
    """A top-up of 20.00 dollars whose page took something else: organization, top-up, page."""
    organization = await shop.organization()
    top_up = await shop.top_up(organization)
    price = {"currency": currency, "unit_amount": cents, "product_data": {"name": "Balance"}}
    page = open_session(shop.sandbox.client(), line_items=[{"quantity": 1, "price_data": price}])
    await shop.pay({"checkout_url": page.url})
    await show_page(shop, top_up["id"], page.id)
    return organization, top_up["id"], page.id


async def show_page(shop: Shop, top_up_id: str, page: str) -> None:
    async with shop.database.transaction() as session:
        await session.exec_driver_sql("UPDATE top_up SET checkout_session_id = %s WHERE id = %s", (page, top_up_id))


async def tell_of(shop: Shop, page: str) -> str:
    """Hand over the event of a page that was paid on; its id."""
    told = shop.sandbox.client().v1.events.list({"type": "checkout.session.completed"}).data
    [event] = [one.to_dict() for one in told if one.data.object["id"] == page]
    assert (await deliver(shop, event)).status_code == 200
    return str(event["id"])


async def outcome_of(shop: Shop, event_id: str) -> str | None:
    (row,) = await shop.rows("SELECT outcome FROM stripe_event WHERE id = :id", id=event_id)
    outcome: str | None = row.outcome
    return outcome


async def work_left(shop: Shop) -> list[Any]:
    return await shop.rows("SELECT kind, id FROM work WHERE kind IN ('top_up', 'stripe_event')")


class TestAPaymentInAnotherCurrency:
    async def test_is_one_critical_finding_with_both_amounts_whoever_sees_it(self, shop: Shop) -> None:
        organization, top_up_id, page = await paid_otherwise(shop, "eur", 1840)
        event_id = await tell_of(shop, page)
        await process_due(shop, inbox.WORK)
        await look_at(shop, top_up_id)
        [finding] = await open_findings(shop, outcomes.NOT_CREDITED_CODE)
        assert (finding.severity, finding.subject_type, finding.subject_id) == ("critical", "top_up", top_up_id)
        assert finding.amounts == {"asked": Money.parse("20", "USD"), "received": Money.parse("18.40", "EUR")}
        assert await outcome_of(shop, event_id) == "unhandled"
        assert await open_findings(shop, inbox.UNHANDLED_CODE) == []
        assert await shop.balance(organization) == "0.00"
        assert (await shop.read(organization, top_up_id))["state"] == "pending"

    async def test_is_not_tried_for_ever(self, shop: Shop) -> None:
        _, top_up_id, page = await paid_otherwise(shop, "eur", 1840)
        await tell_of(shop, page)
        await process_due(shop, inbox.WORK)
        await look_at(shop, top_up_id)
        assert await work_left(shop) == []
        assert await watch(shop) == 0

    async def test_holds_up_nobody_else(self, shop: Shop) -> None:
        await paid_otherwise(shop, "eur", 1840)
        organization = await shop.organization()
        await shop.pay(await shop.top_up(organization))
        assert await watch(shop) == 2
        assert await shop.balance(organization) == "20.00"

    async def test_that_was_settled_is_not_told_again(self, shop: Shop) -> None:
        _, top_up_id, _ = await paid_otherwise(shop, "eur", 1840)
        await look_at(shop, top_up_id)
        [finding] = await open_findings(shop, outcomes.NOT_CREDITED_CODE)
        async with shop.database.transaction() as session:
            await findings.close_by_id(session, finding.id, by="Ada", reason="settled")
        assert await watch(shop) == 0
        await look_at(shop, top_up_id)
        assert await open_findings(shop, outcomes.NOT_CREDITED_CODE) == []

    async def test_converges_when_it_is_processed_again_after_a_mend(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        organization, _, page = await paid_otherwise(shop, "eur", 1840)
        event_id = await tell_of(shop, page)
        await process_due(shop, inbox.WORK)
        mended = open_session(shop.sandbox.client())
        await shop.pay({"checkout_url": mended.url})
        seen = await shop.processor.fetch_checkout(mended.id)

        async def fetch(_page: str) -> CheckoutSeen:
            return seen

        monkeypatch.setattr(shop.processor, "fetch_checkout", fetch)
        async with shop.database.transaction() as session:
            await inbox.process_again(session, event_id)
        await process_due(shop, inbox.WORK)
        assert await outcome_of(shop, event_id) == "applied"
        assert await shop.balance(organization) == "20.00"
        assert await open_findings(shop, outcomes.NOT_CREDITED_CODE) == []

    async def test_leaves_alone_one_that_was_credited(self, shop: Shop) -> None:
        organization = await shop.organization()
        top_up = await shop.top_up(organization)
        await shop.pay(top_up)
        await look_at(shop, top_up["id"])
        price = {"currency": "eur", "unit_amount": 1840, "product_data": {"name": "Balance"}}
        page = open_session(shop.sandbox.client(), line_items=[{"quantity": 1, "price_data": price}])
        await shop.pay({"checkout_url": page.url})
        await show_page(shop, top_up["id"], page.id)
        await look_at(shop, top_up["id"])
        assert await open_findings(shop, outcomes.NOT_CREDITED_CODE) == []

    async def test_is_not_offered_by_the_payment_page(self, shop: Shop) -> None:
        top_up = await shop.top_up(await shop.organization())
        sessions = shop.sandbox.client().v1.checkout.sessions.list().data
        [page] = [found for found in sessions if found.client_reference_id == top_up["id"]]
        assert page.adaptive_pricing is not None
        assert not page.adaptive_pricing.enabled


class TestAPaymentOfAnotherAmount:
    @pytest.mark.parametrize(("cents", "arrived"), [(1500, "15.00"), (2500, "25.00")])
    async def test_is_credited_and_told_as_what_arrived(self, shop: Shop, cents: int, arrived: str) -> None:
        organization, top_up_id, _ = await paid_otherwise(shop, "usd", cents)
        await look_at(shop, top_up_id)
        assert await shop.balance(organization) == arrived
        found = await shop.read(organization, top_up_id)
        assert (found["state"], found["amount"]) == ("succeeded", {"amount": arrived, "currency": "USD"})
        (told,) = await shop.rows("SELECT data FROM outbox_event WHERE type = 'top_up.succeeded'")
        assert told.data["amount"] == {"amount": arrived, "currency": "USD"}

    async def test_is_a_warning_with_both_amounts(self, shop: Shop) -> None:
        _, top_up_id, _ = await paid_otherwise(shop, "usd", 1500)
        for _ in range(2):
            await look_at(shop, top_up_id)
        [finding] = await open_findings(shop, outcomes.AMOUNT_DIFFERS_CODE)
        assert (finding.severity, finding.subject_type, finding.subject_id) == ("warning", "top_up", top_up_id)
        assert finding.amounts == {"asked": Money.parse("20", "USD"), "received": Money.parse("15", "USD")}


class TestAPaymentAsAskedFor:
    async def test_is_no_finding(self, shop: Shop) -> None:
        organization = await shop.organization()
        top_up = await shop.top_up(organization)
        await shop.pay(top_up)
        await look_at(shop, top_up["id"])
        assert await open_findings(shop, outcomes.AMOUNT_DIFFERS_CODE) == []
        assert await open_findings(shop, outcomes.NOT_CREDITED_CODE) == []

    @pytest.mark.parametrize("credited", [0, -1])
    async def test_credits_something(self, shop: Shop, credited: int) -> None:
        await shop.top_up(await shop.organization())
        arrive = "state = 'succeeded', completed_at = now(), payment_intent_id = 'pi_1', charge_id = 'ch_1'"
        with pytest.raises(IntegrityError, match="top_up_credited_check"):
            async with shop.database.transaction() as session:
                await session.execute(text(f"UPDATE top_up SET {arrive}, credited = :credited"), {"credited": credited})

    async def test_credits_nothing_before_it_has_succeeded(self, shop: Shop) -> None:
        await shop.top_up(await shop.organization())
        with pytest.raises(IntegrityError, match="top_up_credited_check"):
            async with shop.database.transaction() as session:
                await session.execute(text("UPDATE top_up SET credited = 1"))
