"""The one backoff: full jitter, doubled with each attempt, capped."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """How often failing work is tried (None: for ever), and how long is waited in between."""

    attempts: int | None = None
    shortest_seconds: float = 0.5
    longest_seconds: float = 60.0

    def wait_seconds(self, attempt: int, *, longest_seconds: float | None = None) -> float:
        """Anything from nothing up to a bound that doubles with each attempt and is capped."""
        cap = self.longest_seconds if longest_seconds is None else longest_seconds
        bound = min(cap, self.shortest_seconds * 2.0 ** min(attempt, 30))
        return random.uniform(0, bound)  # noqa: S311 - spreads load, protects nothing

    def is_last(self, attempt: int) -> bool:
        """Whether no further attempt follows this one."""
        return self.attempts is not None and attempt >= self.attempts


def spread(seconds: float) -> float:
    """About so long, a tenth more or less, so that what was begun together does not stay in step."""
    return seconds * random.uniform(0.9, 1.1)  # noqa: S311 - spreads load, protects nothing
