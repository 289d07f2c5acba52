"""What happened, in the order in which it became visible."""

from typing import Any, TypedDict


class Event(TypedDict):
    """CloudEvents-shaped; `id` is the place in the stream to continue from."""

    id: str
    type: str
    time: str
    subject: str
    data: dict[str, Any]


class EventPage(TypedDict):
    """Events after a cursor."""

    items: list[Event]
    next_cursor: str | None
