"""A list costs three statements and few bytes, however many rows it has."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import event, text

from sublet.core.db import Database
from tests.allocations.rental import PASSWORD, Rental
from tests.support.app import Web

pytestmark = pytest.mark.anyio

MOST_STATEMENTS = 3
MOST_BYTES = 40_000
MANY = 50


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """Everything that the database is asked meanwhile."""
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        asked.append(statement)

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def listed(web: Web, client: httpx.AsyncClient, path: str) -> tuple[list[str], httpx.Response]:
    """What a list asked the database for, and its answer."""
    await client.get(path)  # whoever was not seen for a while is noted as seen
    with statements(web.database) as asked:
        answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return asked, answer


SO_MANY_LIKE_IT = (
    """
    INSERT INTO allocation (id, organization_id, launched_by, name, sku_id, price_id, sku, price, nano_per_hour,
                            suspended_nano_per_hour, currency, hold_id, node_id, login, uid, started_at, enforced)
    SELECT overlay(id PLACING lpad(n::text, 4, '0') FROM 4), organization_id, launched_by, left(name, 26) || '-' || n,
           sku_id, price_id, sku, price, nano_per_hour, suspended_nano_per_hour, currency, hold_id, node_id,
           overlay(login PLACING lpad(n::text, 4, '0') FROM 4), uid + n, started_at, enforced
      FROM allocation, generate_series(1, :more) n WHERE id = :id
    """,
    "UPDATE allocation SET state = 'provisioning' WHERE state = 'queued'",
    "UPDATE allocation SET state = 'active' WHERE state = 'provisioning'",
    """
    INSERT INTO meter (subject_id, organization_id, hold_id, currency, price_id, nano_per_hour, suspended_nano_per_hour,
                       started_at, observed_to, settle_due_at)
    SELECT a.id, m.organization_id, m.hold_id + 1000 + a.seq, m.currency, m.price_id, m.nano_per_hour,
           m.suspended_nano_per_hour, m.started_at, m.observed_to, m.settle_due_at
      FROM allocation a, meter m WHERE m.subject_id = :id AND a.id NOT IN (SELECT subject_id FROM meter)
    """,
    """
    INSERT INTO meter_segment (subject_id, period, kind, price_id, nano_per_hour, metered_to, posted_to)
    SELECT m.subject_id, s.period, s.kind, s.price_id, s.nano_per_hour, s.metered_to, s.posted_to
      FROM meter m, meter_segment s
     WHERE s.subject_id = :id AND m.subject_id NOT IN (SELECT subject_id FROM meter_segment)
    """,
)


async def multiply(rental: Rental, allocation_id: str, more: int) -> None:
    """So many more allocations like one that is active, as if each had been launched and set up."""
    async with rental.database.transaction() as session:
        for statement in SO_MANY_LIKE_IT:
            await session.execute(text(statement), {"id": allocation_id, "more": more})


class TestAPage:
    async def test_asks_as_little_and_stays_as_small_however_many_there_are(self, web: Web) -> None:
        rental = await Rental.open(web.database)
        (row,) = await rental.all("SELECT email FROM user_account WHERE id = :id", id=rental.actor.user_id)
        client, operator = web.client(), await web.operator()
        answer = await client.post("/api/v1/auth/login", json={"email": row, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        first = await rental.running()
        await rental.ran_for(first, 12345)
        await rental.observe()
        for count in (1, MANY):
            await multiply(rental, first, count - 1)
            for one, path in ((client, "/api/v1/allocations"), (operator, "/api/v1/admin/allocations")):
                asked, answer = await listed(web, one, f"{path}?limit=200&include_ended=false")
                assert len(answer.json()["items"]) == count
                assert len(asked) <= MOST_STATEMENTS, "\n".join(asked)
                assert len(answer.content) <= MOST_BYTES
