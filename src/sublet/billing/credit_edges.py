"""Where promotional money expires, what was delivered before is charged by itself: its lot still pays for that."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from sublet.billing.charges import SECOND, whole_seconds
from sublet.core.db import Session

_EDGES = text(
    "SELECT expires_at FROM ledger.credit_due WHERE owner_id = :organization_id AND currency = :currency "
    "GROUP BY expires_at ORDER BY expires_at"
)


@dataclass(frozen=True, slots=True)
class Piece:
    """Time of a segment that is due; `after` counts the edges before it, so that pieces of one count go together."""

    segment: Row[Any]
    started: datetime
    ended: datetime
    after: int


async def edges(session: Session, organization_id: str, *, currency: str) -> list[datetime]:
    """When those lots of the organization expired whose expiry is not posted yet."""
    found = await session.execute(_EDGES, {"organization_id": organization_id, "currency": currency})
    return list(found.scalars())


def pieces(segment: Row[Any], cuts: Sequence[datetime]) -> Iterator[Piece]:
    """What is due of a segment, cut at the last whole second before each edge; nothing where nothing is due."""
    started: datetime = segment.posted_to
    for after, edge in enumerate((*cuts, segment.metered_to)):
        ended = min(segment.metered_to, segment.started + whole_seconds(segment.started, max(edge, started)) * SECOND)
        if ended > started:
            yield Piece(segment, started, ended, after)
            started = ended
