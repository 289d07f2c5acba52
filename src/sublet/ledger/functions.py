"""Calls into the ledger's SQL functions, the only way to change the books."""

from functools import cache
from typing import Any

from sqlalchemy import CursorResult, TextClause, text
from sqlalchemy.exc import DBAPIError

from sublet.core.db import Session
from sublet.ledger.failures import named


@cache
def _statement(function: str, names: tuple[str, ...], selected: str) -> TextClause:
    arguments = ", ".join(f"_{name} => :{name}" for name in names)
    return text(f"SELECT {selected} FROM ledger.{function}({arguments})")  # noqa: S608 - constants of this package


async def rows(session: Session, function: str, *, selected: str = "*", **arguments: Any) -> CursorResult[Any]:
    """Execute a ledger function; what it refuses becomes a named error.

    `selected` is what of its rows is wanted; a thousand of them in one array cost less than as rows.
    """
    try:
        return await session.execute(_statement(function, tuple(arguments), selected), arguments)
    except DBAPIError as error:
        known = named(error)
        if known is None:
            raise
        raise known from error


async def call(session: Session, function: str, **arguments: Any) -> int | None:
    """Execute a ledger function that returns one id, or NULL for "there is not enough"."""
    value: int | None = (await rows(session, function, **arguments)).scalar_one()
    return value


async def call_for_id(session: Session, function: str, **arguments: Any) -> int:
    """Execute a ledger function that always returns an id."""
    value = await call(session, function, **arguments)
    assert value is not None, function
    return value
