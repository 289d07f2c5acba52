"""The funds clock: each step is told once, grace is paid for, and a top-up turns it back."""

import asyncio
import time

import psycopg
import pytest
from sqlalchemy import text

from sublet.billing import funds, meters, settlement
from sublet.billing.funds import FundsAction
from sublet.billing.standing import standing
from sublet.core.db import Database, Session
from sublet.core.money import Rate
from sublet.ledger import holds, wallets
from tests.billing.usage import A_DOLLAR_AN_HOUR, POLICY, Subject, age, new_running, new_subject
from tests.ledger.books import key, top_up, usd
from tests.support.locks import until_somebody_waits
from tests.support.policy import DEFAULT_POLICY

pytestmark = pytest.mark.anyio


async def _review(session: Session) -> list[tuple[str, str | None]]:
    return [(action.action, action.level) for action in await funds.review(session, policy=POLICY)]


async def _told(session: Session, organization: str) -> list[str]:
    """The thresholds of the organization's `wallet.low` events, in order."""
    events = await session.execute(
        text("SELECT data FROM outbox_event WHERE type = 'wallet.low' AND organization_id = :id ORDER BY id"),
        {"id": organization},
    )
    return [data["threshold"] for data in events.scalars()]


async def _end_grace(session: Session) -> None:
    await session.execute(text("UPDATE funds_clock SET grace_ends_at = clock_timestamp() WHERE level = 'grace'"))


