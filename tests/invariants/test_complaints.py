"""What users of other systems complained of: each has a test that names it, here or where its subject is tested."""

import asyncio
import importlib
import inspect
from collections.abc import AsyncIterator

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from sublet.billing import checks, extension, meters, settlement, standing
from sublet.core.currencies import micro_per_unit
from sublet.core.db import Database, Session
from sublet.core.money import Money, Rate
from sublet.ledger import holds, reconcile, wallets
from sublet.ledger.failures import InsufficientFunds
from tests.billing.usage import POLICY, RATE, charged_micro, new_subject, observe_until, unmetered_seconds
from tests.ledger.books import assert_books_are_sound, charge, key, new_hold, new_wallet, purse_of, top_up, usd
from tests.support.policy import DEFAULT_POLICY

pytestmark = pytest.mark.anyio

ELSEWHERE = {
    "lago-api#2243": "payments.test_webhooks.TestDuplicates.test_fifty_at_once_make_one_entry",
    "polar#8344": "payments.test_disputes.TestOfWhatIsSpent.test_and_of_more_than_the_payment_is_owed_in_whole",
    "polar#11414": "payments.test_disputes.TestEvents.test_of_a_refund_that_failed_after_the_dispute_was_opened",
    "akash console#3449": "payments.test_auto_top_up_crashes.TestRetries.test_never_charge_a_card_two_or_three_times",
    "akash console#3756": "payments.test_auto_top_up.TestDeclines.test_three_stop_it_and_not_486",
    "eliza#10920": "payments.test_refunds.TestMadeAtTheProcessor.test_counts_the_same",
    "eliza#10997": "payments.test_refunds.TestMadeAtTheProcessor."
    "test_of_spent_money_is_owed_and_stops_launches_until_a_top_up_has_paid_it",
    "eliza#31449": "payments.test_disputes.TestOfWhatIsUnspent.test_takes_it_out_of_reach_and_is_ours_to_bear",
    "akash console#2438": "payments.test_refunds.TestOf20.test_amounts_are_cumulative_in_no_event_and_in_any_order",
    "gumroad#5779": "payments.test_refunds.TestThatFails.test_while_pending_is_in_the_wallet_as_before_with_one_entry",
    "woocommerce-gateway-stripe#4405": "payments.test_refunds.TestThatFails."
    "test_after_it_had_arrived_is_in_the_wallet_again",
    "woocommerce-payments#6802": "payments.test_disputes.TestAnInquiry."
    "test_moves_no_money_and_is_found_with_its_deadline",
    "lago#6177": "payments.test_auto_top_up.TestOneCharge.test_closes_the_gap_instead_of_a_loop_of_small_ones",
    "autumn#3332": "payments.test_auto_top_up.TestOneCharge.test_closes_the_gap_instead_of_a_loop_of_small_ones",
}
"""Complaints that have their test beside others of the same subject."""
NOTHING_OF_THE_KIND = {
    "hitobito#4005": "invoice numbers with gaps under rollback: there are no invoices yet",
    "Paymenter#1244": "invoice numbers that double under rollback: there are no invoices yet",
    "odoo#37896": "invoice lines whose rounding does not sum: there are no invoices yet",
}


@pytest.fixture
async def session(database: Database) -> AsyncIterator[Session]:
    """One transaction for a whole test."""
    async with database.transaction() as session:
        yield session


@pytest.mark.parametrize("complaint", ELSEWHERE)
def test_one_that_is_answered_elsewhere_is_answered_there(complaint: str) -> None:
    package, module, *names = ELSEWHERE[complaint].split(".")
    found: object = importlib.import_module(f"tests.{package}.{module}")
    for name in names:
        found = getattr(found, name)
    assert inspect.iscoroutinefunction(found)


