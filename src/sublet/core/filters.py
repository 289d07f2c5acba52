"""Filters of lists: by the columns that must have a value, or one of many, and by times."""

from collections.abc import Collection, Mapping
from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator
from sqlalchemy import Column, ColumnElement, any_, literal
from sqlalchemy.dialects.postgresql import ARRAY


def _written_out(value: object) -> object:
    """No count of seconds: nobody sees which day one means."""
    if isinstance(value, str) and "-" not in value[1:]:
        raise ValueError("Write the time with its date and zone, such as 2026-11-01T00:00:00Z.")
    return value


Time = Annotated[AwareDatetime, BeforeValidator(_written_out)]
"""A time that somebody asks for, written with its date and zone."""


def matching(wanted: Mapping[Column[Any], Any]) -> list[ColumnElement[bool]]:
    """A condition for each column that must have a value; None means any."""
    return [column == value for column, value in wanted.items() if value is not None]


def one_of(column: Column[Any], values: Collection[Any]) -> ColumnElement[bool]:
    """The column has one of the values: any number, in one parameter, of which a statement has 65,535 at most."""
    return column == any_(literal(list(values), ARRAY(column.type)))
