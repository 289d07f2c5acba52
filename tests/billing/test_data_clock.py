"""The data clock: it begins without money, announces its end with a date, and only then lets go of what is kept."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from sublet.billing import data_clock, funds, meters
from sublet.billing.standing import standing
from sublet.core.clock import database_now
from sublet.core.db import Database, Session
from sublet.core.money import Rate
from sublet.findings.findings import Severity, open_finding
from sublet.ledger import credits
from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.billing.usage import A_DOLLAR_AN_HOUR, POLICY, Subject, new_subject
from tests.ledger.books import key, new_wallet, top_up, usd
from tests.support.clock import Clock
from tests.support.locks import until_somebody_waits

pytestmark = pytest.mark.anyio

DAY = 86_400
NOTHING = Rate(0, "USD")
A_CENT = Rate.parse("0.01", "USD")
PATIENT = replace(POLICY, evidence_gap_seconds=30 * DAY)
"""One observation proves all the time since the one before."""


@pytest.fixture
def postgres(clocked_postgres: EmbeddedPostgres) -> EmbeddedPostgres:
    """A database whose time can be moved: data are kept for days."""
    return clocked_postgres


async def review(session: Session) -> list[tuple[str, str]]:
    """What the funds' review has released, in order; its other steps are tested with the funds clock."""
    found = await funds.review(session, policy=POLICY)
    return [(action.subject_id, action.action) for action in found if action.action == "release"]


async def told(session: Session, subject: Subject) -> list[str]:
    """What the organization was told of its data clock, in order."""
    found = await session.execute(
        text(
            "SELECT type, data FROM outbox_event WHERE organization_id = :id AND type LIKE 'data_clock.%' ORDER BY id"
        ),
        {"id": subject.organization},
    )
    return [str(row.data.get("days", "stopped")) for row in found]


async def kept_until(session: Session, subject: Subject) -> datetime | None:
    return (await standing(session, subject.organization, currency="USD", policy=POLICY)).data_kept_until


async def without_money(session: Session, *, suspended: Rate = NOTHING) -> Subject:
    """A subject that lack of funds has suspended."""
    organization = await new_wallet(session, "0.10")
    subject = await new_subject(
        session,
        organization=organization,
        rate=A_DOLLAR_AN_HOUR,
        suspended_rate=suspended,
        started_ago=0,
        held=usd("0.10"),
        policy=POLICY,
    )
    await funds.review(session, policy=POLICY)
    await session.execute(
        text("UPDATE funds_clock SET grace_ends_at = clock_timestamp() WHERE organization_id = :id"),
        {"id": organization},
    )
    await funds.review(session, policy=POLICY)
    await meters.switch(session, subject.id, "suspended", await database_now(session))
    return subject


async def asleep(session: Session, funds_usd: str, *, suspended: Rate) -> Subject:
    """A subject that its customer suspended, with so much in the wallet."""
    organization = await new_wallet(session, funds_usd)
    subject = await new_subject(
        session,
        organization=organization,
        rate=A_DOLLAR_AN_HOUR,
        suspended_rate=suspended,
        started_ago=0,
        held=usd(funds_usd),
        policy=POLICY,
    )
    await meters.switch(session, subject.id, "suspended", subject.at(1))
    return subject


