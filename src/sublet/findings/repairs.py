"""What mends what was found: for each code a sentence, and the command that does it where there is one."""

from collections.abc import Mapping
from dataclasses import dataclass

from sublet.core.app import Slot


@dataclass(frozen=True, slots=True)
class Repair:
    """What to do about the findings of a code; `command` is of the command line."""

    does: str
    command: str | None = None


RepairsByCode = Mapping[str, Repair]

REPAIRS: Slot[RepairsByCode] = Slot("what mends what was found")