class TestMoney:
    async def test_a_charge_is_settled_once_whoever_does_it(self, database: Database) -> None:
        """A wallet transaction settled twice (lago-api#3618)."""
        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 600)

        async def settle() -> None:
            async with database.transaction() as session:
                await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)

        await asyncio.gather(*(settle() for _ in range(8)))
        async with database.transaction() as session:
            assert await charged_micro(session, subject) == 600 * 100
            assert (await purse_of(session, subject.organization)).wallet == 20_000_000 - 60_000
            await assert_books_are_sound(session)

    async def test_no_balance_moves_without_an_entry(self, database: Database, app_url: str, owner_url: str) -> None:
        """A balance that moved with no transaction (blnk#203)."""
        moved = b"UPDATE ledger.balance SET balance = balance + 1"
        async with database.transaction() as session:
            await new_wallet(session, "20")
        with psycopg.connect(app_url) as connection, pytest.raises(InsufficientPrivilege):
            connection.execute(moved)
        with psycopg.connect(owner_url, autocommit=True) as owner:  # who may do anything is found
            owner.execute("SET session_replication_role = replica")
            owner.execute(moved + b" WHERE balance > 0")
        async with database.transaction() as session:
            wrong = {result.name for result in await reconcile.run(session) if not result.ok}
        assert {"balance drift", "balances and last lines"} <= wrong

    async def test_what_is_held_is_not_there_for_anything_else(self, database: Database) -> None:
        """Holds that were not counted when a balance was asked (blnk#181)."""
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            held = await new_hold(session, organization, "15")
            other = await new_hold(session, organization, "0.01")
            with pytest.raises(InsufficientFunds):
                await new_hold(session, organization, "5")
            await charge(session, other.id, "9", overrun=True)
            purse = await purse_of(session, organization)
            assert (purse.wallet, purse.wallet_held, purse.owed) == (15_000_000, 15_000_000, 4_000_000)
            await charge(session, held.id, "15")
            await assert_books_are_sound(session)

    async def test_lines_round_to_their_sum(self, session: Session) -> None:
        """Line rounding that does not sum (invoiceninja#4370)."""
        third = Rate.parse("0.000007", "USD")  # less than a micro-dollar in any of the intervals
        subject = await new_subject(session, rate=third, suspended_rate=third)
        for number in range(1, 40):
            await observe_until(session, subject, 97 * number, since=97 * (number - 1))
            await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
        assert await charged_micro(session, subject) == 7 * 97 * 39 // 3600
        await assert_books_are_sound(session)

    @pytest.mark.parametrize(("currency", "amount"), [("USD", "10.00"), ("JPY", "1000"), ("KWD", "1.000")])
    def test_a_thousand_minor_units_are_what_they_are(self, currency: str, amount: str) -> None:
        """Currencies without decimals that were multiplied by a hundred (Paymenter#1258)."""
        assert Money(1000 * micro_per_unit(currency), currency) == Money.parse(amount, currency)


class TestUsage:
    async def test_beyond_the_funds_is_owed_and_paid_first(self, session: Session) -> None:
        """Leases that were overdrawn ran for free (akash node#1635)."""
        subject = await new_subject(session, funds="5", rate=Rate.parse("3600", "USD"), held=usd("1"))
        await observe_until(session, subject, 12)
        await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
        purse = await purse_of(session, subject.organization)
        assert (purse.wallet, purse.owed) == (0, 7_000_000)
        await top_up(session, subject.organization, "10")
        purse = await purse_of(session, subject.organization)
        assert (purse.wallet, purse.owed) == (3_000_000, 0)

    async def test_that_nobody_could_measure_is_told_from_none(self, session: Session) -> None:
        """An outage of metering looked like usage of zero (fountain#503)."""
        subject = await new_subject(session)
        await observe_until(session, subject, 240)
        await meters.observe(session, {subject.id}, subject.at(7440), policy=DEFAULT_POLICY)
        await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
        assert await charged_micro(session, subject) == 240 * 100
        assert await unmetered_seconds(session, subject) == 7200
        (found,) = [one for one in await checks.run(session) if one.check.code == "billing.unmetered_time"]
        assert subject.id in found.findings[0].problem

    async def test_of_what_never_came_up_is_nothing(self, session: Session) -> None:
        """Pods that never booted were charged (parameter-golf#821)."""
        organization = await new_wallet(session, "20")
        hold = await new_hold(session, organization, "15")
        await holds.release(session, hold.id, idempotency_key=key())
        wallet = await wallets.wallet(session, organization, currency="USD")
        assert (wallet.balance, wallet.held, wallet.available) == (usd("20"), usd("0"), usd("20"))

    async def test_of_a_node_that_is_away_is_neither_billed_nor_set_aside(self, session: Session) -> None:
        """An offline node was billed (threefold ledger_chain#801), or its hold drained (threefold ledger_chain#873)."""
        week = 7 * 86_400
        subject = await new_subject(session, started_ago=week + 600, policy=POLICY, held=POLICY.hold_for(RATE))
        await observe_until(session, subject, 600)
        await settlement.settle(session, subject.id, final=False, policy=POLICY)
        before = await purse_of(session, subject.organization)
        runway = (await standing.standing(session, subject.organization, currency="USD", policy=POLICY)).runway
        assert await settlement.settle(session, subject.id, final=False, policy=POLICY)
        await extension.fit_holds(session, [subject.id], policy=POLICY)
        assert await charged_micro(session, subject) == 600 * 100
        after = await purse_of(session, subject.organization)
        assert (after.wallet, after.owed) == (before.wallet, 0)
        assert after.wallet_held <= POLICY.hold_for(RATE).micro
        assert runway.seconds is None or runway.seconds > 0
