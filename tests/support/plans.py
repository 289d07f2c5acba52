"""How many pages of 8 KiB the statements of a piece of work touch, as EXPLAIN (ANALYZE, BUFFERS) says.

Every statement is run once, explained; what it changes is undone with the transaction.
"""

import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, ExecutionContext

from sublet.core.db import Database, Session


@dataclass
class Statement:
    """One statement as it reached the driver."""

    sql: str
    parameters: Any = field(repr=False)


@contextmanager
def recorded(database: Database) -> Iterator[list[Statement]]:
    """Every statement that is executed on the database's connections in the block."""
    seen: list[Statement] = []

    def note(
        _connection: Connection, _cursor: object, sql: str, parameters: Any, _context: ExecutionContext, _many: bool
    ) -> None:
        seen.append(Statement(sql, parameters))

    event.listen(database.pool.sync_engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(database.pool.sync_engine, "before_cursor_execute", note)


async def explained(session: Session, statement: Statement) -> dict[str, Any]:
    """The plan of a statement, run for real in the session's transaction."""
    driver = (await session.get_raw_connection()).driver_connection
    assert driver is not None
    cursor = await driver.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement.sql}", statement.parameters)
    [(plan,)] = await cursor.fetchall()
    found: dict[str, Any] = (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]
    return found


def buffers(plan: dict[str, Any]) -> int:
    """Pages that the whole plan touched, found in memory or read."""
    return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])


def whole_table_reads(plan: dict[str, Any]) -> Iterator[str]:
    """Tables that the plan reads from one end to the other."""
    if plan["Node Type"] == "Seq Scan":
        yield plan["Relation Name"]
    for part in plan.get("Plans", ()):
        yield from whole_table_reads(part)


async def buffers_of(database: Database, work: Callable[[Session], Awaitable[object]]) -> int:
    """Pages that the statements of a piece of work touch together; what it does is undone."""
    plans = await plans_of(database, work)
    return sum(buffers(plan) for _, plan in plans)


async def plans_of(
    database: Database, work: Callable[[Session], Awaitable[object]]
) -> list[tuple[Statement, dict[str, Any]]]:
    """Each statement of a piece of work, with its plan; what it does is undone, and nothing is left."""
    with recorded(database) as statements:
        async with database.engine.connect() as session:
            await work(session)
            await session.rollback()
    async with database.engine.connect() as session:
        plans = []
        for statement in statements:
            if statement.sql.lstrip().upper().startswith(("SELECT", "WITH", "UPDATE", "INSERT", "DELETE")):
                plans.append((statement, await explained(session, statement)))
        await session.rollback()
    return plans
