"""The words of notices: what happened, what it did to work and money, and what to do; none that is not so."""

from datetime import UTC, datetime
from typing import Any

import pytest

from sublet.allocations.events import AllocationClaimEnded
from sublet.billing.events import CreditExpiring, DataClockAnnounced, SpendingAlerted, SpendingLimitReached, WalletLow
from sublet.core.outbox import Event
from sublet.notifications.letters import KINDS
from sublet.payments.auto_top_up.events import AutoTopUpStopped
from sublet.payments.cards.events import CardExpiring
from sublet.payments.disputes.events import DisputeChanged
from sublet.payments.refunds.events import RefundFailed, RefundRequestDecided, RefundSucceeded
from sublet.payments.top_ups.events import TopUpFailed, TopUpNeedsAction, TopUpSucceeded
from tests.invariants.people import add_card
from tests.notifications.told import TOP_UP, happens, inbox, paid, run, who
from tests.support.app import Web

pytestmark = pytest.mark.anyio

TWENTY = {"amount": "20.00", "currency": "USD"}
OF_THE_DAY: dict[str, Any] = {
    "scope": "day",
    "subject_id": None,
    "subject_name": None,
    "amount": TWENTY,
    "spent": {"amount": "16.104321", "currency": "USD"},
    "ends_at": None,
}


class TestThePlaceOnANode:
    async def test_costs_nothing_since_its_time_was_over_however_late_it_was_given_back(self, web: Web) -> None:
        owner = await web.customer()
        ended = AllocationClaimEnded(allocation_id="al_x", name="one", ended_at=datetime(2026, 3, 1, 14, tzinfo=UTC))
        await happens(web, ended, (await who(owner))[1])
        [told] = await inbox(owner)
        assert told["sentences"][1].startswith("You pay for its disk alone since its time there was over.")


class TestFunds:
    @pytest.mark.parametrize(
        ("event", "kind", "title"),
        [
            (WalletLow(threshold="72h", runway_seconds=250_000), "wallet.low", "Your funds last for another 2 d 21 h"),
            (WalletLow(threshold="10m", runway_seconds=125), "wallet.low", "Your funds last for another 2 min 05 s"),
            (WalletLow(threshold="grace", runway_seconds=0), "wallet.out", "Your funds are used up"),
            (
                WalletLow(threshold="suspended", runway_seconds=0),
                "wallet.out",
                "Your allocations are suspended for lack of funds",
            ),
        ],
    )
    async def test_are_told_of_once_a_level(self, web: Web, event: Event, kind: str, title: str) -> None:
        owner = await web.customer()
        await happens(web, event, (await who(owner))[1])
        [told] = await inbox(owner)
        assert (told["kind"], told["title"], told["link"]) == (kind, title, "/billing")

    async def test_in_grace_say_when_it_ends(self, web: Web) -> None:
        owner = await web.customer()
        ends = datetime(2026, 3, 1, 14, 20, 5, tzinfo=UTC)
        event = WalletLow(threshold="grace", runway_seconds=0, suspend_at=ends)
        await happens(web, event, (await who(owner))[1])
        [told] = await inbox(owner)
        assert told["sentences"][1].startswith("It is suspended at 2026-03-01 14:20 UTC unless funds are added")


class TestTheDataClock:
    async def test_says_when_files_are_deleted_and_what_cancels_that(self, web: Web) -> None:
        owner = await web.customer()
        announced = DataClockAnnounced(currency="USD", deletes_at=datetime(2026, 3, 2, tzinfo=UTC), days=7)
        await happens(web, announced, (await who(owner))[1])
        [told] = await inbox(owner)
        assert (told["kind"], told["title"]) == (
            "data_clock.announced",
            "Without a top-up your files are deleted at 2026-03-02 00:00 UTC",
        )
        assert told["sentences"][-1] == (
            "A top-up before then that pays what is owed, and lets what is suspended run again, cancels that. "
            "A smaller one moves the date, but only once."
        )


class TestWhatExpires:
    async def test_of_credit_says_how_much_and_until_when(self, web: Web) -> None:
        owner = await web.customer()
        event = CreditExpiring(amount=TWENTY, expires_at=datetime(2026, 3, 2, tzinfo=UTC), days=7)
        await happens(web, event, (await who(owner))[1])
        [told] = await inbox(owner)
        assert (told["kind"], told["title"], told["link"]) == (
            "credit.expiring",
            "20.00 USD of credit expire at 2026-03-02 00:00 UTC",
            "/billing?view=credits",
        )

    @pytest.mark.parametrize(
        ("tops_up", "follows"),
        [(True, "from then on nothing is topped up by itself"), (False, "nothing stops by itself")],
    )
    async def test_of_a_card_says_what_auto_top_up_makes_of_it(self, web: Web, tops_up: bool, follows: str) -> None:
        owner = await web.customer()
        card = {"card_id": "card_1", "brand": "visa", "last4": "4242", "expiry_month": 3, "expiry_year": 2026}
        await happens(web, CardExpiring(**card, months=1, tops_up=tops_up), (await who(owner))[1])
        [told] = await inbox(owner)
        assert (told["kind"], told["link"]) == ("card.expiring", "/billing?view=cards")
        assert told["sentences"][0].endswith("that ends in 4242 can be charged until the end of 2026-03.")
        assert follows in told["sentences"][1]


