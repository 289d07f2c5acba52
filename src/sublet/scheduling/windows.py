"""When capacity is wanted."""

from dataclasses import dataclass
from datetime import datetime

from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` (None: from now) until `end` (None: without an end); what lies before now does not count.

    InvalidInput if it ends before it starts.
    """

    start: datetime | None
    end: datetime | None

    def __post_init__(self) -> None:
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise InvalidInput("A window ends after it starts.", field="end")

    @property
    def from_now_on(self) -> bool:
        """Whether it is all the time from now on, for which counts are kept."""
        return self.start is None and self.end is None


async def refuse_past(session: Session, during: Window) -> None:
    """InvalidInput for a window that is over."""
    if during.end is not None and during.end <= await database_now(session):
        raise InvalidInput("The window is over already. Nothing was taken. Ask for a later end.", field="end")


FROM_NOW_ON = Window(None, None)
"""What a launch asks for: from now on until it is freed."""
