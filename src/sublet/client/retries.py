"""When a call is made again, and after how long."""

import random
from dataclasses import dataclass

RETRIED_STATUSES = frozenset({429, 502, 503, 504})
LONGEST_WAIT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Retries:
    """`attempts` calls in all, with full jitter below `first_seconds` doubled each time up to `cap_seconds`."""

    attempts: int = 4
    first_seconds: float = 0.2
    cap_seconds: float = 2.0

    def delay(self, attempt: int, retry_after: str | None = None) -> float | None:
        """Seconds before the call after `attempt` (the first is 1); None when it is not made again."""
        if attempt >= self.attempts:
            return None
        if retry_after is not None and retry_after.isdecimal():
            asked = float(retry_after)
            return asked if asked <= LONGEST_WAIT_SECONDS else None
        # Jitter only spreads clients out; nothing secret depends on it.
        return random.uniform(0, min(self.cap_seconds, self.first_seconds * 2 ** (attempt - 1)))  # noqa: S311
