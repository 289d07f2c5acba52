"""How many browser terminals may be open, and for how long."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TerminalPolicy:
    """What the operator allows browser terminals; the defaults are those of production."""

    sessions_per_allocation: int = 10
    idle_seconds: float = 4 * 3600.0
    first_frame_seconds: float = 10.0
    recheck_seconds: float = 2.0
    unknown_seconds: float = 15.0
    input_stalled_seconds: float = 60.0
    connect_seconds: float = 8.0


ALIVE_SECONDS = 15.0
"""A terminal that its web process has not renewed for so long no longer counts as open."""
