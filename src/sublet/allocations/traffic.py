"""How many bytes the network of an allocation has carried, as its node counts them.

A node counts from when the link was laid, so after a boot and a resume it begins anew. What it counted between the last
look and that is lost: what is said here is never more than was carried, and may be a little less.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, DateTime, Text, bindparam, select, text

from sublet.allocations.models import traffic
from sublet.core.db import Session
from sublet.fleet.backend import Observation

# Nodes are looked at every few seconds, which is more often than anybody needs a row written: a count is taken in once
# it is old, and at once where it has begun anew, before more of it is lost.
PAUSE_SECONDS = 15

_NOTE = text(
    """
    INSERT INTO allocation_traffic AS t
      (allocation_id, in_bytes, out_bytes, link_in_bytes, link_out_bytes, boot_id, seen_at)
    SELECT id, came, went, came, went, :boot_id, :seen_at FROM unnest(:ids, :came, :went) AS seen (id, came, went)
    ON CONFLICT (allocation_id) DO UPDATE SET
      in_bytes = least(t.in_bytes::numeric + EXCLUDED.link_in_bytes
        - CASE WHEN t.boot_id = EXCLUDED.boot_id AND EXCLUDED.link_in_bytes >= t.link_in_bytes
                AND EXCLUDED.link_out_bytes >= t.link_out_bytes THEN t.link_in_bytes ELSE 0 END, 9e18),
      out_bytes = least(t.out_bytes::numeric + EXCLUDED.link_out_bytes
        - CASE WHEN t.boot_id = EXCLUDED.boot_id AND EXCLUDED.link_in_bytes >= t.link_in_bytes
                AND EXCLUDED.link_out_bytes >= t.link_out_bytes THEN t.link_out_bytes ELSE 0 END, 9e18),
      link_in_bytes = EXCLUDED.link_in_bytes, link_out_bytes = EXCLUDED.link_out_bytes,
      boot_id = EXCLUDED.boot_id, seen_at = EXCLUDED.seen_at
    WHERE t.seen_at < EXCLUDED.seen_at
      AND (t.seen_at <= EXCLUDED.seen_at - make_interval(secs => :pause) OR t.boot_id <> EXCLUDED.boot_id
           OR EXCLUDED.link_in_bytes < t.link_in_bytes OR EXCLUDED.link_out_bytes < t.link_out_bytes)
    """
).bindparams(
    bindparam("ids", type_=ARRAY(Text)),
    bindparam("came", type_=ARRAY(BigInteger)),
    bindparam("went", type_=ARRAY(BigInteger)),
    bindparam("boot_id", type_=Text),
    bindparam("seen_at", type_=DateTime(timezone=True)),
)


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes that came to an allocation and that went from it, as they were at a moment."""

    in_bytes: int
    out_bytes: int
    seen_at: datetime


async def of(session: Session, allocation_id: str) -> Traffic | None:
    """What an allocation's network has carried; None where its node does not count, and before it was looked at."""
    columns = (traffic.c.in_bytes, traffic.c.out_bytes, traffic.c.seen_at)
    row = (await session.execute(select(*columns).where(traffic.c.allocation_id == allocation_id))).one_or_none()
    return None if row is None else Traffic(*row)


async def note(session: Session, allocation_ids: Sequence[str], observation: Observation) -> None:
    """Take in what a node has counted. The allocations are locked by whoever calls; harmless when repeated or late."""
    seen = [one for one in map(observation.allocation, allocation_ids) if one is not None and one.carried is not None]
    if not seen:
        return
    ways = {"ids": [one.allocation_id for one in seen]}
    carried = [one.carried for one in seen if one.carried is not None]
    counts = {"came": [came for came, _ in carried], "went": [went for _, went in carried]}
    await session.execute(
        _NOTE,
        {**ways, **counts, "boot_id": observation.boot_id, "seen_at": observation.observed_at, "pause": PAUSE_SECONDS},
    )
