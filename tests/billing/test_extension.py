"""Holds are filled up before what runs has used them, as far as the wallet goes, and what is too much is given back."""

import asyncio

import pytest
from sqlalchemy import text

from sublet.billing import extension, funds, meters, settlement
from sublet.billing.standing import standing
from sublet.core.db import Database, Session
from sublet.core.money import Money
from sublet.ledger import credits, holds, wallets
from tests.billing.usage import A_DOLLAR_AN_HOUR, POLICY, Subject, age, new_running
from tests.ledger.books import Purse, assert_books_are_sound, key, purse_of, usd
from tests.support.locks import until_somebody_waits

pytestmark = pytest.mark.anyio

WEEK_SECONDS = 7 * 86_400


async def fit(session: Session) -> list[str]:
    """What the scheduled task does to all holds, in one transaction; those whose wallet cannot bear theirs."""
    return await extension.fit_holds(session, await extension.unfit_holds(session, policy=POLICY), policy=POLICY)


async def unseen_for(session: Session, subject: Subject, seconds: float) -> None:
    """Let so much time have passed in which nobody saw the subject."""
    await age(session, subject, seconds)
    await session.execute(
        text(
            "UPDATE meter SET started_at = started_at - make_interval(secs => :seconds), "
            "observed_to = observed_to - make_interval(secs => :seconds) WHERE subject_id = :id"
        ),
        {"id": subject.id, "seconds": seconds},
    )


