"""Credit that expires is announced a week and a day before, each once, with what is left of it."""

import pytest
from sqlalchemy import text

from sublet.billing import credit_notices
from sublet.core.clock import database_now
from sublet.core.db import Database, Session
from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.billing.usage import Subject, new_subject
from tests.ledger.books import grant, new_wallet
from tests.support.clock import Clock

pytestmark = pytest.mark.anyio

DAY = 86_400.0


@pytest.fixture
def postgres(clocked_postgres: EmbeddedPostgres) -> EmbeddedPostgres:
    """A database whose time can be moved: credit is given for days."""
    return clocked_postgres


async def given(session: Session, *gifts: tuple[str, float]) -> Subject:
    """Credit that ends so many days from now, each gift a lot of its own."""
    subject = await new_subject(session, organization=await new_wallet(session, "20"), started_ago=0)
    for amount, days in gifts:
        await grant(session, subject.organization, amount, expires_at=subject.at(days * DAY))
    return subject


async def told(session: Session) -> list[tuple[str, int]]:
    """What was announced, in order: how much, and how many days before."""
    found = await session.execute(text("SELECT data FROM outbox_event WHERE type = 'credit.expiring' ORDER BY id"))
    return [(row.data["amount"]["amount"], row.data["days"]) for row in found]


class TestCreditThatExpires:
    async def test_is_announced_a_week_and_a_day_before_and_each_once(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            await given(session, ("5", 10), ("7", 40))
            heard = []
            for days in (0, 2, 2, 2, 3.5, 1, 1):
                clock.later(days * DAY)
                for _ in range(2):
                    await credit_notices.tell(session)
                heard.append(list(await told(session)))
        assert heard == [[], [], [("5.00", 7)], [("5.00", 7)], *[[("5.00", 7), ("5.00", 1)]] * 3]

    async def test_for_less_than_a_day_is_announced_once_and_for_less_than_a_week_at_once(
        self, database: Database, clock: Clock
    ) -> None:
        async with database.transaction() as session:
            await given(session, ("1", 0.5), ("2", 3))
            assert await credit_notices.tell(session) == 2
            assert await told(session) == [("1.00", 1), ("2.00", 7)]
            clock.later(0.4 * DAY)
            assert await credit_notices.tell(session) == 0

    async def test_is_announced_with_what_is_left_and_not_once_it_is_spent(
        self, database: Database, clock: Clock
    ) -> None:
        async with database.transaction() as session:
            subject = await given(session, ("1", 2), ("3", 3))
            await session.execute(
                text("SELECT ledger.adjust(:o, 'USD', 1500000, false, 'adjustment:x', 'Spent', 'x')"),
                {"o": subject.organization},
            )
            await credit_notices.tell(session)
            assert await told(session) == [("2.50", 7)]

    async def test_that_is_over_is_not_announced(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            await given(session, ("1", 2))
            clock.later(3 * DAY)
            assert await credit_notices.tell(session) == 0
            assert await database_now(session) is not None
