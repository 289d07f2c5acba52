"""What a kind of notice is: the events it is made from, who is told, its words, and whether one may not want it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from sublet.core.actors import Permission
from sublet.core.db import Session
from sublet.core.outbox import StoredEvent


class Channel(StrEnum):
    """Where a notice reaches somebody."""

    INBOX = "inbox"
    EMAIL = "email"


@dataclass(frozen=True, slots=True)
class Letter:
    """The words of a notice, for the inbox, the command line and the mail alike; `link` is a path of the console."""

    title: str
    sentences: tuple[str, ...]
    link: str
    link_says: str


Write = Callable[[Session, StoredEvent], Awaitable[Letter | None]]
"""The letter that an event makes; None when it makes none of this kind. It only reads, and speaks to nobody."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of notice. A new one is one of these, listed in `notifications/letters`.

    Of an organization's event its members are told who hold `told`, of the platform's the operators who do. `always`
    says why nobody can switch it off; None for what one may do without.
    """

    name: str
    about: str
    events: tuple[str, ...]
    told: Permission
    write: Write
    always: str | None = None


def in_utc(moment: datetime) -> str:
    """`2026-03-01 14:20 UTC`: who reads a mail may be anywhere."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