class TestHoldsStayAhead:
    async def test_are_filled_up_once(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_running(session, "20")
            assert await fit(session) == []
            assert await extension.unfit_holds(session, policy=POLICY) == []
            hold = await holds.get(session, subject.hold_id)
        assert hold.rest == POLICY.hold_for(A_DOLLAR_AN_HOUR)

    async def test_stay_ahead_when_settlement_is_late(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_running(session, "20")
            await age(session, subject, 7200)
            await fit(session)
            hold = await holds.get(session, subject.hold_id)
        assert hold.rest >= usd("2") + Money(960 * 1_000_000 // 3600, "USD")

    async def test_stay_ahead_of_what_earlier_rates_have_accrued(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_running(session, "20")
            await age(session, subject, 7200)
            await meters.switch(session, subject.id, "suspended", subject.at(-10))
            await meters.switch(session, subject.id, "running", subject.at(-9))
            await fit(session)
            hold = await holds.get(session, subject.hold_id)
        assert hold.rest >= usd("1.999") + Money(960 * 1_000_000 // 3600, "USD")

    async def test_name_those_whose_wallet_cannot_bear_it(self, database: Database) -> None:
        async with database.transaction() as session:
            poor, rich = await new_running(session, "0.60"), await new_running(session, "20")
            assert await fit(session) == [poor.id]
            assert (await holds.get(session, rich.hold_id)).rest == POLICY.hold_for(A_DOLLAR_AN_HOUR)
            await assert_books_are_sound(session)

    async def test_of_one_wallet_are_extended_as_far_as_it_goes(self, database: Database) -> None:
        """The second is too much for what is left, and the third is not."""
        async with database.transaction() as session:
            first = await new_running(session, "3.10")
            dear = await new_running(session, "0", organization=first.organization)
            last = await new_running(session, "0", organization=first.organization)
            await age(session, dear, 7200)
            assert await fit(session) == [dear.id]
            rests = [(await holds.get(session, each.hold_id)).rest for each in (first, dear, last)]
            assert rests == [POLICY.hold_for(A_DOLLAR_AN_HOUR), usd("0.50"), POLICY.hold_for(A_DOLLAR_AN_HOUR)]

    async def test_use_promotional_money_first_and_in_the_same_statement(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_running(session, "0.50")
            other = await new_running(session, "20")
            await credits.grant(session, other.organization, usd("0.50"), idempotency_key=key(), reason="Welcome")
            await credits.grant(session, subject.organization, usd("5"), idempotency_key=key(), reason="Welcome")
            short = {each.hold_id: 766_667 for each in (subject, other)}
            assert await holds.extend_many(session, short) == set(short)
            assert await purse_of(session, subject.organization) == Purse(5_000_000, 766_667, 500_000, 500_000)
            assert await purse_of(session, other.organization) == Purse(500_000, 500_000, 20_000_000, 766_667)
            await assert_books_are_sound(session)

    async def test_that_are_released_meanwhile_leave_all_others_extended(self, database: Database) -> None:
        """The release comes between finding what is short and locking its wallet."""
        async with database.transaction() as session:
            ended, other = await new_running(session, "20"), await new_running(session, "20")

        async def fit_together() -> list[str]:
            async with database.transaction() as session:
                return await fit(session)

        async with database.transaction() as session:
            await holds.release(session, ended.hold_id, idempotency_key=key())
            fitting = asyncio.create_task(fit_together())
            await until_somebody_waits(database)
        assert await fitting == []
        async with database.transaction() as session:
            assert (await holds.get(session, ended.hold_id)).rest == usd("0")
            assert (await holds.get(session, other.hold_id)).rest == POLICY.hold_for(A_DOLLAR_AN_HOUR)
            await assert_books_are_sound(session)


class TestTooMuch:
    """What a hold has beyond what its policy asks goes back to the wallet."""

    async def test_is_given_back_when_a_lower_rate_begins(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_running(session, "20")
            await fit(session)
            await meters.switch(session, subject.id, "suspended", subject.at(1))
            await fit(session)
            assert (await holds.get(session, subject.hold_id)).rest < usd("0.001")
            assert (await wallets.wallet(session, subject.organization, currency="USD")).available > usd("19.999")
            await assert_books_are_sound(session)

    async def test_is_given_back_after_an_outage(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_running(session, "20")
            await holds.extend(session, subject.hold_id, usd("5"), idempotency_key=key())
            await unseen_for(session, subject, POLICY.evidence_gap_seconds + 60)
            await fit(session)
            assert (await holds.get(session, subject.hold_id)).rest < POLICY.hold_for(A_DOLLAR_AN_HOUR) + usd("0.001")

    async def test_is_given_back_when_nothing_runs_any_more(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_running(session, "20")
            await age(session, subject, 360)
            await meters.stop(session, subject.id, subject.at(0))
            assert await fit(session) == []
            rest = (await holds.get(session, subject.hold_id)).rest
            await settlement.settle(session, subject.id, final=True, policy=POLICY)
        assert usd("0.10") <= rest < usd("0.101")

    async def test_is_not_what_has_accrued(self, database: Database) -> None:
        """Or every tick would give back what the next one would set aside."""
        async with database.transaction() as session:
            subject = await new_running(session, "20")
            await fit(session)
            await age(session, subject, 1800)
            assert await extension.unfit_holds(session, policy=POLICY) == []

    async def test_is_paid_in_money_first(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_running(session, "0.50")
            await credits.grant(session, subject.organization, usd("1"), idempotency_key=key(), reason="Welcome")
            await holds.extend(session, subject.hold_id, usd("0.75"), idempotency_key=key())
            assert await purse_of(session, subject.organization) == Purse(1_000_000, 750_000, 500_000, 500_000)
            await holds.shrink_many(session, {subject.hold_id: usd("0.60").micro})
            assert await purse_of(session, subject.organization) == Purse(1_000_000, 650_000, 500_000, 0)
            await holds.shrink_many(session, {subject.hold_id: usd("5").micro})
            assert await purse_of(session, subject.organization) == Purse(1_000_000, 0, 500_000, 0)
            await assert_books_are_sound(session)

    async def test_of_a_closed_hold_or_of_withheld_money_is_left_alone(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_running(session, "20")
            back = await holds.withhold(
                session, subject.organization, usd("5"), subject_id="back", idempotency_key=key()
            )
            await holds.release(session, subject.hold_id, idempotency_key=key())
            assert await holds.shrink_many(session, {back.id: 1_000_000, subject.hold_id: 1}) == set()
            assert await purse_of(session, subject.organization) == Purse(0, 0, 20_000_000, 5_000_000)


class TestOutage:
    async def test_a_node_away_for_a_week_changes_neither_available_nor_runway_nor_the_right_to_launch(
        self, database: Database
    ) -> None:
        async with database.transaction() as session:
            subject = await new_running(session, "20")
            await fit(session)
            assert [action.action for action in await funds.review(session, policy=POLICY)] == ["warn"]
            before = await _how_it_stands(session, subject)
            await unseen_for(session, subject, WEEK_SECONDS)
            assert await fit(session) == []
            assert await funds.review(session, policy=POLICY) == []
            assert _alike(before, await _how_it_stands(session, subject))
            assert before[0] == usd("20") - POLICY.hold_for(A_DOLLAR_AN_HOUR)
            assert before[-1]  # and it may launch
            await meters.observe(session, {subject.id}, subject.at(0), policy=POLICY)
            assert await fit(session) == []
            assert _alike(before, await _how_it_stands(session, subject))

    async def test_time_accrues_while_the_next_observation_may_still_prove_it(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_running(session, "20")
            await unseen_for(session, subject, POLICY.evidence_gap_seconds - 10)
            lasts = (await standing(session, subject.organization, currency="USD", policy=POLICY)).runway
        assert lasts.left < usd("20") - Money(290 * 1_000_000 // 3600, "USD") + usd("0.001")


Stands = tuple[Money, Money, int | None, object, bool]


async def _how_it_stands(session: Session, subject: Subject) -> Stands:
    """What is available, what is left with its seconds, the clock, and whether as much again may be launched."""
    wallet = await wallets.wallet(session, subject.organization, currency="USD")
    stands = await standing(session, subject.organization, currency="USD", policy=POLICY)
    more = stands.bears(A_DOLLAR_AN_HOUR, policy=POLICY) and not stands.out_of_funds
    return wallet.available, stands.runway.left, stands.runway.seconds, stands.clock, more


def _alike(before: Stands, after: Stands) -> bool:
    """Whether nothing has changed but for the seconds that the test itself took."""
    assert before[2] is not None
    assert after[2] is not None
    return (before[0], *before[3:]) == (after[0], *after[3:]) and abs(before[2] - after[2]) < 60
