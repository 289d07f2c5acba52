"""A payment page that the processor will not show: a person is told once, and nobody asks for ever."""

from typing import Any

import pytest

from sublet.payments.stripe import inbox
from sublet.payments.stripe.errors import ProcessorRefused, ProcessorUnknown
from sublet.payments.top_ups import outcomes
from tests.payments.deliveries import deliver, events_of
from tests.payments.refunds import all_open, paid, refund, seen, settle, tell
from tests.payments.shop import Shop
from tests.payments.test_differing import show_page, work_left
from tests.payments.working import look_at, process_due, watch

pytestmark = pytest.mark.anyio


async def lost_page(shop: Shop) -> tuple[str, dict[str, Any], str]:
    """A top-up that is paid, under a page that the processor does not know: organization, top-up, its page."""
    organization = await shop.organization()
    top_up = await shop.top_up(organization)
    await shop.pay(top_up)
    (row,) = await shop.rows("SELECT checkout_session_id AS page FROM top_up WHERE id = :id", id=top_up["id"])
    await show_page(shop, top_up["id"], "cs_test_nobodys")
    return organization, top_up, row.page


def refuse(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The processor will not show any page, for a reason of its own."""

    async def refused(_page: str) -> None:
        raise ProcessorRefused("The card processor refused: Not today. Nothing was charged.")

    monkeypatch.setattr(shop.processor, "fetch_checkout", refused)


class TestAPageThatTheProcessorDoesNotKnow:
    async def test_is_told_as_unknown(self, shop: Shop) -> None:
        with pytest.raises(ProcessorUnknown, match="No such"):
            await shop.processor.fetch_checkout("cs_test_nobodys")

    async def test_fails_the_top_up_and_is_one_finding(self, shop: Shop) -> None:
        organization, top_up, _ = await lost_page(shop)
        await look_at(shop, top_up["id"])
        [finding] = await all_open(shop)
        assert (finding.code, finding.subject_id) == (outcomes.PAGE_UNKNOWN_CODE, top_up["id"])
        assert (finding.severity, finding.amounts["asked"].decimal_string()) == ("critical", "20.00")
        assert finding.detail["checkout_session_id"] == "cs_test_nobodys"
        found = await shop.read(organization, top_up["id"])
        assert (found["state"], found["failure"]["code"], found["checkout_url"]) == ("failed", "checkout_unknown", None)
        assert await work_left(shop) == []
        assert await watch(shop) == 0

    async def test_of_a_payment_whose_fee_is_waited_for_takes_nothing_from_anybody(self, shop: Shop) -> None:
        await shop.control("PUT", "balance-transactions", {"withhold": True})
        try:
            organization, top_up_id = await paid(shop)
        finally:
            await shop.control("PUT", "balance-transactions", {"withhold": False})
        await show_page(shop, top_up_id, "cs_test_nobodys")
        async with shop.database.transaction() as session:
            await session.exec_driver_sql("DELETE FROM work")
        assert await watch(shop) == 1
        [finding] = await all_open(shop)
        assert finding.code == outcomes.PAGE_UNKNOWN_CODE
        assert (await shop.read(organization, top_up_id))["state"] == "succeeded"
        assert await shop.balance(organization) == "20.00"
        assert (await work_left(shop), await watch(shop)) == ([], 0)

    async def test_leaves_its_events_unhandled_until_it_is_known_again(self, shop: Shop) -> None:
        organization, top_up, page = await lost_page(shop)
        told = next(one for one in events_of(shop, top_up["id"]) if one["type"] == "checkout.session.completed")
        await deliver(shop, told)
        await process_due(shop, inbox.WORK)
        (row,) = await shop.rows("SELECT outcome FROM stripe_event")
        assert (row.outcome, len(await all_open(shop))) == ("unhandled", 1)
        await show_page(shop, top_up["id"], page)
        async with shop.database.transaction() as session:
            await inbox.process_again(session, told["id"])
        await process_due(shop, inbox.WORK)
        assert await shop.balance(organization) == "20.00"
        assert await all_open(shop) == []

    async def test_has_what_is_taken_back_of_it_told_in_the_same_finding(self, shop: Shop) -> None:
        _, top_up_id = await paid(shop)
        await refund(shop, top_up_id)
        await show_page(shop, top_up_id, "cs_test_nobodys")
        await tell(shop, "refund.created")
        [finding] = await all_open(shop)
        assert finding.code == outcomes.PAGE_UNKNOWN_CODE
        assert [what.partition(" ")[0] for what in seen(finding)] == ["refund.created"]


class TestAPageThatTheProcessorRefusesToShow:
    async def test_is_a_finding_and_changes_nothing(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        organization, top_up, _ = await lost_page(shop)
        refuse(shop, monkeypatch)
        assert await watch(shop) == 1
        [finding] = await all_open(shop)
        assert (finding.code, finding.severity) == (outcomes.PAGE_REFUSED_CODE, "critical")
        assert "Not today" in finding.detail["said"]
        assert (await shop.read(organization, top_up["id"]))["state"] == "pending"
        assert (await work_left(shop), await watch(shop)) == ([], 0)

    async def test_is_asked_for_again_once_a_person_has_seen_to_it(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        organization, top_up, page = await lost_page(shop)
        await show_page(shop, top_up["id"], page)
        with monkeypatch.context() as refusing:
            refuse(shop, refusing)
            await look_at(shop, top_up["id"])
        await settle(shop)
        assert await watch(shop) == 1
        assert await shop.balance(organization) == "20.00"

    async def test_is_no_finding_once_it_is_shown(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        _, top_up, page = await lost_page(shop)
        await show_page(shop, top_up["id"], page)
        with monkeypatch.context() as refusing:
            refuse(shop, refusing)
            await look_at(shop, top_up["id"])
        await look_at(shop, top_up["id"])
        assert await all_open(shop) == []
