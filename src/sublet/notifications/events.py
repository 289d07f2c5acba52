"""What is told about notices, in the past tense."""

from typing import ClassVar

from sublet.core.outbox import Event


class NoticeMade(Event):
    """These people have a new notice; its words are theirs alone, so each reads their own inbox."""

    type: ClassVar[str] = "notice.made"

    kind: str
    user_ids: list[str]
