"""What happens to auto top-up, told in the past tense."""

from typing import ClassVar

from sublet.core.outbox import Event


class AutoTopUpSet(Event):
    """Somebody has said when and how much is topped up, or that nothing is."""

    type: ClassVar[str] = "auto_top_up.set"

    enabled: bool


class AutoTopUpStopped(Event):
    """So many charges in a row came to nothing that no further one is made until somebody sets it again."""

    type: ClassVar[str] = "auto_top_up.stopped"

    declines: int
