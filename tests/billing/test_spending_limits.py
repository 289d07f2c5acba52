"""Spending limits: what counts against one, when it is told and reached, what it stops, and when that is over."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from sublet.billing import meters, settlement, spending_limits
from sublet.billing.limit_review import LimitAction, review_limits
from sublet.billing.spend import Scope, SpendingLimit, limits_of
from sublet.billing.standing import standing
from sublet.core.actors import Actor
from sublet.core.clock import database_now
from sublet.core.db import Database, Session
from sublet.core.money import Rate
from sublet.ledger import months
from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.billing.usage import A_DOLLAR_AN_HOUR, POLICY, Subject, charged_micro, new_running
from tests.ledger.books import usd
from tests.support.clock import Clock

pytestmark = pytest.mark.anyio

HOUR = 3600
FAST = Rate.parse("60", "USD")  # a dollar a minute
SECONDS_OF_A_TEST = 30
PATIENT = replace(POLICY, evidence_gap_seconds=86_400)
"""One observation proves all the time since the one before."""


@pytest.fixture
def postgres(clocked_postgres: EmbeddedPostgres) -> EmbeddedPostgres:
    """A database whose time can be moved: limits begin anew with each day."""
    return clocked_postgres


def owner(organization: str) -> Actor:
    """Somebody who may change limits."""
    return Actor("user", user_id="usr_1", organization_id=organization, role="owner")


async def limit(
    session: Session, subject: Subject, amount: str, *, scope: Scope = "day", of: str | None = None
) -> None:
    """Set a limit of the organization, or of one subject of it."""
    whose = owner(subject.organization)
    await spending_limits.set_limit(session, whose, usd(amount), scope=scope, subject_id=of)


async def the_limit(session: Session, subject: Subject) -> SpendingLimit:
    """The only limit of the organization, as it stands."""
    [found] = await limits_of(session, subject.organization, policy=POLICY)
    return found


async def review(session: Session) -> list[tuple[str, str]]:
    return [(action.subject_id, action.step) for action in await review_limits(session, policy=POLICY)]


async def told(session: Session, subject: Subject) -> list[str]:
    """What the organization was told of its limits, in order."""
    found = await session.execute(
        text(
            "SELECT type, data FROM outbox_event WHERE organization_id = :id "
            "AND type IN ('spending.alerted', 'spending_limit.reached') ORDER BY id"
        ),
        {"id": subject.organization},
    )
    return [str(row.data.get("percent", "reached")) for row in found]


async def runs(session: Session, subject: Subject, clock: Clock, seconds: float) -> None:
    """Let it run for so long, proven to the end."""
    clock.later(seconds)
    await meters.observe(session, {subject.id}, await database_now(session), policy=PATIENT)


async def at_noon(session: Session, clock: Clock, zone: str = "UTC") -> datetime:
    """Go to the next noon of the books' time zone, so that no day ends during a test; the time then."""
    assert await months.keep_calendar(session, zone) == zone
    here = (await database_now(session)).astimezone(ZoneInfo(zone))
    noon = here.replace(hour=12, minute=0, second=0, microsecond=0)
    if noon < here:
        noon += timedelta(days=1)
    clock.later((noon.astimezone(UTC) - here.astimezone(UTC)).total_seconds())
    return await database_now(session)


def is_about(found: SpendingLimit, dollars: float) -> bool:
    """Whether so much is spent, as far as the seconds of a test let one say; a dollar an hour."""
    seconds = found.spent.micro * HOUR / 1_000_000
    return dollars * HOUR - 1 <= seconds <= dollars * HOUR + SECONDS_OF_A_TEST


