"""Where a terminal leads; the layer that owns allocations answers this, the terminal gateway asks it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TerminalTarget:
    """The account that a terminal opens, and whether it may be opened now (`state` "active" only)."""

    node_id: str
    node_name: str
    login: str
    host: str
    port: int
    state: str