class TestSpendingLimits:
    async def test_say_how_much_is_spent_of_whose_limit(self, web: Web) -> None:
        owner = await web.customer()
        await happens(web, SpendingAlerted(**OF_THE_DAY, percent=80), (await who(owner))[1])
        [told] = await inbox(owner)
        assert (told["kind"], told["title"]) == ("spending.alerted", "80 percent of a spending limit are spent")
        assert told["sentences"][0] == (
            "The spending limit of Customer for this day is 20.00 USD, and 16.10 USD of it are spent."
        )

    async def test_say_nothing_of_all_of_it_which_is_said_when_it_is_reached(self, web: Web) -> None:
        owner = await web.customer()
        await happens(web, SpendingAlerted(**OF_THE_DAY, percent=100), (await who(owner))[1])
        assert await inbox(owner) == []

    @pytest.mark.parametrize(
        ("about", "whose", "until"),
        [
            ({}, "of Customer for this day", True),
            ({"scope": "allocation", "subject_id": "al_1", "subject_name": "trainer"}, "the allocation trainer", False),
            ({"scope": "allocation", "subject_id": "al_1"}, "the allocation al_1", False),
        ],
    )
    async def test_that_are_reached_say_until_when(
        self, web: Web, about: dict[str, str], whose: str, until: bool
    ) -> None:
        owner = await web.customer()
        ends_at = datetime(2026, 3, 2, tzinfo=UTC) if until else None
        await happens(web, SpendingLimitReached(**{**OF_THE_DAY, "ends_at": ends_at, **about}), (await who(owner))[1])
        [told] = await inbox(owner)
        assert (told["kind"], told["title"]) == ("spending_limit.reached", "A spending limit is reached")
        assert whose in told["sentences"][0]
        assert ("2026-03-02 00:00 UTC" in told["sentences"][2]) is until


class TestPayments:
    async def test_that_arrived_make_a_receipt(self, web: Web) -> None:
        owner = await web.customer()
        _, organization_id = await who(owner)
        await paid(web, organization_id)
        await happens(web, TopUpSucceeded(top_up_id=TOP_UP, amount=TWENTY), organization_id)
        [told] = await inbox(owner)
        assert told["title"] == "Receipt: 20.00 USD paid in"
        assert told["sentences"] == [
            "20.00 USD were paid with a card and are in the wallet of Customer.",
            f"The payment is {TOP_UP}. Its page has the receipt for your bookkeeping.",
        ]
        assert told["link"] == f"/billing?top_up={TOP_UP}"

    async def test_that_were_declined_say_why(self, web: Web) -> None:
        owner = await web.customer()
        _, organization_id = await who(owner)
        said = {"failure_code": "card_declined", "failure_message": "Your card was declined."}
        await paid(web, organization_id, state="failed", payment_intent_id=None, charge_id=None, **said)
        await happens(web, TopUpFailed(top_up_id=TOP_UP, amount=TWENTY), organization_id)
        [told] = await inbox(owner)
        assert told["title"] == "A payment of 20.00 USD was declined"
        assert told["sentences"][0].endswith("nothing was charged. The card processor says: Your card was declined.")

    @pytest.mark.parametrize("state", ["expired", "succeeded"])
    async def test_that_were_left_or_came_after_all_were_not_declined(self, web: Web, state: str) -> None:
        owner = await web.customer()
        _, organization_id = await who(owner)
        await paid(web, organization_id, state=state)
        await happens(web, TopUpFailed(top_up_id=TOP_UP, amount=TWENTY), organization_id)
        assert await inbox(owner) == []

    @pytest.mark.parametrize(("state", "count"), [("expired", 1), ("failed", 1), ("succeeded", 0)])
    async def test_that_auto_top_up_made_are_told_of_unless_they_came(self, web: Web, state: str, count: int) -> None:
        owner = await web.customer()
        _, organization_id = await who(owner)
        await automatic(web, organization_id, state)
        await happens(web, TopUpFailed(top_up_id=TOP_UP, amount=TWENTY), organization_id)
        told = await inbox(owner)
        assert len(told) == count
        assert all("Auto top-up tries again" in item["sentences"][1] for item in told)

    @pytest.mark.parametrize(("state", "count"), [("needs_action", 1), ("succeeded", 0)])
    async def test_that_a_bank_wants_confirmed_lead_to_where_that_is_done(
        self, web: Web, state: str, count: int
    ) -> None:
        owner = await web.customer()
        _, organization_id = await who(owner)
        await automatic(web, organization_id, state)
        await happens(web, TopUpNeedsAction(top_up_id=TOP_UP, amount=TWENTY), organization_id)
        told = await inbox(owner)
        assert [(item["title"], item["link"]) for item in told] == [
            ("Your bank asks you to confirm 20.00 USD", f"/billing?top_up={TOP_UP}")
        ] * count

    async def test_by_auto_top_up_say_so_and_when_it_stops(self, web: Web) -> None:
        owner = await web.customer()
        _, organization_id = await who(owner)
        await automatic(web, organization_id, "succeeded")
        await happens(web, TopUpSucceeded(top_up_id=TOP_UP, amount=TWENTY), organization_id)
        await happens(web, AutoTopUpStopped(declines=3), organization_id)
        stopped, receipt = await inbox(owner)
        assert "paid by auto top-up with a card" in receipt["sentences"][0]
        assert stopped["sentences"][0].startswith("3 charges in a row came to nothing")