class TestSpent:
    async def test_is_what_was_delivered_in_the_day_charged_or_not(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            await at_noon(session, clock)
            subject = await new_running(session, "100")
            await limit(session, subject, "50")
            await runs(session, subject, clock, HOUR)
            before = await the_limit(session, subject)
            await settlement.settle(session, subject.id, final=False, policy=POLICY)
            assert await charged_micro(session, subject) > 990_000
            after = await the_limit(session, subject)
            await runs(session, subject, clock, 240)
            later = await the_limit(session, subject)
        assert is_about(before, 1)
        assert is_about(after, 1), "settling changes nothing"
        assert is_about(later, 1 + 240 / HOUR)

    async def test_of_yesterday_is_yesterdays_and_of_the_month_all_the_same(
        self, database: Database, clock: Clock
    ) -> None:
        async with database.transaction() as session:
            noon = await at_noon(session, clock)
            if (noon + timedelta(days=1)).day == 1:  # the day after belongs to another month
                noon = await _next_noon(session, clock)
            subject = await new_running(session, "100")
            await limit(session, subject, "50")
            await limit(session, subject, "500", scope="month")
            await runs(session, subject, clock, 2 * HOUR)
            await meters.switch(session, subject.id, "suspended", await database_now(session))
            today = await limits_of(session, subject.organization, policy=POLICY)
            clock.a_day_later()
            tomorrow = await limits_of(session, subject.organization, policy=POLICY)
        assert all(is_about(one, 2) for one in today)
        assert [one.spent.micro == 0 for one in tomorrow] == [True, False]
        assert tomorrow[0].started == noon.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        assert is_about(tomorrow[1], 2)

    async def test_begins_where_the_legal_entity_has_its_midnight(self, database: Database, clock: Clock) -> None:
        zone = "Asia/Tokyo"
        async with database.transaction() as session:
            await at_noon(session, clock, zone)
            subject = await new_running(session, "100")
            await limit(session, subject, "50")
            found = await the_limit(session, subject)
        assert found.started is not None
        assert found.ends is not None
        here = found.started.astimezone(ZoneInfo(zone))
        assert (here.hour, here.minute, found.ends - found.started) == (0, 0, timedelta(days=1))

    async def test_counts_what_has_ended_today_too(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            await at_noon(session, clock)
            subject = await new_running(session, "100")
            await limit(session, subject, "50")
            await runs(session, subject, clock, HOUR)
            await meters.stop(session, subject.id, await database_now(session))
            await settlement.settle(session, subject.id, final=True, policy=POLICY)
            found = await the_limit(session, subject)
        assert is_about(found, 1)
        assert found.burn.nano_per_hour == 0

    async def test_counts_nothing_that_nobody_could_prove(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            await at_noon(session, clock)
            subject = await new_running(session, "100")
            await limit(session, subject, "50")
            clock.later(6 * HOUR)
            found = await the_limit(session, subject)
        assert is_about(found, 0)

    async def test_counts_neither_other_organizations_nor_other_currencies_nor_other_subjects(
        self, database: Database, clock: Clock
    ) -> None:
        async with database.transaction() as session:
            await at_noon(session, clock)
            mine = await new_running(session, "100")
            beside = await new_running(session, "0", organization=mine.organization)
            other = await new_running(session, "100")
            await limit(session, mine, "50", scope="allocation", of=mine.id)
            await limit(session, other, "50")
            clock.later(1200)
            now = await database_now(session)
            await meters.observe(session, {mine.id, beside.id}, now, policy=PATIENT)
            own, of_other = await the_limit(session, mine), await the_limit(session, other)
            await limit(session, mine, "50")
            _, whole = await limits_of(session, mine.organization, policy=POLICY)
        assert is_about(own, 1200 / HOUR)
        assert is_about(whole, 2400 / HOUR)
        assert is_about(of_other, 0)


class TestTold:
    async def test_at_each_threshold_once_and_again_in_the_next_period(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            await at_noon(session, clock)
            subject = await new_running(session, "100")
            await limit(session, subject, "1")
            for minutes in (24, 8, 18, 2, 7):  # 24, 32, 50, 52, 59 of 60
                await runs(session, subject, clock, minutes * 60)
                await review(session)
                await review(session)
            assert await told(session, subject) == ["50", "80", "reached"]
            await meters.switch(session, subject.id, "suspended", await database_now(session))
            clock.a_day_later()
            assert await review(session) == [(subject.id, "resume")]
            await meters.switch(session, subject.id, "running", await database_now(session))
            await meters.observe(session, {subject.id}, await database_now(session), policy=POLICY)
            await runs(session, subject, clock, 31 * 60)
            await review(session)
            assert await told(session, subject) == ["50", "80", "reached", "50"]

    async def test_of_all_of_it_only_once_all_is_spent(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            await at_noon(session, clock)
            subject = await new_running(session, "100")
            await limit(session, subject, "0.01")  # less than a minute of it
            await review(session)
            assert await told(session, subject) == ["reached"]
            await runs(session, subject, clock, 60)
            await review(session)
            await review(session)
            assert await told(session, subject) == ["reached", "100"]

    async def test_once_from_the_highest_where_several_were_passed(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            await at_noon(session, clock)
            subject = await new_running(session, "100")
            await runs(session, subject, clock, 54 * 60)
            await limit(session, subject, "1")
            await review(session)
            assert await told(session, subject) == ["80"]

    async def test_with_what_is_spent_of_how_much_and_until_when(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            noon = await at_noon(session, clock)
            subject = await new_running(session, "100", name="trainer")
            await runs(session, subject, clock, 40 * 60)
            await limit(session, subject, "1")
            await limit(session, subject, "1", scope="allocation", of=subject.id)
            await review(session)
            rows = await session.execute(
                text("SELECT data FROM outbox_event WHERE type = 'spending.alerted' ORDER BY id")
            )
            of_day, of_one = rows.scalars()
        midnight = noon.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        assert (of_day["scope"], of_day["percent"], of_day["amount"]["amount"]) == ("day", 50, "1.00")
        assert datetime.fromisoformat(of_day["ends_at"]) == midnight
        assert of_day["spent"]["amount"].startswith("0.6")
        assert (of_one["subject_id"], of_one["subject_name"], of_one["ends_at"]) == (subject.id, "trainer", None)


class TestReached:
    async def test_suspends_before_it_is_passed_and_once(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            await at_noon(session, clock)
            subject = await new_running(session, "100")
            await limit(session, subject, "1")
            await runs(session, subject, clock, 57 * 60)
            assert await review(session) == [], "what is left lasts longer than until the next look"
            await runs(session, subject, clock, 2 * 60)
            first, again = await review_limits(session, policy=POLICY), await review(session)
            found = await the_limit(session, subject)
        assert first == [LimitAction(subject.organization, subject.id, "suspend")]
        assert again == []
        assert found.spent < found.amount

    async def test_stops_all_of_the_organization_and_nobody_else(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            await at_noon(session, clock)
            first = await new_running(session, "100")
            second = await new_running(session, "0", organization=first.organization)
            await new_running(session, "100")
            asleep = await new_running(session, "0", organization=first.organization)
            await meters.switch(session, asleep.id, "suspended", await database_now(session))
            await limit(session, first, "0.01")
            assert await review(session) == [(one, "suspend") for one in sorted((first.id, second.id))]

    async def test_for_one_subject_stops_that_alone(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            await at_noon(session, clock)
            first = await new_running(session, "100")
            await new_running(session, "0", organization=first.organization)
            await limit(session, first, "0.01", scope="allocation", of=first.id)
            assert await review(session) == [(first.id, "suspend")]

    async def test_reaches_what_begins_to_run_only_afterwards(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            await at_noon(session, clock)
            first = await new_running(session, "100")
            await limit(session, first, "0.01")
            await review(session)
            late = await new_running(session, "0", organization=first.organization)
            assert await review(session) == [(late.id, "suspend")]

    async def test_stays_reached_until_the_period_is_over_though_nothing_is_spent(
        self, database: Database, clock: Clock
    ) -> None:
        async with database.transaction() as session:
            await at_noon(session, clock)
            subject = await _stopped(session, clock)
            stands = await standing(session, subject.organization, currency="USD", policy=POLICY)
            refused = stands.limit_against(Rate(1, "USD"), subject_id=subject.id, policy=POLICY)
            clock.a_day_later()
            tomorrow = await standing(session, subject.organization, currency="USD", policy=POLICY)
        assert stands.runway.burn.nano_per_hour == 0
        assert refused is not None
        assert refused.sentence == "Your organization's spending limit for this day is reached."
        assert tomorrow.limit_against(Rate(1, "USD"), subject_id=subject.id, policy=POLICY) is None

    async def test_forbids_what_would_reach_it_within_minutes(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            await at_noon(session, clock)
            subject = await new_running(session, "100")
            await limit(session, subject, "1")
            stands = await standing(session, subject.organization, currency="USD", policy=POLICY)
            slow, fast = (
                stands.limit_against(rate, subject_id=None, policy=POLICY) for rate in (A_DOLLAR_AN_HOUR, FAST)
            )
        assert slow is None
        assert fast is not None
        assert fast.sentence == "Your organization's spending limit for this day leaves too little for it."

    async def test_by_another_subject_is_nothing_to_this_one(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            await at_noon(session, clock)
            subject = await new_running(session, "100")
            await limit(session, subject, "0.001", scope="allocation", of=subject.id)
            stands = await standing(session, subject.organization, currency="USD", policy=POLICY)
        more = Rate(1, "USD")
        assert stands.limit_against(more, subject_id="al_other", policy=POLICY) is None
        assert stands.limit_against(more, subject_id=None, policy=POLICY) is None
        assert stands.limit_against(more, subject_id=subject.id, policy=POLICY) is not None

    async def test_needs_not_last_beyond_the_end_of_its_day(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            await at_noon(session, clock)
            subject = await new_running(session, "100")
            await limit(session, subject, "0.10")  # six minutes
            clock.later(11 * HOUR + 3400)  # three to midnight
            stands = await standing(session, subject.organization, currency="USD", policy=POLICY)
            assert stands.limit_against(Rate(1, "USD"), subject_id=None, policy=POLICY) is None


class TestLifted:
    async def test_by_the_next_day_resumes_once(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            await at_noon(session, clock)
            subject = await _stopped(session, clock)
            assert await review(session) == []
            clock.a_day_later()
            first, again = await review_limits(session, policy=POLICY), await review(session)
        assert first == [LimitAction(subject.organization, subject.id, "resume")]
        assert again == []

    async def test_by_a_higher_amount_or_none(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            await at_noon(session, clock)
            raised, cleared = await _stopped(session, clock), await _stopped(session, clock)
            await limit(session, raised, "1.1")
            assert await review(session) == [], "too little for as long as a resumption has to last"
            await limit(session, raised, "5")
            assert await review(session) == [(raised.id, "resume")]
            await spending_limits.clear_limit(session, owner(cleared.organization), currency="USD", scope="day")
            assert await review(session) == [(cleared.id, "resume")]

    async def test_waits_for_every_limit_of_all_that_it_stopped(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            await at_noon(session, clock)
            first = await _stopped(session, clock)
            second = await new_running(session, "0", organization=first.organization)
            await review(session)
            await meters.switch(session, second.id, "suspended", await database_now(session))
            await limit(session, first, "1.40")  # 24 minutes of one, 12 of both
            assert await review(session) == []
            await limit(session, second, "0.001", scope="allocation", of=second.id)
            assert await review(session) == [(first.id, "resume")], "the other has a limit of its own that is reached"

    async def test_waits_for_nothing_that_has_ended(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            await at_noon(session, clock)
            first = await _stopped(session, clock)
            second = await new_running(session, "0", organization=first.organization)
            await review(session)
            await meters.switch(session, second.id, "suspended", await database_now(session))
            await meters.stop(session, second.id, await database_now(session))
            await limit(session, first, "1.40")  # 24 minutes of one, 12 of both
            assert await review(session) == [(first.id, "resume")]

    async def test_with_the_end_of_its_subject_and_of_that_alone(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            await at_noon(session, clock)
            ended = await new_running(session, "100")
            goes_on = await new_running(session, "0", organization=ended.organization)
            await limit(session, ended, "50")
            for one in (ended, goes_on):
                await limit(session, one, "50", scope="allocation", of=one.id)
            await spending_limits.forget(session, ended.id)
            left = await limits_of(session, ended.organization, policy=POLICY)
        assert {one.subject_id for one in left} == {None, goes_on.id}

    async def test_leaves_alone_what_the_customer_suspended(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            await at_noon(session, clock)
            subject = await _stopped(session, clock)
            await meters.wait_for(session, subject.id, None)
            clock.a_day_later()
            assert await review(session) == []


async def _stopped(session: Session, clock: Clock) -> Subject:
    """A subject that a limit of the day has suspended."""
    subject = await new_running(session, "100")
    await runs(session, subject, clock, 59.5 * 60)
    await limit(session, subject, "1")
    assert await review(session) == [(subject.id, "suspend")]
    await meters.switch(session, subject.id, "suspended", await database_now(session))
    clock.later(2)
    return subject


async def _next_noon(session: Session, clock: Clock) -> datetime:
    clock.a_day_later()
    return await database_now(session)
