"""Promotional money is in lots: spent by soonest expiry, then by age; each pays what came before it expired."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from sublet.core.db import Database, Session
from sublet.ledger import adjustments, charges, credits, entries, holds, wallets
from sublet.ledger.failures import HoldExhausted, InsufficientFunds, LedgerRefused
from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.ledger.books import (
    Purse,
    assert_books_are_sound,
    charge,
    charge_together,
    grant,
    key,
    lot_of,
    new_hold,
    new_wallet,
    purse_of,
    usd,
)
from tests.ledger.lots import AN_HOUR, in_an_hour, in_days, left
from tests.support.clock import Clock

pytestmark = pytest.mark.anyio


@pytest.fixture
def postgres(clocked_postgres: EmbeddedPostgres) -> EmbeddedPostgres:
    return clocked_postgres


async def charge_delivered(session: Session, hold_id: int, amount: str, at: datetime, *, overrun: bool = True) -> int:
    """A charge for what was delivered until a time."""
    entry = await charges.capture(
        session,
        hold_id,
        usd(amount),
        meter_kind="compute",
        source_type="subject",
        source_id="al_1",
        idempotency_key=key(),
        description="Usage",
        delivered_to=at,
        overrun=overrun,
    )
    return entry.id


class TestSpending:
    async def test_takes_the_soonest_to_expire_then_the_oldest(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session)
            await grant(session, organization, "1")
            await grant(session, organization, "2", expires_at=await in_days(session, 30))
            await grant(session, organization, "3")
            await grant(session, organization, "4", expires_at=await in_days(session, 7))
            hold = await new_hold(session, organization, "10")
            seen = [await left(session, organization)]
            for amount in ("3", "2", "1.5", "2", "1.5"):
                await charge(session, hold.id, amount)
                seen.append(await left(session, organization))
            await assert_books_are_sound(session)
        assert seen == [
            ["1", "2", "3", "4"],
            ["1", "2", "3", "1"],
            ["1", "1", "3", "0"],
            ["0.5", "0", "3", "0"],
            ["0", "0", "1.5", "0"],
            ["0", "0", "0", "0"],
        ]

    async def test_knows_what_was_spent_before_a_lot_came_that_expires_sooner(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session)
            await grant(session, organization, "10", expires_at=await in_days(session, 30))
            hold = await new_hold(session, organization, "6")
            await charge(session, hold.id, "5")
            await grant(session, organization, "10", expires_at=await in_days(session, 7))
            assert await left(session, organization) == ["5", "10"]
            await charge(session, hold.id, "1")
            assert await left(session, organization) == ["5", "9"]

    async def test_writes_to_no_lot(self, database: Database) -> None:
        version = text("SELECT xmin::text, ctid::text FROM ledger.promo_lot ORDER BY id")
        async with database.transaction() as session:
            organization = await new_wallet(session, "5")
            await grant(session, organization, "10", expires_at=await in_days(session, 30))
        async with database.transaction() as session:
            before = (await session.execute(version)).all()
            hold = await new_hold(session, organization, "12")
            await charge(session, hold.id, "3")
            await charge_together(session, {hold.id: "2"})
            await charge(session, hold.id, "9", overrun=True)
            assert (await session.execute(version)).all() == before
            assert await left(session, organization) == ["0"]

    async def test_of_one_wallet_leaves_the_lots_of_another_alone(self, database: Database) -> None:
        async with database.transaction() as session:
            organization, other = await new_wallet(session), await new_wallet(session)
            for one in (organization, other):
                await grant(session, one, "3")
            await charge(session, (await new_hold(session, organization, "2")).id, "2")
            await grant(session, organization, "1")
            assert (await left(session, organization), await left(session, other)) == (["1", "1"], ["3"])

    async def test_is_of_no_lot_where_it_is_of_paid_money(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "5")
            hold = await new_hold(session, organization, "3")
            await charge(session, hold.id, "3")
            await grant(session, organization, "1")
            assert await left(session, organization) == ["1"]


class TestExpired:
    async def test_credit_is_not_available_though_no_job_ran(self, database: Database, clock: Clock) -> None:
        """Lazily expired grants are still counted elsewhere: here nothing is set aside out of one."""
        async with database.transaction() as session:
            organization = await new_wallet(session, "1")
            moment = await in_an_hour(session)
            await grant(session, organization, "10", expires_at=moment)
            await grant(session, organization, "2")
            before = await wallets.wallet(session, organization, currency="USD")
            clock.later(2 * AN_HOUR)
            after = await wallets.wallet(session, organization, currency="USD")
            assert (before.available, before.promo) == (usd("13"), usd("12"))
            assert (after.available, after.promo, after.balance) == (usd("3"), usd("2"), usd("1"))
            funds = text("SELECT total, expired FROM ledger.funds WHERE owner_id = :organization")
            assert tuple((await session.execute(funds, {"organization": organization})).one()) == (
                3_000_000,
                10_000_000,
            )
            with pytest.raises(InsufficientFunds):
                await new_hold(session, organization, "3.01")
            hold = await new_hold(session, organization, "2.5")
            assert await holds.extend_many(session, {hold.id: 500_001}) == set()
            with pytest.raises(InsufficientFunds):
                await holds.extend(session, hold.id, usd("0.51"), idempotency_key=key())
            assert await holds.extend_many(session, {hold.id: 500_000}) == {hold.id}
            assert (await purse_of(session, organization)).promo_held == 2_000_000

    async def test_credit_is_not_withheld_for_a_dispute(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "1")
            moment = await in_an_hour(session)
            await grant(session, organization, "10", expires_at=moment)
            clock.later(2 * AN_HOUR)
            with pytest.raises(InsufficientFunds):
                await holds.withhold(session, organization, usd("1.01"), subject_id="dp", idempotency_key=key())

    async def test_credit_pays_what_was_delivered_before_though_it_is_settled_later(
        self, database: Database, clock: Clock
    ) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "10")
            moment = await in_an_hour(session)
            await grant(session, organization, "4", expires_at=moment)
            hold = await new_hold(session, organization, "6")
            clock.later(2 * AN_HOUR)
            await charge_delivered(session, hold.id, "3", moment)
            assert await purse_of(session, organization) == Purse(1_000_000, 1_000_000, 10_000_000, 2_000_000)
            await charge_delivered(session, hold.id, "1.5", moment - timedelta(seconds=1))
            assert await purse_of(session, organization) == Purse(wallet=9_500_000, wallet_held=1_500_000)
            await assert_books_are_sound(session)

    async def test_credit_that_no_hold_has_pays_what_was_delivered_before_too(
        self, database: Database, clock: Clock
    ) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "10")
            hold = await new_hold(session, organization, "2")
            moment = await in_an_hour(session)
            await grant(session, organization, "4", expires_at=moment)
            clock.later(2 * AN_HOUR)
            await charge_delivered(session, hold.id, "3", moment)
            assert await purse_of(session, organization) == Purse(promo=1_000_000, wallet=10_000_000)

    async def test_credit_pays_nothing_that_was_delivered_later(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "10")
            moment = await in_an_hour(session)
            await grant(session, organization, "4", expires_at=moment)
            await grant(session, organization, "1")
            hold = await new_hold(session, organization, "6")
            clock.later(2 * AN_HOUR)
            await charge_delivered(session, hold.id, "3", moment + timedelta(microseconds=1))
            assert await left(session, organization) == ["4", "0"]
            purse = await purse_of(session, organization)
            assert (purse.promo, purse.wallet) == (4_000_000, 8_000_000)
            await charge_delivered(session, hold.id, "1", moment)
            assert await left(session, organization) == ["3", "0"]
            await assert_books_are_sound(session)

    async def test_credit_that_is_missing_for_what_came_later_is_owed(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "1")
            moment = await in_an_hour(session)
            await grant(session, organization, "4", expires_at=moment)
            hold = await new_hold(session, organization, "3")
            clock.later(2 * AN_HOUR)
            later = moment + timedelta(seconds=1)
            await charge_delivered(session, hold.id, "3", later)
            assert await purse_of(session, organization) == Purse(promo=4_000_000, owed=2_000_000)
            await assert_books_are_sound(session)

    async def test_credit_does_not_cover_a_charge_that_may_not_exceed_its_hold(
        self, database: Database, clock: Clock
    ) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "1")
            moment = await in_an_hour(session)
            await grant(session, organization, "4", expires_at=moment)
            hold = await new_hold(session, organization, "3")
            clock.later(2 * AN_HOUR)
            with pytest.raises(HoldExhausted):
                await charge_delivered(session, hold.id, "3", moment + timedelta(seconds=1), overrun=False)

    async def test_credit_leaves_its_wallets_holds_to_be_charged_singly(self, database: Database, clock: Clock) -> None:
        """A batch has one time for all, and what expired pays by the time of each."""
        async with database.transaction() as session:
            organization, spent, other = [await new_wallet(session, "10") for _ in range(3)]
            moment = await in_an_hour(session)
            for one in (organization, spent):
                await grant(session, one, "1", expires_at=moment)
            hold, of_spent, of_other = [(await new_hold(session, one, "3")).id for one in (organization, spent, other)]
            await charge(session, of_spent, "1")
            clock.later(2 * AN_HOUR)
            assert set(await charge_together(session, {hold: "1", of_spent: "1", of_other: "1"})) == {
                of_spent,
                of_other,
            }

    async def test_credit_is_not_what_an_adjustment_takes(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "10")
            moment = await in_an_hour(session)
            await grant(session, organization, "4", expires_at=moment)
            await grant(session, organization, "1")
            clock.later(2 * AN_HOUR)
            made = {"adjustment_id": key(), "approval_id": None, "reason": "Error"}
            await adjustments.adjust(session, organization, usd("3"), given=False, **made)
            assert await left(session, organization) == ["4", "0"]
            assert (await purse_of(session, organization)).wallet == 8_000_000
            await assert_books_are_sound(session)


class TestExpiry:
    async def test_takes_what_is_left_once(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "1")
            moment = await in_an_hour(session)
            lot = await lot_of(session, await grant(session, organization, "4", expires_at=moment))
            await grant(session, organization, "2")
            await charge(session, (await new_hold(session, organization, "1")).id, "1")
            clock.later(2 * AN_HOUR)
            for _ in range(2):
                assert await credits.expire(session, lot, organization_id=organization, currency="USD")
            assert await purse_of(session, organization) == Purse(promo=2_000_000, wallet=1_000_000)
            assert await left(session, organization) == ["0", "2"]
            lines = await entries.list_for(session, organization, limit=1, currency="USD")
            assert (lines[0].entry.kind, lines[0].amount) == ("credit_expired", usd("-3"))
            assert lines[0].entry.effective_at == moment
            await assert_books_are_sound(session)

    async def test_of_a_lot_that_is_spent_posts_nothing(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session)
            moment = await in_an_hour(session)
            lot = await lot_of(session, await grant(session, organization, "1", expires_at=moment))
            await grant(session, organization, "2")
            await charge(session, (await new_hold(session, organization, "1")).id, "1")
            clock.later(2 * AN_HOUR)
            due = text("SELECT count(*) FROM ledger.credit_due WHERE lot_id = :lot")
            seen = [(await session.execute(due, {"lot": lot})).scalar_one()]
            assert not await credits.expire(session, lot, organization_id=organization, currency="USD")
            seen.append((await session.execute(due, {"lot": lot})).scalar_one())
            assert seen == [1, 0]
            assert await purse_of(session, organization) == Purse(promo=2_000_000)

    async def test_before_its_time_is_refused(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session)
            lots = [
                await lot_of(session, await grant(session, organization, "1", expires_at=expires_at))
                for expires_at in (await in_days(session, 1), None)
            ]
        for lot in lots:
            with pytest.raises(LedgerRefused, match="has not expired"):
                async with database.transaction() as session:
                    await credits.expire(session, lot, organization_id=organization, currency="USD")

    async def test_of_no_lot_is_refused(self, database: Database) -> None:
        with pytest.raises(LedgerRefused, match="there is no lot"):
            async with database.transaction() as session:
                await credits.expire(session, 999_999, organization_id="org", currency="USD")

    async def test_lets_the_wallet_take_its_place_in_holds_and_makes_the_newest_smaller_first(
        self, database: Database, clock: Clock
    ) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "2")
            moment = await in_an_hour(session)
            lot = await lot_of(session, await grant(session, organization, "6", expires_at=moment))
            older, newer = [await new_hold(session, organization, "3") for _ in range(2)]
            clock.later(2 * AN_HOUR)
            assert await credits.expire(session, lot, organization_id=organization, currency="USD")
            rests = [(await holds.get(session, hold.id)).rest for hold in (older, newer)]
            assert rests == [usd("0"), usd("2")]
            assert await purse_of(session, organization) == Purse(wallet=2_000_000, wallet_held=2_000_000)
            await assert_books_are_sound(session)

    async def test_touches_no_hold_that_other_credit_covers(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session)
            moment = await in_an_hour(session)
            lot = await lot_of(session, await grant(session, organization, "6", expires_at=moment))
            await grant(session, organization, "3")
            hold = await new_hold(session, organization, "3")
            clock.later(2 * AN_HOUR)
            assert await credits.expire(session, lot, organization_id=organization, currency="USD")
            assert (await holds.get(session, hold.id)).rest == usd("3")
            assert await purse_of(session, organization) == Purse(3_000_000, 3_000_000)
            await assert_books_are_sound(session)
