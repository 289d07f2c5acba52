"""Leases: who works on a row right now, with a fencing token that only grows.

A row that carries long-lived work has `lease_token`, `lease_expires_at`, `attempts` and `next_attempt_at`. Work runs
as claim (short transaction) → act (no session open) → apply (short transaction, only if the token is still ours).
"""

from dataclasses import dataclass

from sqlalchemy import Table, text

from sublet.core.db import Session
from sublet.core.errors import SubletError


class LeaseLost(SubletError):
    """Another worker has taken over; what this one did is discarded."""

    code = "lease_lost"
    status = 409


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on one row until it expires; `token` is larger than that of any earlier lease."""

    table: str
    row_id: str
    token: int


async def claim(session: Session, table: Table, row_id: str, *, seconds: float) -> Lease | None:
    """Take the lease of a row that is due and unleased; None if somebody has it or it is not due."""
    row = await session.execute(
        text(
            f"""
            UPDATE {table.name}
               SET lease_token = nextval('lease_token'),
                   lease_expires_at = clock_timestamp() + make_interval(secs => :seconds),
                   attempts = attempts + 1
             WHERE id = :id
               AND (lease_expires_at IS NULL OR lease_expires_at <= clock_timestamp())
               AND next_attempt_at <= clock_timestamp()
            RETURNING lease_token
            """  # noqa: S608 - the table name is a constant of our own metadata
        ),
        {"id": row_id, "seconds": seconds},
    )
    token = row.scalar_one_or_none()
    return None if token is None else Lease(table.name, row_id, int(token))


async def renew(session: Session, lease: Lease, *, seconds: float) -> None:
    """Extend a lease that is still ours; LeaseLost otherwise."""
    await _touch(session, lease, "lease_expires_at = clock_timestamp() + make_interval(secs => :seconds)", seconds)


async def hold(session: Session, lease: Lease) -> None:
    """Lock the row and prove that the lease is ours, before a result is applied; LeaseLost otherwise."""
    await _touch(session, lease, "lease_token = lease_token", 0)


async def finish(session: Session, lease: Lease, *, retry_in_seconds: float | None) -> None:
    """Give the lease back: the work is done (None: attempts start again) or due again after a while."""
    if retry_in_seconds is None:
        await _touch(session, lease, "lease_expires_at = NULL, attempts = 0, next_attempt_at = 'infinity'", 0)
    else:
        await _touch(
            session,
            lease,
            "lease_expires_at = NULL, next_attempt_at = clock_timestamp() + make_interval(secs => :seconds)",
            retry_in_seconds,
        )


async def due(session: Session, table: Table, *, limit: int = 100) -> list[str]:
    """Ids of rows whose time has come and that nobody works on."""
    rows = await session.execute(
        text(
            f"""
            SELECT id FROM {table.name}
             WHERE next_attempt_at <= clock_timestamp()
               AND (lease_expires_at IS NULL OR lease_expires_at <= clock_timestamp())
             ORDER BY next_attempt_at
             LIMIT :limit
            """  # noqa: S608 - the table name is a constant of our own metadata
        ),
        {"limit": limit},
    )
    return [row.id for row in rows]


async def _touch(session: Session, lease: Lease, assignments: str, seconds: float) -> None:
    changed = await session.execute(
        text(
            f"UPDATE {lease.table} SET {assignments} "  # noqa: S608 - only the constants written above
            "WHERE id = :id AND lease_token = :token AND lease_expires_at IS NOT NULL"
        ),
        {"id": lease.row_id, "token": lease.token, "seconds": seconds},
    )
    if changed.rowcount != 1:
        raise LeaseLost(f"The lease on {lease.table} {lease.row_id} has passed to another worker.")
