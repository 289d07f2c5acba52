"""What is told of the card processor."""

from typing import ClassVar

from sublet.core.outbox import Event


class CardsMisconfigured(Event):
    """The card processor does not accept our key: nobody can pay until an operator has seen to it."""

    type: ClassVar[str] = "payments.misconfigured"

    said: str