async def automatic(web: Web, organization_id: str, state: str) -> None:
    """A payment that auto top-up made."""

    class Rental:
        async def run(self, statement: str, **values: Any) -> None:
            await run(web, statement, **values)

    await run(
        web,
        "INSERT INTO auto_top_up (organization_id, currency, threshold, amount, monthly_cap, enabled, set_by) "
        "VALUES (:id, 'USD', 1000000, 20000000, 100000000, true, 'somebody')",
        id=organization_id,
    )
    await add_card(Rental(), organization_id, "card_a", "su_a", default=True)  # type: ignore[arg-type]
    paid_for = {"payment_intent_id": "pi_x", "charge_id": "ch_x"} if state == "succeeded" else {}
    await paid(web, organization_id, purpose="auto_top_up", saved_card_id="card_a", state=state, **paid_for)


class TestMoneyThatGoesBack:
    async def test_that_failed_is_not_called_refunded(self, web: Web) -> None:
        owner = await web.customer()
        _, organization_id = await who(owner)
        await happens(web, RefundFailed(refund_id="rf_x", top_up_id=TOP_UP, amount=TWENTY), organization_id)
        [told] = await inbox(owner)
        words = " ".join([told["title"], *told["sentences"]])
        assert "refunded" not in words
        assert "Its money is in the wallet of Customer again" in words

    async def test_that_was_sent_is(self, web: Web) -> None:
        owner = await web.customer()
        _, organization_id = await who(owner)
        await happens(web, RefundSucceeded(refund_id="rf_x", top_up_id=TOP_UP, amount=TWENTY), organization_id)
        [told] = await inbox(owner)
        assert (told["title"], told["link"]) == ("20.00 USD were refunded to your card", "/billing?view=refunds")

    @pytest.mark.parametrize(("granted", "word"), [(True, "granted"), (False, "declined")])
    async def test_that_was_asked_for_is_decided(self, web: Web, granted: bool, word: str) -> None:
        owner = await web.customer()
        user_id, organization_id = await who(owner)
        await paid(web, organization_id)
        await run(
            web,
            "INSERT INTO refund_request (id, organization_id, top_up_id, requested_by, amount, currency, reason) "
            "VALUES ('rrq_a', :organization_id, :top_up_id, :user_id, 5000000, 'USD', 'too much')",
            organization_id=organization_id,
            top_up_id=TOP_UP,
            user_id=user_id,
        )
        event = RefundRequestDecided(refund_request_id="rrq_a", top_up_id=TOP_UP, granted=granted, decision="Because.")
        await happens(web, event, organization_id)
        [told] = await inbox(owner)
        assert told["title"] == f"Your request to have 5.00 USD back was {word}"
        assert told["sentences"][0].endswith("The reason given: Because.")

    @pytest.mark.parametrize(
        ("state", "kind", "words"),
        [
            ("inquiry", "dispute.opened", "No money has moved."),
            ("open", "dispute.opened", "20.00 USD cannot be spent"),
            ("won", "dispute.ended", "the payment stands"),
            ("closed", "dispute.ended", "No money was taken back."),
            ("lost", "dispute.ended", "the next top-up pays it first"),
        ],
    )
    async def test_by_a_bank_is_told_of_as_it_stands(self, web: Web, state: str, kind: str, words: str) -> None:
        owner = await web.customer()
        event = DisputeChanged(dispute_id="dsp_x", top_up_id=TOP_UP, state=state, amount=TWENTY)
        await happens(web, event, (await who(owner))[1])
        [told] = await inbox(owner)
        assert told["kind"] == kind
        assert words in " ".join(told["sentences"])


class TestEveryKind:
    def test_is_called_what_its_events_are_about_and_says_so_in_a_line(self) -> None:
        assert len({kind.about for kind in KINDS.values()}) == len(KINDS)
        for kind in KINDS.values():
            assert len(kind.about) <= 90, kind.name
            assert kind.always is None or kind.always.endswith("."), kind.name
