"""Throttles in PostgreSQL, shared by every web process: so many attempts of one subject in a window.

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


LOGIN_BY_PAIR = Limit("login_pair", 20, 900)
"""Of one origin at one account: it closes for that origin, and for nobody else."""
LOGIN_BY_ACCOUNT = Limit("login_account", 100, 3600)
"""From everywhere at one account: it only slows, and never closes."""
LOGIN_BY_NETWORK = Limit("login_network", 100, 900)
"""Of one network at all accounts: it only slows as well, for others are in that network too."""
SIGN_UP_BY_ADDRESS = Limit("sign_up_address", 100, 3600)

FREE_ATTEMPTS = 10
"""So many at an account within its window are not slowed."""
FIRST_SLOWED_SECONDS = 0.25
LONGEST_SLOWED_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Count:
    """The outcome of counting: `attempts` in the window with this one; `wait_seconds` is 0 if it may go on."""

    attempts: int
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


def address_of(address: str | None) -> str:
    """What is counted as one address: an IPv4 address, or the /64 that one IPv6 customer has."""
    return _network(address, ipv4_prefix=32)


def network_of(address: str | None) -> str:
    """What is counted as one network: the /24 of an IPv4 address, or the /64 of an IPv6 one."""
    return _network(address, ipv4_prefix=24)


def _network(address: str | None, *, ipv4_prefix: int) -> str:
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return address or "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is None:
            return str(ipaddress.ip_network((parsed, 64), strict=False))
        parsed = parsed.ipv4_mapped
    return str(ipaddress.ip_network((parsed, ipv4_prefix), strict=False))


def slowed_seconds(at_account: Count, of_network: Count | None = None) -> float:
    """How long an attempt is held back before it is looked at, two seconds at most, whether it is right or not."""
    if of_network is not None and of_network.wait_seconds:
        return LONGEST_SLOWED_SECONDS
    beyond = at_account.attempts - FREE_ATTEMPTS
    return 0.0 if beyond <= 0 else min(LONGEST_SLOWED_SECONDS, FIRST_SLOWED_SECONDS * 2.0 ** min(beyond - 1, 10))


async def count(session: Session, limit: Limit, subject: str) -> Count:
    """Count one attempt of the subject and say whether it may go on."""
    row = (
        await session.execute(
            _COUNT, {"bucket": _bucket(limit, subject), "seconds": limit.seconds, "limit": limit.attempts}
        )
    ).one()
    if row.attempts <= limit.attempts:
        return Count(row.attempts, 0, just_closed=False)
    closed = row.attempts == limit.attempts + 1
    return Count(row.attempts, max(1, math.ceil(row.seconds_left)), just_closed=closed)


async def refund(session: Session, limit: Limit, subject: str) -> None:
    """Take back the count of an attempt that turned out to be rightful."""
    await session.execute(_REFUND, {"bucket": _bucket(limit, subject)})


async def clear(session: Session, limit: Limit, subject: str) -> None:
    """Forget the subject's attempts."""
    await session.execute(_CLEAR, {"bucket": _bucket(limit, subject)})
