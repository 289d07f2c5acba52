"""When to look again: soon at first, then rarer, never in step."""

import random

LONGEST_PAUSE_SECONDS = 900.0


def pause_seconds(attempts: int) -> float:
    """Seconds until the next attempt after `attempts` of them: 2, 4, 8, … up to a quarter of an hour, ± 30 %."""
    pause = min(2.0 ** min(attempts, 20), LONGEST_PAUSE_SECONDS)
    return pause * random.uniform(0.7, 1.3)  # noqa: S311 - spread, not secrecy
