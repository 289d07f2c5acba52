"""Where a terminal leads; the layer that owns allocations answers this, the terminal gateway asks it."""

from dataclasses import dataclass

from sublet.core.actions import Refusal


@dataclass(frozen=True, slots=True)
class Notice:
    """What befell the work behind a terminal: whoever is at it reads `text`, once for each number."""

    number: int
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class TerminalTarget:
    """The account that a terminal opens; `closed` says why nobody can log in to it now, None that somebody can.

    `notices` are the latest, oldest first: those of the last hour, which whoever comes in now has not read.
    """

    node_id: str
    node_name: str
    login: str
    host: str
    port: int
    closed: Refusal | None
    notices: tuple[Notice, ...] = ()
