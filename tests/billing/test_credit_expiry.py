"""A gift with an end pays what was delivered before it, however late that is settled, and then leaves the books."""

from dataclasses import replace

import pytest
from sqlalchemy import text

from sublet.billing import checks, credit_expiry, funds, settlement
from sublet.billing.standing import standing
from sublet.core.db import Database, Session
from sublet.ledger import wallets
from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.billing.usage import POLICY, Subject, new_subject, observe_until, settle_due
from tests.ledger.books import assert_books_are_sound, grant, new_wallet, purse_of, usd
from tests.support.clock import Clock
from tests.support.policy import DEFAULT_POLICY

pytestmark = pytest.mark.anyio

AN_HOUR = 3600


@pytest.fixture
def postgres(clocked_postgres: EmbeddedPostgres) -> EmbeddedPostgres:
    return clocked_postgres


async def begun(database: Database, *gifts: tuple[str, float], funds_usd: str = "20", held: str = "1.50") -> Subject:
    """A subject that starts now, at 100 micro-dollars a second, with gifts that end so many seconds after its start."""
    async with database.transaction() as session:
        organization = await new_wallet(session, funds_usd)
        subject = await new_subject(session, organization=organization, started_ago=0, held=usd(held))
        for amount, seconds in gifts:
            await grant(session, organization, amount, expires_at=subject.at(seconds))
    return subject


async def seen(database: Database, subject: Subject, seconds: float, *, since: float = 0) -> None:
    async with database.transaction() as session:
        await observe_until(session, subject, seconds, since=since)


async def lines(session: Session, subject: Subject) -> list[tuple[str, str, int]]:
    """The lines on the organization's promotional account and wallet since the subject began, in order."""
    found = await session.execute(
        text(
            "SELECT e.kind::text, a.kind::text, p.amount FROM ledger.posting p "
            "JOIN ledger.account a ON a.id = p.account_id AND a.owner_id = :organization "
            "JOIN ledger.ledger_entry e ON e.id = p.entry_id AND e.kind NOT IN ('credit', 'top_up') "
            "ORDER BY p.entry_id, p.line"
        ),
        {"organization": subject.organization},
    )
    return [tuple(row) for row in found]


async def charged_seconds(session: Session, subject: Subject) -> list[int]:
    found = await session.execute(
        text("SELECT seconds FROM usage_record WHERE subject_id = :id ORDER BY period_start"), {"id": subject.id}
    )
    return list(found.scalars())


