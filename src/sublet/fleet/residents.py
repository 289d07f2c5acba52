"""What lives on a node, as the layers above tell it: what stands in the way of emptying the node or retiring it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from sublet.core.db import Session

Need = Literal["runs", "cleaning", "kept"]
"""What a resident needs of its node: to run, to be cleaned off it, or only to keep its data."""


@dataclass(frozen=True, slots=True)
class Resident:
    """One thing that lives on a node: an allocation, or what a launch left that went to another node."""

    node_id: str
    kind: Literal["allocation", "remnant"]
    id: str
    name: str
    organization_id: str | None
    state: str
    need: Need
    gpus: int
    arrives: bool
    """Whether it is only on its way there: a launch that is being set up."""


Residents = Callable[[Session, Sequence[str]], Awaitable[Sequence[Resident]]]
"""Everything that lives on some nodes, by their ids; one function, put together in `entry/web.py`."""


def named(residents: Sequence[Resident], *, most: int = 3) -> str:
    """Their names as a sentence lists them."""
    names = [one.name for one in residents[:most]]
    more = len(residents) - len(names)
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")