class TestBegins:
    async def test_when_lack_of_funds_has_suspended_and_says_until_when(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            subject = await without_money(session)
            assert await kept_until(session, subject) is None
            assert await review(session) == []
            until, now = await kept_until(session, subject), await database_now(session)
            assert await review(session) == []
            assert await told(session, subject) == ["14"]
        assert until is not None
        assert timedelta(days=13, hours=23) < until - now <= timedelta(days=14)

    async def test_when_nothing_pays_for_what_is_kept_any_more(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            subject = await asleep(session, "0.10", suspended=A_CENT)
            await review(session)
            assert await told(session, subject) == []
            clock.later(DAY / 2)
            await meters.observe(session, {subject.id}, await database_now(session), policy=PATIENT)
            await review(session)
            assert await told(session, subject) == ["14"]

    async def test_not_for_what_costs_nothing_and_was_suspended_by_its_customer(
        self, database: Database, clock: Clock
    ) -> None:
        async with database.transaction() as session:
            subject = await asleep(session, "0.10", suspended=NOTHING)
            await session.execute(
                text("INSERT INTO funds_clock VALUES (:id, 'USD', 'suspended', NULL)"), {"id": subject.organization}
            )
            await review(session)
            assert await told(session, subject) == []

    async def test_not_while_something_runs_and_is_paid_for(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            subject = await asleep(session, "20", suspended=A_CENT)
            await review(session)
            assert await told(session, subject) == []


class TestTells:
    async def test_its_end_once_at_each_notice_with_the_same_date(self, database: Database, clock: Clock) -> None:
        dates = []
        async with database.transaction() as session:
            subject = await without_money(session)
            await review(session)
            for _ in range(13):
                dates.append(await kept_until(session, subject))
                clock.a_day_later()
                await review(session)
                assert await review(session) == []
            assert await told(session, subject) == ["14", "7", "3", "1"]
        assert len(set(dates)) == 1

    async def test_the_last_time_a_whole_day_before_anything_is_done_however_late(
        self, database: Database, clock: Clock
    ) -> None:
        async with database.transaction() as session:
            subject = await without_money(session)
            await review(session)
            clock.later(40 * DAY)  # nobody reviewed for weeks
            assert await review(session) == []
            assert await told(session, subject) == ["14", "1"]
            until = await kept_until(session, subject)
            assert until is not None
            assert until - await database_now(session) > timedelta(hours=23, minutes=59)
            clock.later(DAY - 600)
            assert await review(session) == []
            clock.later(700)
            assert await review(session) == [(subject.id, "release")]


class TestEnds:
    async def test_in_the_release_of_what_is_kept_and_tells_of_it_again_where_that_failed(
        self, database: Database, clock: Clock
    ) -> None:
        async with database.transaction() as session:
            subject = await ended(session, clock)
            assert await review(session) == []
            clock.later(3_601)
            assert await review(session) == [(subject.id, "release")]
            await meters.stop(session, subject.id, await database_now(session))
            clock.later(3_601)
            assert await review(session) == []
            assert await told(session, subject) == ["14", "1", "stopped"]

    async def test_with_what_costs_and_what_lack_of_funds_suspended_and_nothing_else(
        self, database: Database, clock: Clock
    ) -> None:
        async with database.transaction() as session:
            subject = await without_money(session)
            options = {"organization": subject.organization, "started_ago": 0, "held": usd("0.01"), "policy": POLICY}
            await top_up(session, subject.organization, "0.02")
            free = await new_subject(session, suspended_rate=NOTHING, **options)  # type: ignore[arg-type]
            dear = await new_subject(session, suspended_rate=A_CENT, **options)  # type: ignore[arg-type]
            for one in (free, dear):
                await meters.switch(session, one.id, "suspended", one.at(1))
            await review(session)
            clock.later(15 * DAY)
            await review(session)
            clock.later(DAY + 60)
            released = await review(session)
        assert released == [(one, "release") for one in sorted((subject.id, dear.id))]

    async def test_of_one_organization_is_no_others(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            first = await without_money(session)
            await review(session)
            clock.later(15 * DAY)
            await review(session)
            await without_money(session)
            await review(session)
            clock.later(DAY + 60)
            assert await review(session) == [(first.id, "release")]
            over = await session.execute(text("SELECT organization_id FROM data_clock WHERE released_at IS NOT NULL"))
            assert list(over.scalars()) == [first.organization]

    async def test_is_known_to_whoever_releases(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            subject = await without_money(session)
            await review(session)
            assert not await is_over(session, subject)
            await ended(session, clock, subject)
            assert await is_over(session, subject)

    async def test_is_not_over_before_a_review_has_ended_it(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            subject = await without_money(session)
            await review(session)
            clock.later(15 * DAY)
            assert not await is_over(session, subject), "its last notice has not been told"

    async def test_releases_nothing_if_a_top_up_came_since_the_review(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            subject = await ended(session, clock)
            await paid(session, subject, "0.01")
            assert not await is_over(session, subject)

    async def test_releases_nothing_if_credit_came_since_the_review(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            subject = await ended(session, clock)
            await credits.grant(session, subject.organization, usd("0.10"), idempotency_key=key(), reason="Too little")
            assert await is_over(session, subject)
            await credits.grant(session, subject.organization, usd("20"), idempotency_key=key(), reason="Sorry")
            assert not await is_over(session, subject)

    async def test_releases_nothing_while_a_review_decides(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            subject = await ended(session, clock)

        async def asked() -> bool:
            async with database.transaction() as other:
                return await is_over(other, subject)

        async with database.transaction() as session:
            await data_clock.review_alone(session)
            asking = asyncio.create_task(asked())
            await until_somebody_waits(database)
            await credits.grant(session, subject.organization, usd("20"), idempotency_key=key(), reason="Sorry")
        assert not await asking

    async def test_lets_a_top_up_wait_for_a_release_that_is_decided(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            subject = await ended(session, clock)

        async def pay() -> None:
            async with database.transaction() as other:
                await data_clock.note_top_up(other, subject.organization, currency="USD")

        async with database.transaction() as session:
            assert await is_over(session, subject)
            paying = asyncio.create_task(pay())
            await until_somebody_waits(database)
            assert not paying.done()
        await paying

    async def test_bounds_what_is_owed(self, database: Database, clock: Clock) -> None:
        """A cent an hour for 14 days, and for the day that the last notice was late."""
        async with database.transaction() as session:
            subject = await without_money(session, suspended=A_CENT)
            await review(session)
            for _ in range(20):
                clock.a_day_later()
                await meters.observe(session, {subject.id}, await database_now(session), policy=PATIENT)
                for released, _ in await review(session):
                    await meters.stop(session, released, await database_now(session))
            left = (await standing(session, subject.organization, currency="USD", policy=POLICY)).runway
        assert left.burn == NOTHING
        assert usd("-3.70") < left.left < usd("-3.00")  # 15 days at 0.24, less the 0.10 that there were


class TestStops:
    async def test_with_a_top_up_that_is_enough(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            subject = await without_money(session)
            await review(session)
            await paid(session, subject, "20")
            await review(session)
            assert await told(session, subject) == ["14", "stopped"]

    async def test_and_begins_anew_with_a_top_up_that_pays_all_that_keeping_has_cost(
        self, database: Database, clock: Clock
    ) -> None:
        """Each time: who pays for what is kept has it kept."""
        async with database.transaction() as session:
            subject = await without_money(session, suspended=A_CENT)
            await review(session)
            for _ in range(3):
                before = await kept_until(session, subject)
                await days_pass(session, clock, subject, 10)
                await paid(session, subject, "2.41")  # a cent more than ten days
                await review(session)
                assert await kept_until(session, subject) is None
                await review(session)
                after = await kept_until(session, subject)
                assert before is not None
                assert after is not None
                assert after - before > timedelta(days=9)
            assert await told(session, subject) == ["14", *["7", "stopped", "14"] * 3]

    @pytest.mark.parametrize("price", [NOTHING, A_CENT], ids=["kept for nothing", "kept for a cent an hour"])
    async def test_begins_anew_once_with_a_top_up_that_pays_too_little(
        self, database: Database, clock: Clock, price: Rate
    ) -> None:
        async with database.transaction() as session:
            subject = await without_money(session, suspended=price)
            await review(session)
            dates = [await kept_until(session, subject)]
            for _ in range(3):
                await days_pass(session, clock, subject, 10)
                await paid(session, subject, "0.01")
                found = await review(session)
                dates.append(await kept_until(session, subject))
            assert await told(session, subject) == ["14", "7", "14", "7", "1"]
            assert dates[0] is not None
            assert dates[1] is not None
            assert timedelta(days=9, hours=23) < dates[1] - dates[0] < timedelta(days=10, hours=1)
            assert dates[2] == dates[1]
            assert found == []  # the last notice came late, and a day lies between it and the release
            clock.later(DAY + 60)
            assert await review(session) == [(subject.id, "release")]

    async def test_anew_for_a_top_up_that_comes_between_its_end_and_the_release(
        self, database: Database, clock: Clock
    ) -> None:
        async with database.transaction() as session:
            subject = await ended(session, clock)
            await paid(session, subject, "0.01")
            assert await review(session) == []
            assert not await is_over(session, subject)
            assert await told(session, subject) == ["14", "1", "14"]

    async def test_with_a_top_up_that_came_while_the_one_before_was_weighed(
        self, database: Database, clock: Clock
    ) -> None:
        """It is not forgotten, for it may pay what the one before did not."""
        async with database.transaction() as session:
            subject = await without_money(session)
            await review(session)
            await paid(session, subject, "0.01")
            [row] = await clocks(session)
            await paid(session, subject, "0.01")
            again, policy = "_weigh_top_up", {"now": await database_now(session), "policy": POLICY}
            for renewed_at in (None, await database_now(session)):
                seen = SimpleNamespace(**{**row._mapping, "left": 0, "burn": 0, "renewed_at": renewed_at})
                await getattr(data_clock, again)(session, seen, **policy)
                assert (await clocks(session))[0].topped_up_at > row.topped_up_at

    async def test_by_itself_once_there_is_enough(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            subject = await without_money(session)
            await review(session)
            await top_up(session, subject.organization, "20")
            await review(session)
            assert await told(session, subject) == ["14", "stopped"]
            assert await kept_until(session, subject) is None

    async def test_rather_than_end_once_there_is_enough(self, database: Database, clock: Clock) -> None:
        """Credit that is given just before the end is first seen after it."""
        async with database.transaction() as session:
            subject = await without_money(session)
            await review(session)
            clock.later(13 * DAY + 3_600)
            await review(session)
            clock.later(DAY - 600)
            await credits.grant(session, subject.organization, usd("20"), idempotency_key=key(), reason="Sorry")
            clock.later(1_200)
            assert await review(session) == []
            assert await told(session, subject) == ["14", "1", "stopped"]

    async def test_though_nothing_resumes_while_an_operator_has_to_see_to_the_money(
        self, database: Database, clock: Clock
    ) -> None:
        async with database.transaction() as session:
            subject = await without_money(session)
            await review(session)
            await open_finding(
                session,
                code="organization.launches_stopped",
                subject_type="organization",
                subject_id=subject.organization,
                severity=Severity.CRITICAL,
            )
            await credits.grant(session, subject.organization, usd("20"), idempotency_key=key(), reason="Sorry")
            assert await review(session) == []
            assert await told(session, subject) == ["14", "stopped"]


class TestRows:
    @pytest.mark.parametrize(
        "values",
        ["renewed_at = clock_timestamp()", "deletes_at = deletes_at + interval '1 day'"],
        ids=["renewed twice", "moved for no reason"],
    )
    async def test_refuse_to_stretch_the_time(self, database: Database, clock: Clock, values: str) -> None:
        async with database.transaction() as session:
            subject = await without_money(session)
            await review(session)
            await paid(session, subject, "0.01")
            await review(session)
            with pytest.raises(IntegrityError, match="data clock"):
                await session.execute(text(f"UPDATE data_clock SET {values}"))

    @pytest.mark.parametrize(
        ("before", "to", "days"),
        [(3, "1 day 1 hour", 1), (1, "1 day", 1), (7, "1 day", 3)],
        ids=["further than a day", "again", "for another notice"],
    )
    async def test_move_for_a_late_last_notice_alone(
        self, database: Database, clock: Clock, before: int, to: str, days: int
    ) -> None:
        async with database.transaction() as session:
            await session.execute(
                text(
                    "INSERT INTO data_clock (organization_id, currency, began_at, deletes_at, told_days) "
                    "VALUES ('org_1', 'USD', now() - interval '14 days', now(), :days)"
                ),
                {"days": before},
            )
            with pytest.raises(IntegrityError, match="late last notice"):
                await session.execute(
                    text("UPDATE data_clock SET deletes_at = now() + CAST(:to AS interval), told_days = :days"),
                    {"to": timedelta(days=1, hours=1) if "hour" in to else timedelta(days=1), "days": days},
                )


async def clocks(session: Session) -> list[Any]:
    return list((await session.execute(text("SELECT * FROM data_clock"))).all())


async def is_over(session: Session, subject: Subject) -> bool:
    return await data_clock.is_over(session, subject.organization, currency="USD", policy=POLICY)


async def paid(session: Session, subject: Subject, amount: str) -> None:
    """A top-up, as payments take it."""
    await top_up(session, subject.organization, amount)
    await data_clock.note_top_up(session, subject.organization, currency="USD")


async def days_pass(session: Session, clock: Clock, subject: Subject, days: float) -> None:
    """So much time passes in which the subject is seen, and the review looks."""
    clock.later(days * DAY)
    await meters.observe(session, {subject.id}, await database_now(session), policy=PATIENT)
    await review(session)


async def ended(session: Session, clock: Clock, subject: Subject | None = None) -> Subject:
    """A subject whose data clock has just ended."""
    subject = subject or await without_money(session)
    await review(session)
    clock.later(14 * DAY - 3_600)
    await review(session)
    clock.later(DAY + 60)
    assert await review(session) == [(subject.id, "release")]
    return subject
