"""Nothing is due, or leased, further off than it may be: what is has its time from a clock that was ahead."""

from collections.abc import Collection, Mapping

from sqlalchemy import text

from sublet.core.db import Session

# Time that was wrong, or a period that was longer, must not keep what is due regularly from its next time.
_BRING_WITHIN = text(
    """
    UPDATE work w SET due_at = clock_timestamp() + make_interval(secs => longest.seconds)
      FROM unnest(CAST(:ids AS text[]), CAST(:seconds AS float8[])) AS longest(id, seconds)
     WHERE w.kind = :kind AND w.id = longest.id AND w.due_at < 'infinity'
       AND w.due_at > clock_timestamp() + make_interval(secs => longest.seconds)
    """
)
# Rows that somebody works on are left alone: they are brought within the next time, if it is still needed.
_ALL_WITHIN = text(
    """
    UPDATE work SET due_at = now() + make_interval(secs => :seconds)
     WHERE (kind, id) IN (
             SELECT kind, id FROM work
              WHERE kind = :kind AND ready_at > now() + make_interval(secs => :seconds) AND ready_at < 'infinity'
                AND lease_expires_at IS NULL
                FOR NO KEY UPDATE SKIP LOCKED)
    """
)
_LEASES_WITHIN = text(
    """
    UPDATE work SET lease_expires_at = now() + make_interval(secs => :seconds)
     WHERE (kind, id) IN (
             SELECT kind, id FROM work
              WHERE kind = ANY(:kinds) AND ready_at > now() + make_interval(secs => :seconds) AND ready_at < 'infinity'
                AND lease_expires_at > now() + make_interval(secs => :seconds)
                FOR NO KEY UPDATE SKIP LOCKED)
    """
)


async def bring_within(session: Session, kind: str, longest: Mapping[str, float] | float) -> None:
    """Let no row, each by its id or all alike, be due further away than so many seconds from now."""
    if isinstance(longest, Mapping):
        await session.execute(
            _BRING_WITHIN, {"kind": kind, "ids": list(longest), "seconds": [float(one) for one in longest.values()]}
        )
    else:
        await session.execute(_ALL_WITHIN, {"kind": kind, "seconds": longest})


async def bring_leases_within(session: Session, kinds: Collection[str], seconds: float) -> None:
    """Let no lease of some kinds last longer than so many seconds from now, whatever the time was when it was taken."""
    await session.execute(_LEASES_WITHIN, {"kinds": list(kinds), "seconds": seconds})
