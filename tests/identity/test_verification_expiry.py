"""A link of a verifying mail works for a day."""

import pytest
from sqlalchemy import text

from sublet.core.actors import Actor
from sublet.core.db import Database
from sublet.identity import email_verification, users
from sublet.identity.email_verification import LIFETIME_HOURS, LinkNotValid
from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.identity.house import PASSWORD
from tests.support.clock import Clock

pytestmark = pytest.mark.anyio


@pytest.fixture
def postgres(clocked_postgres: EmbeddedPostgres) -> EmbeddedPostgres:
    return clocked_postgres


class TestALink:
    async def test_works_no_more_a_day_later_and_no_mail_is_sent(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            made = await users.create_user(session, email="ada@customer.example", password=PASSWORD, name="Ada")
            actor = Actor(kind="user", user_id=made.user_id, organization_id=made.organization_id)
            await email_verification.send(session, actor, mail_is_sent=True)
        async with database.transaction() as session:
            asked: str = (await session.execute(text("SELECT id FROM email_verification"))).scalar_one()
            mail = await email_verification.next_mail(session, asked)
        assert mail is not None
        clock.later(LIFETIME_HOURS * 3600 - 60)
        async with database.transaction() as session:
            assert await email_verification.next_mail(session, asked) is not None, "it is not over yet"
        clock.later(120)
        async with database.transaction() as session:
            assert await email_verification.next_mail(session, asked) is None
            with pytest.raises(LinkNotValid):
                await email_verification.confirm(session, actor, mail.secret)
