"""A list costs three statements and few bytes, however many rows it has."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import is_dataclass
from typing import Any, get_args, get_type_hints

import httpx
import pytest
from pydantic import BaseModel
from sqlalchemy import event, text

from sublet.allocations.list_schemas import AdminAllocationOut, AllocationSummaryOut
from sublet.allocations.schemas import FailureOut, OperatorErrorOut
from sublet.core import context
from sublet.core.db import Database
from tests.allocations.rental import PASSWORD, Rental
from tests.support.app import Web

pytestmark = pytest.mark.anyio

MOST_STATEMENTS = 3
MOST_BYTES = 40_000
MANY = 50


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """Everything that the database is asked by requests meanwhile; what is asked beside them is nobody's answer."""
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if context.request_id.get() is not None:
            asked.append(statement)

    engine = database.pool.sync_engine
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
    INSERT INTO allocation OVERRIDING SYSTEM VALUE
    SELECT (jsonb_populate_record(a, jsonb_build_object(
              'seq', a.seq + n, 'id', overlay(a.id PLACING lpad(n::text, 4, '0') FROM 4), 'uid', a.uid + n,
              'login', overlay(a.login PLACING lpad(n::text, 4, '0') FROM 4), 'name', left(a.name, 26) || '-' || n,
              'state', 'queued'))).*
      FROM allocation a, generate_series(1, :more) n WHERE a.id = :id
    """,
    "UPDATE allocation SET state = 'provisioning' WHERE state = 'queued'",
    "UPDATE allocation SET state = 'active' WHERE state = 'provisioning'",
    """
    INSERT INTO meter
    SELECT (jsonb_populate_record(m, jsonb_build_object('subject_id', a.id, 'hold_id', m.hold_id + a.seq))).*
      FROM allocation a, meter m WHERE m.subject_id = :id AND a.id <> :id
    """,
    """
    INSERT INTO meter_segment OVERRIDING SYSTEM VALUE
    SELECT (jsonb_populate_record(s, jsonb_build_object('subject_id', a.id, 'id', s.id + a.seq))).*
      FROM allocation a, meter_segment s WHERE s.subject_id = :id AND a.id <> :id
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

    def test_makes_no_checked_model_for_what_each_row_shows(self) -> None:
        shapes: list[Any] = [AllocationSummaryOut, AdminAllocationOut]
        for shape in shapes:
            parts = {part for hint in get_type_hints(shape).values() for part in (hint, *get_args(hint))}
            models = {part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)}
            assert models <= {FailureOut, OperatorErrorOut}, "a model checks what it is made of, in each row anew"
            shapes += [part for part in parts if is_dataclass(part)]
