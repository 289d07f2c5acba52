"""Throttles in PostgreSQL, shared by every web process: so many attempts in a window, by account and by address.

An attempt is counted before it is looked at, in a transaction of its own, so that neither a refusal nor a crash
forgets it and parallel guesses cannot slip through together.
"""

import hashlib
import ipaddress
import math
from dataclasses import dataclass

from sqlalchemy import text

from sublet.core.db import Session


@dataclass(frozen=True, slots=True)
class Limit:
    """`attempts` are let through in `seconds`, counted for each subject apart."""

    name: str
    attempts: int
    seconds: int


LOGIN_BY_ACCOUNT = Limit("login_account", 10, 900)
LOGIN_BY_ADDRESS = Limit("login_address", 100, 900)
SIGN_UP_BY_ADDRESS = Limit("sign_up_address", 100, 3600)


@dataclass(frozen=True, slots=True)
class Count:
    """The outcome of counting: `wait_seconds` is 0 for an attempt that may go on."""

    wait_seconds: int
    just_closed: bool


# The count stops growing soon after the limit: whoever hammers on a closed throttle writes nothing that matters.
_COUNT = text(
    """
    INSERT INTO throttle AS t (bucket, attempts, window_ends_at)
    VALUES (:bucket, 1, clock_timestamp() + make_interval(secs => :seconds))
    ON CONFLICT (bucket) DO UPDATE SET
      attempts = CASE WHEN t.window_ends_at <= clock_timestamp() THEN 1 ELSE LEAST(t.attempts + 1, :limit + 2) END,
      window_ends_at = CASE WHEN t.window_ends_at <= clock_timestamp() THEN EXCLUDED.window_ends_at
                            ELSE t.window_ends_at END
    RETURNING attempts, extract(epoch FROM window_ends_at - clock_timestamp()) AS seconds_left
    """
)
_REFUND = text("UPDATE throttle SET attempts = attempts - 1 WHERE bucket = :bucket AND attempts > 0")
_CLEAR = text("DELETE FROM throttle WHERE bucket = :bucket")


def _bucket(limit: Limit, subject: str) -> bytes:
    return hashlib.sha256(f"{limit.name}\n{subject.casefold()}".encode(errors="replace")).digest()


def network_of(address: str | None) -> str:
    """What is counted as one address: an IPv4 address, or the /64 that one IPv6 customer has."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return address or "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


async def count(session: Session, limit: Limit, subject: str) -> Count:
    """Count one attempt of the subject and say whether it may go on."""
    row = (
        await session.execute(
            _COUNT, {"bucket": _bucket(limit, subject), "seconds": limit.seconds, "limit": limit.attempts}
        )
    ).one()
    if row.attempts <= limit.attempts:
        return Count(0, just_closed=False)
    return Count(max(1, math.ceil(row.seconds_left)), just_closed=row.attempts == limit.attempts + 1)


async def refund(session: Session, limit: Limit, subject: str) -> None:
    """Take back the count of an attempt that turned out to be rightful."""
    await session.execute(_REFUND, {"bucket": _bucket(limit, subject)})


async def clear(session: Session, limit: Limit, subject: str) -> None:
    """Forget the subject's attempts."""
    await session.execute(_CLEAR, {"bucket": _bucket(limit, subject)})
