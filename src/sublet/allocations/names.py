"""Names of allocations: a customer's own, or two readable words."""

import re
import secrets

from sqlalchemy import select

from sublet.allocations.models import allocation
from sublet.core.db import Session

PATTERN = r"^[a-z][a-z0-9-]{1,30}$"
TRIES = 5

_ALLOWED = re.compile(PATTERN)

ADJECTIVES = (
    "amber", "brisk", "calm", "clear", "copper", "crisp", "dapper", "eager", "early", "fleet", "gentle", "golden",
    "hardy", "humble", "ivory", "jolly", "keen", "lively", "lucid", "mellow", "nimble", "noble", "olive", "patient",
    "placid", "polar", "proud", "quick", "quiet", "rapid", "russet", "silver", "solar", "spry", "steady", "sunny",
    "swift", "tidal", "vivid", "warm",
)  # fmt: skip
NOUNS = (
    "anchor", "badger", "beacon", "birch", "canyon", "cedar", "comet", "condor", "coral", "delta", "falcon", "fjord",
    "garnet", "glacier", "harbor", "heron", "island", "juniper", "kestrel", "lagoon", "lantern", "maple", "marten",
    "meadow", "meteor", "orchid", "osprey", "otter", "pebble", "pine", "plover", "quartz", "raven", "river", "sparrow",
    "spruce", "summit", "thistle", "willow", "wren",
)  # fmt: skip


def is_allowed(name: str) -> bool:
    """Whether a customer may choose the name: 2 to 31 lowercase letters, digits and hyphens, a letter first."""
    return _ALLOWED.fullmatch(name) is not None


async def generate(session: Session, organization_id: str) -> str:
    """A name that none of the organization's allocations has now; a number follows once pairs become scarce."""
    taken = set(
        (
            await session.execute(
                select(allocation.c.name).where(
                    allocation.c.organization_id == organization_id, allocation.c.ended_at.is_(None)
                )
            )
        ).scalars()
    )
    for _ in range(TRIES):
        name = f"{secrets.choice(ADJECTIVES)}-{secrets.choice(NOUNS)}"
        if name not in taken:
            return name
    return f"{secrets.choice(ADJECTIVES)}-{secrets.choice(NOUNS)}-{secrets.randbelow(900_000) + 100_000}"
