"""Filters, as PostgreSQL takes them."""

import pytest
from sqlalchemy import select

from sublet.core.db import Database
from sublet.core.filters import one_of
from sublet.payments.models import stripe_transaction

pytestmark = pytest.mark.anyio


async def test_one_of_more_values_than_a_statement_has_parameters(database: Database) -> None:
    ids = [f"txn_{number}" for number in range(65_536)]
    async with database.reading() as session:
        found = await session.execute(select(stripe_transaction.c.id).where(one_of(stripe_transaction.c.id, ids)))
        assert list(found) == []
