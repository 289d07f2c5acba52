"""Lists are pages: `{"items": […], "next_cursor": …}`, walked by an opaque cursor."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel

from sublet.core.errors import InvalidInput

MAX_LIMIT = 200

FilterText = Annotated[str | None, Query(max_length=200)]
"""What a list may be narrowed to, as a text."""

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """One page of a list; `next_cursor` is null on the last."""

    items: list[T]
    next_cursor: str | None = None


def encode_cursor(values: Sequence[Any]) -> str:
    """An opaque cursor from the sort key of the last row (strings and integers)."""
    return base64.urlsafe_b64encode(json.dumps(list(values)).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, *kinds: type[Any]) -> tuple[Any, ...]:
    """The sort key inside a cursor, checked to be of the given types; InvalidInput if it is not one of ours."""
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, UnicodeDecodeError):
        values = None
    if not isinstance(values, list) or [type(value) for value in values] != list(kinds):
        raise unknown_cursor()
    return tuple(values)


def unknown_cursor(*, field: str = "cursor") -> InvalidInput:
    """The error for a cursor that a list did not give out; `field` is where it stood in the request."""
    return InvalidInput("The cursor is not one that this list gave out. Start again without it.", field=field)


@dataclass(frozen=True, slots=True)
class PageQuery:
    """`?limit=&cursor=` of a list route."""

    limit: int
    cursor: str | None

    def position(self, *kinds: type[Any]) -> tuple[Any, ...] | None:
        """The decoded cursor, or None for the first page."""
        return decode_cursor(self.cursor, *kinds) if self.cursor else None


async def _page_query(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many items a page holds.")] = 50,
    cursor: Annotated[str | None, Query(max_length=500, description="`next_cursor` of the page before.")] = None,
) -> PageQuery:
    return PageQuery(limit, cursor)


PageQueryDep = Annotated[PageQuery, Depends(_page_query)]


R = TypeVar("R")


def page_of(rows: Sequence[R], limit: int, item: Callable[[R], T], key: Callable[[R], Sequence[Any]]) -> Page[T]:
    """Build a page from `limit + 1` fetched rows: the extra row only says that there is a next page."""
    shown = rows[:limit]
    more = encode_cursor(key(shown[-1])) if len(rows) > limit and shown else None
    return Page(items=[item(row) for row in shown], next_cursor=more)
