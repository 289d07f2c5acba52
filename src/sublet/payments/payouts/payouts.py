"""Payouts as they are read: what each is, what left for it, what it is made of, and what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from sublet.core.db import Session
from sublet.core.errors import NotFound
from sublet.core.money import Money
from sublet.payments.payouts.states import PayoutState


@dataclass(frozen=True, slots=True)
class Payout:
    """A payout. `left` is what left the balance for it, and `made_of` what its transactions add up to: None while that
    is not known yet, and after `SETTLING_SECONDS` nothing is known to have left. `off_by` is how far the first of them
    that differs is from its amount; None where neither does."""

    seq: int
    id: str
    processor_id: str
    amount: Money
    automatic: bool
    state: PayoutState
    arrives_on: datetime
    failure: str | None
    created_at: datetime
    ended_at: datetime | None
    left: Money | None
    made_of: Money | None
    off_by: Money | None


SETTLING_SECONDS = 3600.0
"""So long an entry or a payout may wait for its transaction, or a transaction for what is to be booked of it."""

PAYOUTS = """
    SELECT k.*, CASE WHEN k.left_by <> k.amount THEN k.amount - k.left_by
                     WHEN k.made_of <> k.amount THEN k.amount - k.made_of END AS off_by
      FROM (SELECT p.*, w.is_settled,
                   CASE WHEN l.amount IS NOT NULL OR w.is_settled THEN -coalesce(l.amount, 0) END AS left_by,
                   CASE WHEN p.itemised THEN coalesce(m.amount, 0) END AS made_of
              FROM payout p
             CROSS JOIN LATERAL (
               SELECT p.seen_at <= clock_timestamp() - make_interval(secs => :settling) AS is_settled) w
              LEFT JOIN LATERAL (SELECT sum(s.amount)::bigint AS amount FROM stripe_transaction s
                                  WHERE s.source = p.processor_id AND s.type = 'payout') l ON true
              LEFT JOIN LATERAL (SELECT sum(s.amount - s.fee)::bigint AS amount FROM stripe_transaction s
                                  WHERE s.payout_id = p.processor_id AND s.type <> 'payout') m ON true) k
"""
"""Every payout, what left for it, what it is made of, and how far it is off: one rule for who shows and who checks it.

What left is unknown (null) until it was seen, and once `is_settled`, so many seconds (`:settling`) after the payout was
first seen, it is nothing.
"""
_P = f"SELECT p.* FROM ({PAYOUTS}) p"  # noqa: S608 - a constant
_NEWEST = text(
    _P
    + """
     WHERE (CAST(:before AS bigint) IS NULL OR p.seq < :before)
       AND (CAST(:state AS text) IS NULL OR p.state = :state)
     ORDER BY p.seq DESC LIMIT :limit
    """
)
_ONE = text(_P + " WHERE p.id = :id")
_HISTORY = text("SELECT previous, next, reason, at FROM payout_history WHERE payout_id = :id ORDER BY id")
_TRANSACTIONS = text(
    """
    SELECT s.id, s.type, s.amount, s.fee, s.currency, s.source, s.whose, s.created_at
      FROM stripe_transaction s JOIN payout p ON s.payout_id = p.processor_id
     WHERE p.id = :id AND s.type <> 'payout'
       AND (CAST(:after AS text) IS NULL OR s.id > :after)
     ORDER BY s.id LIMIT :limit
    """
)


def _payout(row: Row[Any]) -> Payout:
    def money(micro: int | None) -> Money | None:
        return None if micro is None else Money(int(micro), row.currency)

    return Payout(
        row.seq,
        row.id,
        row.processor_id,
        Money(row.amount, row.currency),
        row.automatic,
        PayoutState(row.state),
        row.arrives_on,
        row.failure_code,
        row.created_at,
        row.ended_at,
        money(row.left_by),
        money(row.made_of),
        money(row.off_by),
    )


async def newest(session: Session, *, before: int | None, limit: int, state: PayoutState | None = None) -> list[Payout]:
    """Up to `limit` payouts older than the sequence number `before`, newest first."""
    wanted = None if state is None else state.value
    asked = {"before": before, "limit": limit, "state": wanted, "settling": SETTLING_SECONDS}
    return [_payout(row) for row in await session.execute(_NEWEST, asked)]


async def get(session: Session, payout_id: str) -> Payout:
    """One payout; NotFound."""
    row = (await session.execute(_ONE, {"id": payout_id, "settling": SETTLING_SECONDS})).one_or_none()
    if row is None:
        raise NotFound("payout", payout_id)
    return _payout(row)


async def history(session: Session, payout_id: str) -> Sequence[Row[Any]]:
    """Each change of its state, oldest first."""
    return (await session.execute(_HISTORY, {"id": payout_id})).all()


async def transactions(session: Session, payout_id: str, *, after: str | None, limit: int) -> Sequence[Row[Any]]:
    """Up to `limit` of the balance transactions that it is made of, after the one of an id, by their ids."""
    return (await session.execute(_TRANSACTIONS, {"id": payout_id, "after": after, "limit": limit})).all()