class TestExpiry:
    async def test_leaves_what_was_delivered_before_to_the_gift_and_takes_the_rest(
        self, database: Database, clock: Clock
    ) -> None:
        subject = await begun(database, ("1", AN_HOUR))
        clock.later(2 * AN_HOUR)
        await seen(database, subject, 7000)
        assert await credit_expiry.expire_all(database, policy=DEFAULT_POLICY) == 1
        async with database.transaction() as session:
            assert await lines(session, subject) == [
                ("usage", "promo", -360_000),
                ("usage", "wallet", -340_000),
                ("credit_expired", "promo", -640_000),
            ]
            assert await charged_seconds(session, subject) == [3600, 3400]
            await assert_books_are_sound(session)
            assert [result.name for result in await checks.run(session) if not result.ok] == []
        assert await credit_expiry.expire_all(database, policy=DEFAULT_POLICY) == 0

    async def test_is_the_same_where_the_settlement_came_first(self, database: Database, clock: Clock) -> None:
        subject = await begun(database, ("1", AN_HOUR))
        clock.later(2 * AN_HOUR)
        await seen(database, subject, 7000)
        async with database.transaction() as session:
            await settle_due(session)
        assert await credit_expiry.expire_all(database, policy=DEFAULT_POLICY) == 1
        async with database.transaction() as session:
            assert await lines(session, subject) == [
                ("usage", "promo", -360_000),
                ("usage", "wallet", -340_000),
                ("credit_expired", "promo", -640_000),
            ]
            await assert_books_are_sound(session)

    async def test_of_several_gifts_lets_each_pay_until_its_own_end(self, database: Database, clock: Clock) -> None:
        subject = await begun(database, ("0.05", 1800), ("0.20", AN_HOUR), ("5", 40 * AN_HOUR))
        clock.later(2 * AN_HOUR)
        await seen(database, subject, 7000)
        assert await credit_expiry.expire_all(database, policy=DEFAULT_POLICY) == 0  # both were spent in time
        async with database.transaction() as session:
            assert await lines(session, subject) == [
                ("usage", "promo", -180_000),
                ("usage", "promo", -180_000),
                ("usage", "promo", -340_000),
            ]
            assert (await purse_of(session, subject.organization)).promo == 5_250_000 - 700_000
            due = text("SELECT count(*) FROM ledger.credit_due")
            assert (await session.execute(due)).scalar_one() == 0
            await assert_books_are_sound(session)

    async def test_of_all_that_an_organization_runs(self, database: Database, clock: Clock) -> None:
        subject = await begun(database, ("1", AN_HOUR), held="0.50")
        async with database.transaction() as session:
            other = await new_subject(session, organization=subject.organization, started_ago=0, held=usd("0.50"))
        clock.later(2 * AN_HOUR)
        for one in (subject, other):
            await seen(database, one, 7000)
        assert await credit_expiry.expire_all(database, policy=DEFAULT_POLICY) == 1
        async with database.transaction() as session:
            spent = sum(
                amount
                for kind, account, amount in await lines(session, subject)
                if (kind, account) == ("usage", "promo")
            )
            assert abs(spent + 720_000) <= 100  # the other began within a second
            await assert_books_are_sound(session)

    async def test_waits_while_what_was_delivered_before_may_still_be_proven(
        self, database: Database, clock: Clock
    ) -> None:
        subject = await begun(database, ("1", AN_HOUR))
        clock.later(AN_HOUR + 10)
        await seen(database, subject, AN_HOUR - 10)
        policy = replace(DEFAULT_POLICY, evidence_gap_seconds=300)
        assert await credit_expiry.expire_all(database, policy=policy) == 0
        await seen(database, subject, AN_HOUR + 5, since=AN_HOUR - 10)
        assert await credit_expiry.expire_all(database, policy=policy) == 1
        async with database.transaction() as session:
            assert (await lines(session, subject))[-1] == ("credit_expired", "promo", -640_000)
            promo = [
                amount
                for kind, account, amount in await lines(session, subject)
                if (kind, account) == ("usage", "promo")
            ]
            assert sum(promo) == -360_000

    async def test_does_not_wait_for_what_nobody_can_prove_any_more(self, database: Database, clock: Clock) -> None:
        subject = await begun(database, ("1", AN_HOUR))
        clock.later(2 * AN_HOUR)
        await seen(database, subject, AN_HOUR - 600)
        assert await credit_expiry.expire_all(database, policy=replace(DEFAULT_POLICY, evidence_gap_seconds=300)) == 1
        async with database.transaction() as session:
            assert await lines(session, subject) == [
                ("usage", "promo", -300_000),
                ("credit_expired", "promo", -700_000),
            ]

    async def test_does_not_wait_for_what_began_later(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            moment = (await session.execute(text("SELECT clock_timestamp() + interval '1 hour'"))).scalar_one()
            await grant(session, organization, "1", expires_at=moment)
        clock.later(2 * AN_HOUR)
        async with database.transaction() as session:
            await new_subject(session, organization=organization, started_ago=60, held=usd("0.50"))
        policy = replace(DEFAULT_POLICY, evidence_gap_seconds=300)
        assert await credit_expiry.expire_all(database, policy=policy) == 1
        async with database.transaction() as session:
            assert (await purse_of(session, organization)).promo == 0

    async def test_of_one_that_cannot_be_posted_stops_no_other(
        self, database: Database, clock: Clock, owner_url: str
    ) -> None:
        at_fault = await begun(database, ("1", AN_HOUR))
        fine = await begun(database, ("1", AN_HOUR))
        clock.later(2 * AN_HOUR)
        for one in (at_fault, fine):
            await seen(database, one, 7000)
        async with database.transaction() as session:
            await session.execute(text("SELECT ledger.release_hold(:hold, 'gone')"), {"hold": at_fault.hold_id})
        assert await credit_expiry.expire_all(database, policy=DEFAULT_POLICY) == 1
        async with database.transaction() as session:
            assert (await purse_of(session, fine.organization)).promo == 0
            assert (await purse_of(session, at_fault.organization)).promo == 1_000_000


class TestFunds:
    async def test_do_not_count_what_expired_though_no_job_ran(self, database: Database, clock: Clock) -> None:
        subject = await begun(database, ("100", AN_HOUR), funds_usd="0.09", held="0.09")
        async with database.transaction() as session:
            assert (await wallets.wallet(session, subject.organization, currency="USD")).available == usd("100")
        clock.later(AN_HOUR + 60)
        async with database.transaction() as session:
            assert (await wallets.wallet(session, subject.organization, currency="USD")).available == usd("0")
            runway = (await standing(session, subject.organization, currency="USD", policy=POLICY)).runway
            assert (runway.left, runway.seconds) == (usd("0.09"), 0)
            assert [action.action for action in await funds.review(session, policy=POLICY)] == ["start_grace"]

    async def test_leave_to_the_gift_what_accrued_before(self, database: Database, clock: Clock) -> None:
        """What accrued and is not charged yet was delivered while the gift was good: it is not counted twice."""
        subject = await begun(database, ("1", AN_HOUR), funds_usd="5")
        clock.later(AN_HOUR + 1)
        await seen(database, subject, AN_HOUR)
        async with database.transaction() as session:
            runway = (await standing(session, subject.organization, currency="USD", policy=POLICY)).runway
        assert runway.left == usd("5")
        async with database.transaction() as session:
            await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
            assert (await wallets.wallet(session, subject.organization, currency="USD")).balance == usd("5")
