"""Spending limits as rows: one of each kind, who set it, and what PostgreSQL refuses."""

import pytest
from psycopg.errors import UniqueViolation
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from sublet.billing import spending_limits
from sublet.billing.spend import limits_of
from sublet.core.actors import Actor
from sublet.core.db import Database
from sublet.core.errors import NotFound
from tests.billing.usage import POLICY, new_subject
from tests.ledger.books import new_wallet, usd

pytestmark = pytest.mark.anyio


def owner(organization: str) -> Actor:
    """Somebody who may change limits."""
    return Actor("user", user_id="usr_1", organization_id=organization, role="owner")


class TestRows:
    async def test_are_one_for_each_scope_and_say_who_set_them(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            for amount in ("5", "7"):
                await spending_limits.set_limit(session, owner(organization), usd(amount), scope="day")
            [found] = await limits_of(session, organization, policy=POLICY)
            kept = (await session.execute(text("SELECT set_by, amount FROM spending_limit"))).one()
            trail = await session.execute(
                text("SELECT action, before, after FROM audit_event WHERE target_id = :id ORDER BY seq"),
                {"id": organization},
            )
            rows = trail.all()
        assert (found.amount, kept.set_by, kept.amount) == (usd("7"), "usr_1", 7_000_000)
        assert [row.action for row in rows] == ["spending_limit.set"] * 2
        assert (rows[1].before["amount"], rows[1].after["amount"]) == (5_000_000, 7_000_000)

    async def test_are_one_for_each_scope_in_postgresql_too(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            await spending_limits.set_limit(session, owner(organization), usd("5"), scope="day")
            again = text(
                "INSERT INTO spending_limit (organization_id, currency, scope, amount, set_by) "
                "VALUES (:id, 'USD', 'day', 1, 'x')"
            )
            with pytest.raises(IntegrityError) as refused:
                await session.execute(again, {"id": organization})
        assert isinstance(refused.value.orig, UniqueViolation)

    @pytest.mark.parametrize(
        "values",
        ["'day', 'al_1', 1", "'month', 'al_1', 1", "'allocation', NULL, 1", "'day', NULL, 0", "'week', NULL, 1"],
    )
    async def test_are_refused_where_they_make_no_sense(self, database: Database, values: str) -> None:
        insert = "INSERT INTO spending_limit (organization_id, currency, set_by, scope, subject_id, amount) VALUES "
        with pytest.raises(IntegrityError):
            async with database.transaction() as session:
                await session.execute(text(f"{insert} ('org_1', 'USD', 'x', {values})"))

    async def test_go_with_their_subject(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            whose = owner(subject.organization)
            await spending_limits.set_limit(session, whose, usd("5"), scope="allocation", subject_id=subject.id)
            await spending_limits.forget(session, subject.id)
            assert await limits_of(session, subject.organization, policy=POLICY) == []
            with pytest.raises(NotFound):
                await spending_limits.clear_limit(
                    session, whose, currency="USD", scope="allocation", subject_id=subject.id
                )