class TestWarnings:
    @pytest.mark.parametrize(
        ("funds_usd", "level"), [("100", None), ("70", "72h"), ("20", "24h"), ("1.20", "1h"), ("0.40", "10m")]
    )
    async def test_follow_the_runway(self, database: Database, funds_usd: str, level: str | None) -> None:
        async with database.transaction() as session:
            subject = await new_subject(
                session, funds=funds_usd, rate=A_DOLLAR_AN_HOUR, started_ago=0, held=usd("0.30"), policy=POLICY
            )
            first, again = await _review(session), await _review(session)
            lasts = (await standing(session, subject.organization, currency="USD", policy=POLICY)).runway
        assert first == ([] if level is None else [("warn", level)])
        assert again == []
        assert lasts.warning == level

    async def test_are_events_of_the_organization(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_running(session, "20")
            for _ in range(3):
                await funds.review(session, policy=POLICY)
            told = await session.execute(
                text("SELECT data FROM outbox_event WHERE type = 'wallet.low' AND organization_id = :id"),
                {"id": subject.organization},
            )
            (data,) = told.scalars()
        assert data["threshold"] == "24h"
        assert 0 < data["runway_seconds"] <= 86_400

    async def test_come_once_from_two_reviews_at_the_same_time(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_running(session, "20")

        async def review_too() -> list[tuple[str, str | None]]:
            async with database.transaction() as session:
                return await _review(session)

        async with database.transaction() as session:
            assert await _review(session) == [("warn", "24h")]
            other = asyncio.create_task(review_too())
            await until_somebody_waits(database)
        assert await other == []
        async with database.reading() as session:
            assert await _told(session, subject.organization) == ["24h"]

    async def test_come_again_after_a_top_up_and_new_spending(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_running(session, "20")
            assert await _review(session) == [("warn", "24h")]
            await top_up(session, subject.organization, "100")
            assert await _review(session) == []
            await new_running(session, "0", organization=subject.organization)
            await new_running(session, "0", organization=subject.organization)
            assert [step for step in await _review(session) if step[0] == "warn"] == [("warn", "72h")] * 3

    async def test_tell_each_step_down_to_the_suspension_once(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_running(session, "70")
            steps = []
            for hours in (0, 47, 22, 0.5, 0.1, 0.25):  # what is left of 70 hours, with the reserve, after each
                await age(session, subject, hours * 3600)
                steps += await _review(session) + await _review(session)
            await _end_grace(session)
            steps += await _review(session) + await _review(session)
            told = await _told(session, subject.organization)
        assert steps == [
            *[("warn", level) for level in ("72h", "24h", "1h", "10m")],
            ("start_grace", "grace"),
            ("suspend", "suspended"),
        ]
        assert told == ["72h", "24h", "1h", "10m", "grace", "suspended"]

    async def test_tell_nothing_on_the_way_up_and_all_again_on_the_next_way_down(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_running(session, "1.20")
            assert await _review(session) == [("warn", "1h")]
            for amount in ("10", "30"):  # up to 24h, up to 72h
                await top_up(session, subject.organization, amount)
                assert await _review(session) == []
            for hours in (20, 20.2):
                await age(session, subject, hours * 3600)
                await _review(session)
                assert await _review(session) == []
            told = await _told(session, subject.organization)
        assert told == ["1h", "24h", "1h"]


class TestGrace:
    async def test_starts_when_only_the_reserve_is_left_and_ends_in_suspension(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_running(session, "0.50")
            # 0.26 is what 16 minutes cost: detection and grace are still paid for when the clock starts.
            await age(session, subject, 15 * 60)
            started = await funds.review(session, policy=POLICY)
            assert [action.action for action in started] == ["start_grace"]
            assert await _review(session) == []
            clock = (await standing(session, subject.organization, currency="USD", policy=POLICY)).clock
            assert clock.blocks_launch
            assert clock.suspend_at == started[0].suspend_at
            await _end_grace(session)
            ended = await funds.review(session, policy=POLICY)
            assert ended == [
                FundsAction(subject.organization, subject.id, "suspend", "suspended", 0, None),
            ]
            assert await _review(session) == []

    async def test_starts_when_what_is_there_is_not_the_organizations_to_spend(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_running(session, "20.00")
            assert [level for _, level in await _review(session)] == ["24h"]
            await holds.withhold(session, subject.organization, usd("19.50"), subject_id="back", idempotency_key="back")
            await age(session, subject, 15 * 60)
            assert await _review(session) == [("start_grace", "grace")]

    async def test_a_top_up_cancels_it(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await _drained(session)
            assert await _review(session) == [("start_grace", "grace")]
            await top_up(session, subject.organization, "200")
            assert await _review(session) == []
            await _end_grace(session)
            assert await _review(session) == []
            assert not (
                (await standing(session, subject.organization, currency="USD", policy=POLICY)).clock
            ).blocks_launch
            assert await _told(session, subject.organization) == ["grace"]

    async def test_a_top_up_that_lasts_minutes_cancels_it_too(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await _drained(session)
            assert await _review(session) == [("start_grace", "grace")]
            await top_up(session, subject.organization, "0.25")
            assert await _review(session) == []
            clock = (await standing(session, subject.organization, currency="USD", policy=POLICY)).clock
            assert (clock.level, clock.suspend_at) == ("10m", None)
            assert await _review(session) == []
            await age(session, subject, 15 * 60)
            assert await _review(session) == [("start_grace", "grace")]

    async def test_a_top_up_below_the_reserve_leaves_its_end_where_it_is(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await _drained(session)
            await _review(session)
            before = (await standing(session, subject.organization, currency="USD", policy=POLICY)).clock
            await top_up(session, subject.organization, "0.01")
            assert await _review(session) == []
            assert (await standing(session, subject.organization, currency="USD", policy=POLICY)).clock == before

    async def test_ends_with_what_ran(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await _drained(session)
            assert await _review(session) == [("start_grace", "grace")]
            await meters.stop(session, subject.id, subject.at(1))
            await settlement.settle(session, subject.id, final=True, policy=DEFAULT_POLICY)
            assert await _review(session) == []
            assert not (
                (await standing(session, subject.organization, currency="USD", policy=POLICY)).clock
            ).blocks_launch


class TestSuspension:
    async def test_reaches_what_begins_to_run_only_afterwards(self, database: Database) -> None:
        async with database.transaction() as session:
            first = await _suspended(session)
            late = await _started_late(session, first)
            ended = await funds.review(session, policy=POLICY)
            again = await _review(session)
            told = await _told(session, first.organization)
        assert [(action.subject_id, action.action, action.level) for action in ended] == [
            (late.id, "suspend", "suspended")
        ]
        assert again == []
        assert told == ["grace", "suspended"]

    async def test_reaches_what_was_being_resumed_when_the_money_ran_out_again(self, database: Database) -> None:
        async with database.transaction() as session:
            resuming = await _suspended(session)
            await top_up(session, resuming.organization, "0.80")
            assert await _review(session) == [("resume", None)]
            meanwhile = await new_running(session, "0", organization=resuming.organization)
            await age(session, meanwhile, 45 * 60)
            await _review(session)
            await _end_grace(session)
            assert await _review(session) == [("suspend", "suspended")]
            await meters.switch(session, resuming.id, "running", resuming.at(2))
            ended = await funds.review(session, policy=POLICY)
        assert [(action.subject_id, action.action) for action in ended] == [(resuming.id, "suspend")]

    async def test_of_all_of_them_ends_with_the_next_top_up(self, database: Database) -> None:
        async with database.transaction() as session:
            first = await _suspended(session)
            late = await _started_late(session, first)
            await _review(session)
            await meters.switch(session, late.id, "suspended", late.at(1))
            await top_up(session, first.organization, "200")
            resumed = await funds.review(session, policy=POLICY)
        assert [(action.subject_id, action.action) for action in resumed] == [
            (subject, "resume") for subject in sorted((first.id, late.id))
        ]

    async def test_locks_meters_in_the_order_in_which_they_are_observed(self, database: Database, app_url: str) -> None:
        low, high = key("al_a"), key("al_b")
        async with database.transaction() as session:
            for organization, subject_id in ((key("org_a"), high), (key("org_b"), low)):
                await wallets.open_wallet(session, organization, currency="USD")
                await top_up(session, organization, "0.10")
                await _drained(session, organization=organization, subject_id=subject_id)
            await _review(session)
            await _end_grace(session)

        async def review() -> list[tuple[str, str | None]]:
            async with database.transaction() as session:
                return await _review(session)

        with psycopg.connect(app_url) as observer, psycopg.connect(app_url, autocommit=True) as onlooker:
            observer.execute("SELECT FROM meter WHERE subject_id = %s FOR UPDATE", [low])
            reviewing = asyncio.create_task(review())
            try:
                deadline = time.monotonic() + 10
                waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()"
                while onlooker.execute(waiting).fetchone() == (0,):
                    assert time.monotonic() < deadline
                    await asyncio.sleep(0.01)
                free = onlooker.execute("SELECT subject_id FROM meter FOR UPDATE SKIP LOCKED").fetchall()
            finally:
                observer.rollback()
                steps = await reviewing
        assert free == [(high,)]
        assert steps == [("suspend", "suspended")] * 2


class TestResume:
    async def test_follows_a_top_up_once(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await _suspended(session)
            await top_up(session, subject.organization, "200")
            resumed = await funds.review(session, policy=POLICY)
            assert [(action.subject_id, action.action) for action in resumed] == [(subject.id, "resume")]
            await meters.switch(session, subject.id, "running", subject.at(2))
            assert await _review(session) == []

    async def test_needs_more_than_the_reserve(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await _suspended(session)
            await top_up(session, subject.organization, "0.01")
            assert await _review(session) == []

    async def test_leaves_alone_what_the_customer_suspended(self, database: Database) -> None:
        async with database.transaction() as session:
            first = await _drained(session)
            await top_up(session, first.organization, "0.50")
            by_choice = await new_running(session, "0", organization=first.organization)
            await meters.switch(session, by_choice.id, "suspended", by_choice.at(0))
            await age(session, first, 3600)
            await _review(session)
            await _end_grace(session)
            assert await _review(session) == [("suspend", "suspended")]
            await meters.switch(session, first.id, "suspended", first.at(1))
            await top_up(session, first.organization, "200")
            resumed = await funds.review(session, policy=POLICY)
        assert [action.subject_id for action in resumed] == [first.id]


async def _drained(
    session: Session, funds_usd: str = "0.10", *, organization: str | None = None, subject_id: str | None = None
) -> Subject:
    """A running subject whose money is down to the reserve."""
    subject = await new_subject(
        session,
        funds=funds_usd,
        organization=organization,
        subject_id=subject_id,
        rate=A_DOLLAR_AN_HOUR,
        suspended_rate=Rate(0, "USD"),
        started_ago=0,
        held=usd(funds_usd),
        policy=POLICY,
    )
    assert (await wallets.wallet(session, subject.organization, currency="USD")).available == usd("0")
    return subject


async def _started_late(session: Session, first: Subject) -> Subject:
    """A subject that begins to run after `first`, of the same organization, ran out of funds."""
    await top_up(session, first.organization, "0.02")
    return await _drained(session, "0.02", organization=first.organization)


async def _suspended(session: Session) -> Subject:
    """A subject that was suspended when its grace ended."""
    subject = await _drained(session)
    await funds.review(session, policy=POLICY)
    await _end_grace(session)
    assert [action.action for action in await funds.review(session, policy=POLICY)] == ["suspend"]
    await meters.switch(session, subject.id, "suspended", subject.at(1))
    return subject
