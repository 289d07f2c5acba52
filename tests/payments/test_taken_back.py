"""What went back at the processor is found though no event tells of it, all of it, and of nobody else's payment."""

from pathlib import Path

import pytest
import stripe

from sublet.billing.policy import Policy
from sublet.core.settings import Settings
from sublet.entry.schedule import schedule
from sublet.fleet.observation import Observer
from sublet.ledger import holds
from sublet.payments.stripe.processor import Processor, ProcessorUnavailable
from sublet.payments.top_ups import checkout, taken_back
from tests.allocations.simulated import SimulatedBackend
from tests.ledger.books import usd
from tests.payments.refunds import available, dispute, open_findings, paid, refund
from tests.payments.shop import Shop
from tests.payments.working import look_at, process_due

pytestmark = pytest.mark.anyio


class TestWhatNoEventTold:
    @pytest.mark.parametrize(
        ("task", "seconds"), [("look for money taken back", 60), ("look far back for money taken back", 86_400)]
    )
    async def test_is_looked_for_by_itself(self, shop: Shop, tmp_path: Path, task: str, seconds: float) -> None:
        organization, top_up_id = await paid(shop)
        await refund(shop, top_up_id, 500)
        settings = Settings(data_directory=tmp_path)
        observer = Observer(shop.database, SimulatedBackend(shop.database), settings)
        ticks = schedule(shop.database, settings, Policy.of(settings), observer, shop.processor)
        [tick] = [one for one in ticks if one.name == task]
        assert tick.seconds == seconds
        assert tick.run_alone is not None
        await tick.run_alone()
        await process_due(shop, checkout.WORK)
        assert await available(shop, organization) == "15.00"

    async def test_is_found_beyond_the_first_page(self, shop: Shop) -> None:
        organization, top_up_id = await paid(shop)
        other, their_top_up_id = await paid(shop)
        await refund(shop, their_top_up_id, 1)
        for _ in range(101):
            await refund(shop, top_up_id, 1)
        assert await checkout.look_for_taken_back(shop.database, shop.processor, days=2) == 2
        await process_due(shop, checkout.WORK)
        assert await available(shop, organization) == "18.99"
        assert await available(shop, other) == "19.99"

    async def test_in_many_disputes_is_found_beyond_their_first_page(self, shop: Shop) -> None:
        organization, top_up_id = await paid(shop)
        for _ in range(101):
            await dispute(shop, top_up_id, amount=1)
        await look_at(shop, top_up_id)
        assert await available(shop, organization) == "18.99"

    async def test_is_of_one_organization(self, shop: Shop) -> None:
        _, top_up_id = await paid(shop)
        other, _ = await paid(shop)
        await refund(shop, top_up_id)
        assert await checkout.look_for_taken_back(shop.database, shop.processor, days=2) == 1
        await process_due(shop, checkout.WORK)
        assert await available(shop, other) == "20.00"

    async def test_in_dispute_that_is_not_listed_yet_is_asked_for_again(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _, top_up_id = await paid(shop)
        await dispute(shop, top_up_id)
        (row,) = await shop.rows("SELECT checkout_session_id FROM top_up WHERE id = :id", id=top_up_id)

        async def nothing(_page: object) -> list[stripe.StripeObject]:
            return []

        monkeypatch.setattr("sublet.payments.stripe.processor.all_of", nothing)
        with pytest.raises(ProcessorUnavailable, match="does not list the dispute yet"):
            await shop.processor.fetch_checkout(row.checkout_session_id)

    async def test_is_not_looked_for_without_a_key(self, shop: Shop) -> None:
        processor = Processor(api_base=shop.sandbox.url, api_key=None, webhook_secret=None)
        assert await checkout.look_for_taken_back(shop.database, processor, days=2) == 0
        await processor.close()


class TestWhatWasOnlyWithheldBefore:
    async def test_is_given_back_and_booked(self, shop: Shop, owner_url: str) -> None:
        """Releases before this one set money aside for what went back, and booked nothing."""
        organization, top_up_id = await paid(shop)
        await refund(shop, top_up_id, 500)
        async with shop.database.transaction() as session:
            subject = f"taken-back:{top_up_id}:5000000"
            await holds.withhold(session, organization, usd("5"), subject_id=subject, idempotency_key=subject)
            await session.exec_driver_sql("UPDATE top_up SET taken_back = 5000000, taken_aside = 5000000")
        for _ in range(2):
            await look_at(shop, top_up_id)
            assert await available(shop, organization) == "15.00"
        assert await shop.balance(organization) == "15.00"
        assert await open_findings(shop, taken_back.EARLIER_CODE) == []
