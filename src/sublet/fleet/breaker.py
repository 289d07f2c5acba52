"""A breaker for each node: one that could not be reached several times in a row is left alone for a moment.

Whoever asks meanwhile is answered at once, so that nobody holds a slot, a lease or a customer's patience for a node
that is not there. The first who asks after the pause tries it.
"""

import time
from dataclasses import dataclass

from sublet.core.work.pace import spread
from sublet.fleet.errors import NodePaused

FAILURES = 3
"""After so many connections in a row that could not be made, the node is left alone."""
SHORTEST_SECONDS = 1.0
LONGEST_SECONDS = 15.0
"""The pause doubles with each further failure; a node that is back is found out so much later at most."""


@dataclass(slots=True)
class _Trouble:
    failures: int = 0
    closed_until: float = 0.0


class Breaker:
    """What this process knows of the ways to the nodes."""

    def __init__(self) -> None:
        self._troubles: dict[str, _Trouble] = {}

    def verify(self, node_id: str) -> None:
        """NodePaused while the node is to be left alone."""
        trouble = self._troubles.get(node_id)
        if trouble is None:
            return
        seconds = trouble.closed_until - time.monotonic()
        if seconds > 0:
            raise NodePaused(
                f"{node_id} could not be reached {trouble.failures} times in a row, so nothing was sent to it now. It "
                f"is tried again in {seconds:.1f} s. What runs on it goes on.",
                seconds=seconds,
            )

    def note_failure(self, node_id: str) -> None:
        """A connection could not be made."""
        trouble = self._troubles.setdefault(node_id, _Trouble())
        trouble.failures += 1
        if trouble.failures >= FAILURES:
            pause = min(LONGEST_SECONDS, SHORTEST_SECONDS * 2.0 ** min(trouble.failures - FAILURES, 30))
            trouble.closed_until = time.monotonic() + spread(pause)

    def note_success(self, node_id: str) -> None:
        """A connection was made: whatever was before counts no more."""
        self._troubles.pop(node_id, None)
