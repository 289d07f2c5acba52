"""Money that the processor gave back may not be spent as well, whoever tells of it or nobody, and nothing is lost."""

import time
from pathlib import Path
from typing import Any

import pytest
import stripe

from sublet.billing.policy import Policy
from sublet.core.money import Money
from sublet.core.settings import Settings
from sublet.entry.schedule import schedule
from sublet.findings import launches, resolution
from sublet.fleet.observation import Observer
from sublet.ledger import holds
from sublet.payments.stripe import inbox, processor
from sublet.payments.top_ups import checkout, taken_back
from tests.allocations.simulated import SimulatedBackend
from tests.payments.deliveries import deliver, event
from tests.payments.refunds import all_open, available, dispute, funds, open_findings, paid, refund, seen, settle, tell
from tests.payments.shop import Shop
from tests.payments.working import look_at, process_due

pytestmark = pytest.mark.anyio


class TestARefundMadeAtTheProcessor:
    @pytest.mark.parametrize("told", ["charge.refunded", "refund.created"])
    async def test_is_out_of_what_can_be_spent_and_is_said(self, shop: Shop, told: str) -> None:
        organization, top_up_id = await paid(shop)
        await refund(shop, top_up_id)
        await tell(shop, told)
        assert await available(shop, organization) == "0.00"
        [finding] = await open_findings(shop, taken_back.CODE)
        assert (finding.severity, finding.subject_id) == ("critical", top_up_id)
        twenty, nothing = Money.parse("20", "USD"), Money.zero("USD")
        assert finding.amounts == {"taken back": twenty, "set aside": twenty, "spent": nothing}
        (event,) = await shop.rows("SELECT outcome FROM stripe_event")
        assert event.outcome == "unhandled"
        assert await open_findings(shop, inbox.UNHANDLED_CODE) == []
        (event,) = await shop.rows("SELECT id, object_id FROM stripe_event")
        assert seen(finding) == [
            "20.00 USD taken back in all",
            f"{told} of {event.object_id} ({event.id}): 20.00 USD taken back in all",
        ]

    async def test_is_one_finding_that_tells_all_that_was_seen_of_it(self, shop: Shop) -> None:
        _, top_up_id = await paid(shop)
        for cents in (500, 300):
            await refund(shop, top_up_id, cents)
            for told in ("charge.refunded", "refund.created"):
                await tell(shop, told)
        async with shop.database.transaction() as session:  # told once more, it is there already
            await inbox.process_again(session, (await shop.rows("SELECT id FROM stripe_event LIMIT 1"))[0].id)
        await process_due(shop, inbox.WORK)
        [finding] = await open_findings(shop, taken_back.CODE)
        assert await all_open(shop) == [finding]
        eight = Money.parse("8", "USD")
        assert finding.amounts == {"taken back": eight, "set aside": eight, "spent": Money.zero("USD")}
        assert [what.partition(" (")[0].partition(" of ")[0] for what in seen(finding)][:6] == [
            "5.00 USD taken back in all",
            "charge.refunded",
            "refund.created",
            "8.00 USD taken back in all",
            "charge.refunded",
            "refund.created",
        ]
        assert finding.detail["charge_id"], "what it was opened with is still there"

    async def test_that_an_operator_settled_is_nobodys_to_see_to_when_its_event_comes_late(self, shop: Shop) -> None:
        _, top_up_id = await paid(shop)
        await refund(shop, top_up_id)
        await look_at(shop, top_up_id)
        await settle(shop)
        await tell(shop, "refund.created")
        assert await all_open(shop) == []
        (event,) = await shop.rows("SELECT outcome FROM stripe_event")
        assert event.outcome == "unhandled"

    @pytest.mark.parametrize("missing", ["before", "as it was", "anything"])
    async def test_after_it_was_settled_or_of_another_sum_is_for_a_person(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch, missing: str
    ) -> None:
        _, top_up_id = await paid(shop)
        if missing != "anything":
            await refund(shop, top_up_id, 500)
            await look_at(shop, top_up_id)
            await settle(shop)
        hours = 1 if missing == "before" else -1
        at = int(time.time()) + 3600 * hours
        if missing == "as it was":  # a refund that failed after all, say
            monkeypatch.setattr(processor, "taken_back_of", lambda _charge, _disputes: Money.parse("4", "USD"))
        (row,) = await shop.rows("SELECT charge_id FROM top_up WHERE id = :id", id=top_up_id)
        for number in range(2):
            told = event("refund.updated", id="re_1", object="refund", charge=row.charge_id)
            await deliver(shop, told | {"id": f"evt_{number}", "created": at})
        await process_due(shop, inbox.WORK)
        [finding] = await all_open(shop)
        assert (finding.code, finding.subject_id) == (inbox.UNHANDLED_CODE, top_up_id)
        assert (finding.severity, len(seen(finding))) == ("critical", 2)

    async def test_is_found_by_one_look_when_its_event_never_comes(self, shop: Shop) -> None:
        organization, top_up_id = await paid(shop)
        await refund(shop, top_up_id, 500)
        assert await checkout.look_for_taken_back(shop.database, shop.processor, days=2) == 1
        await process_due(shop, checkout.WORK)
        assert await available(shop, organization) == "15.00"

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

    async def test_is_set_aside_once_however_often_it_is_told_and_grows(self, shop: Shop) -> None:
        organization, top_up_id = await paid(shop)
        for cents, left in ((500, "15.00"), (300, "12.00")):
            await refund(shop, top_up_id, cents)
            for _ in range(3):
                await look_at(shop, top_up_id)
            assert await available(shop, organization) == left
        [finding] = await open_findings(shop, taken_back.CODE)
        assert finding.amounts["taken back"] == Money.parse("8", "USD")

    async def test_of_spent_money_stops_launches_until_an_operator_has_settled_it(self, shop: Shop) -> None:
        organization, top_up_id = await paid(shop)
        async with shop.database.transaction() as session:
            fifteen = Money.parse("15", "USD")
            await holds.place(session, organization, fifteen, subject_id="al_1", idempotency_key="hold:al_1")
        await refund(shop, top_up_id)
        await look_at(shop, top_up_id)
        assert await available(shop, organization) == "0.00"
        [stop] = await open_findings(shop, launches.STOP_CODE)
        assert stop.amounts["spent"] == Money.parse("15", "USD")
        [taken] = await open_findings(shop, taken_back.CODE)
        async with shop.database.transaction() as session:
            assert await launches.are_stopped(session, organization)
            assert not await launches.are_stopped(session, "org_another")
            await resolution.resolve(session, taken.id, consequences=taken_back.CONSEQUENCES)
            assert not await launches.are_stopped(session, organization)

    async def test_is_no_longer_what_anything_can_run_on(self, shop: Shop) -> None:
        organization, top_up_id = await paid(shop)
        assert await funds(shop, organization) == 20_000_000
        await refund(shop, top_up_id, 500)
        await look_at(shop, top_up_id)
        assert await funds(shop, organization) == 15_000_000

    async def test_takes_what_was_held_for_something_else_once_it_is_given_back(self, shop: Shop) -> None:
        organization, top_up_id = await paid(shop)
        async with shop.database.transaction() as session:
            fifteen = Money.parse("15", "USD")
            held = await holds.place(session, organization, fifteen, subject_id="al_1", idempotency_key="hold:al_1")
        await refund(shop, top_up_id)
        await look_at(shop, top_up_id)
        async with shop.database.transaction() as session:
            await holds.release(session, held.id, idempotency_key="release:al_1")
        for _ in range(2):
            await look_at(shop, top_up_id)
        assert await available(shop, organization) == "0.00"
        [finding] = await open_findings(shop, taken_back.CODE)
        assert finding.amounts["spent"] == Money.zero("USD")

    async def test_takes_nothing_more_once_an_operator_has_settled_it(self, shop: Shop) -> None:
        organization, top_up_id = await paid(shop)
        async with shop.database.transaction() as session:
            fifteen = Money.parse("15", "USD")
            held = await holds.place(session, organization, fifteen, subject_id="al_1", idempotency_key="hold:al_1")
        await refund(shop, top_up_id)
        await look_at(shop, top_up_id)
        [finding] = await open_findings(shop, taken_back.CODE)
        async with shop.database.transaction() as session:
            await resolution.resolve(session, finding.id, consequences=taken_back.CONSEQUENCES)
        async with shop.database.transaction() as session:
            await holds.release(session, held.id, idempotency_key="release:al_1")
        await look_at(shop, top_up_id)
        assert await available(shop, organization) == "15.00"
        assert await open_findings(shop, launches.STOP_CODE) == []

    @pytest.mark.parametrize(
        ("first", "topped_up", "then", "left"), [(500, "20.00", 100, "19.00"), (1500, "5.00", 1, "4.99")]
    )
    async def test_takes_what_grew_alone_once_an_operator_has_settled_the_rest(
        self, shop: Shop, first: int, topped_up: str, then: int, left: str
    ) -> None:
        organization, top_up_id = await paid(shop)
        async with shop.database.transaction() as session:
            all_of_it = Money.parse("20", "USD")
            await holds.place(session, organization, all_of_it, subject_id="al_1", idempotency_key="hold:al_1")
        await refund(shop, top_up_id, first)
        await look_at(shop, top_up_id)
        [finding] = await open_findings(shop, taken_back.CODE)
        async with shop.database.transaction() as session:
            await resolution.resolve(session, finding.id, consequences=taken_back.CONSEQUENCES)
        more = await shop.top_up(organization, topped_up)
        await shop.pay(more)
        await look_at(shop, more["id"])
        await refund(shop, top_up_id, then)
        for _ in range(2):
            await look_at(shop, top_up_id)
        assert await available(shop, organization) == left
        [finding] = await open_findings(shop, taken_back.CODE)
        assert finding.amounts == {
            "taken back": Money((first + then) * 10_000, "USD"),
            "set aside": Money(then * 10_000, "USD"),
            "spent": Money.zero("USD"),
            "settled": Money(first * 10_000, "USD"),
        }
        assert await open_findings(shop, launches.STOP_CODE) == []

    async def test_stops_launches_for_what_grew_alone_once_the_rest_is_settled(self, shop: Shop) -> None:
        organization, top_up_id = await paid(shop)
        async with shop.database.transaction() as session:
            all_of_it = Money.parse("20", "USD")
            await holds.place(session, organization, all_of_it, subject_id="al_1", idempotency_key="hold:al_1")
        for cents in (500, 100):
            await refund(shop, top_up_id, cents)
            await look_at(shop, top_up_id)
            [stop] = await open_findings(shop, launches.STOP_CODE)
            assert stop.amounts["spent"] == Money(cents * 10_000, "USD")
            [finding] = await open_findings(shop, taken_back.CODE)
            async with shop.database.transaction() as session:
                await resolution.resolve(session, finding.id, consequences=taken_back.CONSEQUENCES)

    async def test_in_another_currency_is_for_a_person_to_look_at(self, shop: Shop) -> None:
        organization, top_up_id = await paid(shop)
        async with shop.database.transaction() as session:
            assert not await taken_back.note(session, top_up_id, Money.parse("5", "EUR"))
        [finding] = await open_findings(shop, taken_back.CODE)
        assert finding.amounts == {"taken back": Money.parse("5", "EUR")}
        assert await available(shop, organization) == "20.00"

    async def test_of_what_was_not_spent_stops_nothing(self, shop: Shop) -> None:
        organization, top_up_id = await paid(shop)
        await refund(shop, top_up_id)
        await look_at(shop, top_up_id)
        async with shop.database.reading() as session:
            assert not await launches.are_stopped(session, organization)

    async def test_is_found_beyond_the_first_page_of_refunds(self, shop: Shop) -> None:
        _, top_up_id = await paid(shop)
        await refund(shop, top_up_id, 1)
        other = await paid(shop)
        for _ in range(100):
            await refund(shop, other[1], 1)
        assert await checkout.look_for_taken_back(shop.database, shop.processor, days=2) == 2

    async def test_of_spent_money_is_taken_from_what_comes_later_and_said_anew(self, shop: Shop) -> None:
        organization, top_up_id = await paid(shop)
        async with shop.database.transaction() as session:
            all_of_it = Money.parse("20", "USD")
            await holds.place(session, organization, all_of_it, subject_id="al_2", idempotency_key="hold:al_2")
        await refund(shop, top_up_id, 500)
        await look_at(shop, top_up_id)
        more = await shop.top_up(organization)
        await shop.pay(more)
        await look_at(shop, more["id"])
        await refund(shop, top_up_id, 300)
        await look_at(shop, top_up_id)
        [stop] = await open_findings(shop, launches.STOP_CODE)
        assert (stop.amounts["taken back"], stop.amounts["spent"]) == (
            Money.parse("8", "USD"),
            Money.zero("USD"),
        )

    async def test_as_a_dispute_is_found_when_its_event_never_comes(self, shop: Shop) -> None:
        organization, top_up_id = await paid(shop)
        await dispute(shop, top_up_id)
        assert await checkout.look_for_taken_back(shop.database, shop.processor, days=2) == 1
        await process_due(shop, checkout.WORK)
        assert await available(shop, organization) == "0.00"

    @pytest.mark.parametrize(
        ("disputed", "refunded", "left"),
        [
            ([{"amount": 150}], None, "18.50"),
            ([{"amount": 150, "status": "lost"}], None, "18.50"),
            ([{"amount": 150}, {"amount": 250, "status": "under_review"}], None, "16.00"),
            ([{"amount": 150}], 500, "13.50"),
            ([{}], 500, "0.00"),
            ([{"status": "won"}], None, "20.00"),
            ([{"status": "warning_needs_response"}], None, "20.00"),
            ([{"status": "warning_closed"}], 500, "15.00"),
        ],
    )
    async def test_of_a_part_in_dispute_is_that_part_while_it_is_not_won(
        self, shop: Shop, disputed: list[dict[str, Any]], refunded: int | None, left: str
    ) -> None:
        organization, top_up_id = await paid(shop)
        for one in disputed:
            await dispute(shop, top_up_id, **one)
        if refunded is not None:
            await refund(shop, top_up_id, refunded)
        await look_at(shop, top_up_id)
        assert await available(shop, organization) == left
        taken = Money.parse("20", "USD") - Money.parse(left, "USD")
        said = [finding.amounts["taken back"] for finding in await open_findings(shop, taken_back.CODE)]
        assert said == ([taken] if taken.micro else [])

    async def test_in_dispute_beside_others_is_found_beyond_the_first_page(self, shop: Shop) -> None:
        organization, top_up_id = await paid(shop)
        for _ in range(101):
            await dispute(shop, top_up_id, amount=1)
        await look_at(shop, top_up_id)
        assert await available(shop, organization) == "18.99"

    def test_in_dispute_in_another_currency_may_be_all_of_it(self) -> None:
        about = {"id": "ch_1", "object": "charge", "amount": 2000, "amount_refunded": 0, "currency": "usd"}
        charge = stripe.Charge.construct_from({**about, "disputed": True}, None)
        dispute = {"id": "du_1", "object": "dispute", "amount": 150, "currency": "eur", "status": "lost"}
        found = processor.taken_back_of(charge, [stripe.Dispute.construct_from(dispute, None)])
        assert found == Money.parse("20", "USD")

    def test_in_dispute_that_is_not_listed_yet_may_be_all_of_it(self) -> None:
        about = {"id": "ch_1", "object": "charge", "amount": 2000, "amount_refunded": 0, "currency": "usd"}
        charge = stripe.Charge.construct_from({**about, "disputed": True}, None)
        assert processor.taken_back_of(charge, []) == Money.parse("20", "USD")
        undisputed = stripe.Charge.construct_from({**about, "disputed": False}, None)
        assert processor.taken_back_of(undisputed, []) is None

    async def test_touches_nobody_elses_money(self, shop: Shop) -> None:
        _, top_up_id = await paid(shop)
        other, _ = await paid(shop)
        await refund(shop, top_up_id)
        await checkout.look_for_taken_back(shop.database, shop.processor, days=2)
        await process_due(shop, checkout.WORK)
        assert await available(shop, other) == "20.00"
