"""Notices and preferences as the API takes and shows them."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from sublet.core.actions import ActionOut


class NoticeOut(BaseModel):
    """Something that a person was told. `link` is a path of the console, and `link_says` the words of that link.

    `mailed_at` is when it was also sent by mail; `not_mailed_because` is one word for why it could not be, and both are
    null where no mail was wanted, or it is on its way.
    """

    model_config = ConfigDict(from_attributes=True)

    id: str
    kind: str
    organization_id: str | None
    title: str
    sentences: list[str]
    link: str
    link_says: str
    created_at: datetime
    read_at: datetime | None
    mailed_at: datetime | None
    not_mailed_because: str | None


class UnreadNotices(BaseModel):
    """How many notices are unread, counted up to a hundred."""

    count: int


class ReadUpTo(BaseModel):
    """The newest notice that the person has seen."""

    model_config = ConfigDict(extra="forbid")

    up_to: Annotated[str, StringConstraints(min_length=1, max_length=64)]


class MarkedRead(BaseModel):
    """How many notices were unread until now."""

    marked: int


class NoticePreference(BaseModel):
    """By which channels a person is told of a kind of notice."""

    kind: str
    about: str
    inbox: bool
    email: bool
    actions: list[ActionOut]


class NoticePreferences(BaseModel):
    """Every kind of notice that may reach the person where they act."""

    items: list[NoticePreference]


class NoticeSwitch(BaseModel):
    """By which channels a person wants to be told of a kind; a channel that is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    kind: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    inbox: bool | None = None
    email: bool | None = None
