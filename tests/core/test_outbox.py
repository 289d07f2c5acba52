"""The order of events: by transaction, as numbers, however many digits those have."""

import psycopg
import pytest

from sublet.core.db import Database
from sublet.core.outbox import read_after

pytestmark = pytest.mark.anyio

TRANSACTIONS = (9, 10, 99, 100, 101)


class TestReading:
    async def test_goes_on_in_order_where_transaction_ids_grow_by_a_digit(
        self, database: Database, owner_url: str
    ) -> None:
        with psycopg.connect(owner_url) as past:
            for transaction in reversed(TRANSACTIONS):
                past.execute(
                    "INSERT INTO outbox_event (xid, event_id, type, subject, data)"
                    " VALUES (%s::text::xid8, %s, 'past.happened', 'x', '{}')",
                    [str(transaction), f"evt_{transaction}"],
                )
        seen: list[int] = []
        cursor = (0, 0)
        async with database.reading() as session:
            while page := await read_after(session, cursor, everything=True, limit=2):
                seen += [place[0] for place, _ in page]
                cursor = page[-1][0]
                assert len(seen) <= len(TRANSACTIONS)
        assert seen == list(TRANSACTIONS)
