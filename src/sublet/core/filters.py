"""Filters of lists: by the columns that must have a value."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Column, ColumnElement


def matching(wanted: Mapping[Column[Any], Any]) -> list[ColumnElement[bool]]:
    """A condition for each column that must have a value; None means any."""
    return [column == value for column, value in wanted.items() if value is not None]
