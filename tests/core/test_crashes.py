"""What a log says of an exception: where it was and what kind it is, and nobody's data."""

import json
import logging
import sys
from types import TracebackType

import psycopg
import pytest
from pydantic import BaseModel, ValidationError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from sublet.core.crashes import describe
from sublet.core.db import Database
from sublet.core.telemetry import formatter

pytestmark = pytest.mark.anyio

CANARY = "canary-of-a-crash"
STATEMENTS = {
    "23502": f"INSERT INTO outbox_cursor (subscriber, xid, id) VALUES ('{CANARY}', NULL, 1)",
    "23514": f"INSERT INTO idempotency_key (actor, key, request_hash, status) VALUES ('{CANARY}', 'k', '', 200)",
    "23505": f"INSERT INTO outbox_cursor (subscriber, xid, id) VALUES ('{CANARY}', '1', 1), ('{CANARY}', '1', 1)",
    "22P02": "SELECT CAST(:value AS integer)",
}

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


async def fail(database: Database, statement: str) -> ExcInfo:
    """The exception of a statement, within another one that follows from it."""
    try:
        try:
            async with database.transaction() as session:
                await session.execute(text(statement), {"value": CANARY} if ":value" in statement else {})
        except SQLAlchemyError as error:
            raise RuntimeError("the work failed") from error
    except RuntimeError as error:
        return type(error), error, error.__traceback__
    raise AssertionError("it did not fail")


class TestLog:
    @pytest.mark.parametrize("log_format", ["json", "console"])
    @pytest.mark.parametrize("state", STATEMENTS)
    async def test_names_the_fault_and_not_the_row(self, database: Database, log_format: str, state: str) -> None:
        failure = await fail(database, STATEMENTS[state])
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "periodic.failed", None, failure)
        written = formatter(log_format).format(record)
        assert CANARY not in written
        assert f"SQLSTATE {state}" in written
        assert "the work failed" in written
        assert "test_crashes.py" in written

    async def test_is_one_line_for_a_machine(self, database: Database) -> None:
        failure = await fail(database, STATEMENTS["23514"])
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "periodic.failed", None, failure)
        read = json.loads(formatter("json").format(record))
        assert "constraint idempotency_key_check" in read["exception"]


class TestDescription:
    def test_of_a_group_tells_every_member(self) -> None:
        told = describe(ExceptionGroup("two", [ValueError("one"), psycopg.OperationalError("gone\nDETAIL: x")]))
        assert "ValueError: one" in told
        assert "psycopg.OperationalError: gone" in told
        assert "DETAIL" not in told

    def test_of_a_refused_value_does_not_quote_it(self) -> None:
        class Wanted(BaseModel):
            number: int

        with pytest.raises(ValidationError) as refused:
            Wanted.model_validate({"number": CANARY})
        told = describe(refused.value)
        assert "number: int_parsing" in told
        assert CANARY not in told

    def test_is_what_python_prints_for_anything_else(self) -> None:
        try:
            raise KeyError("x") from ValueError("y")
        except KeyError:
            error = sys.exception()
        assert error is not None
        told = describe(error).splitlines()
        assert told[0] == "ValueError: y"
        assert told[-1] == "KeyError: 'x'"
