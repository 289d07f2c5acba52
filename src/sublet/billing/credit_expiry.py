"""Promotional money that has expired leaves the books, once all is charged that was delivered before it did."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from sublet.billing import settlement
from sublet.billing.policy import Policy
from sublet.core.db import Database, Session
from sublet.core.telemetry import get_logger
from sublet.ledger import credits as ledger_credits

log = get_logger(__name__)

MOST_LOTS = 1000
"""How many lots one run looks at; the next looks at the others."""


@dataclass(frozen=True, slots=True)
class _Lot:
    id: int
    organization_id: str
    currency: str
    expires_at: datetime


_DUE = text(
    "SELECT lot_id, owner_id, currency, expires_at FROM ledger.credit_due ORDER BY expires_at, lot_id LIMIT :most"
)
_BEFORE = """
      FROM meter m JOIN meter_segment s ON s.subject_id = m.subject_id AND NOT s.complete
     WHERE m.organization_id = :organization_id AND m.currency = :currency AND NOT m.settled
       AND lower(s.period) < :expires_at
       AND least(upper(s.period), :expires_at) >= s.posted_to + interval '1 second'
"""
_PROVEN = "least(m.observed_to, upper(s.period), :expires_at) >= s.posted_to + interval '1 second'"
# What was delivered before and not observed yet is proven by the next observation, or never.
_AWAITED = "clock_timestamp() - m.observed_to <= make_interval(secs => :evidence_gap_seconds)"
_UNCHARGED = text(f"SELECT DISTINCT m.subject_id {_BEFORE} AND {_PROVEN} ORDER BY 1")
_WAITS = text(f"SELECT EXISTS (SELECT {_BEFORE} AND ({_PROVEN} OR (m.observed_to < :expires_at AND {_AWAITED})))")


async def expire_all(database: Database, *, policy: Policy) -> int:
    """Charge what each expired lot still has to pay for, and post that the rest of it is gone; returns how many were.

    A lot waits while what was delivered before it expired may still be proven. One that cannot be posted stops none.
    """
    async with database.reading() as session:
        due = [_Lot(*row) for row in await session.execute(_DUE, {"most": MOST_LOTS})]
    posted = 0
    for lot in due:
        try:
            posted += await _expire(database, lot, policy=policy)
        except settlement.REFUSED as error:
            log.exception("credit_expiry.refused", lot=lot.id, error=str(error))
    return posted


async def _expire(database: Database, lot: _Lot, *, policy: Policy) -> bool:
    async with database.reading() as session:
        uncharged = list((await session.execute(_UNCHARGED, _about(lot))).scalars())
    for subject_id in uncharged:
        async with database.transaction() as session:
            await settlement.settle(session, subject_id, final=False, policy=policy)
    async with database.transaction() as session:
        if await _waits(session, lot, policy=policy):
            return False
        return await ledger_credits.expire(session, lot.id, organization_id=lot.organization_id, currency=lot.currency)


async def _waits(session: Session, lot: _Lot, *, policy: Policy) -> bool:
    about = {**_about(lot), "evidence_gap_seconds": policy.evidence_gap_seconds}
    return bool((await session.execute(_WAITS, about)).scalar_one())


def _about(lot: _Lot) -> dict[str, object]:
    return {"organization_id": lot.organization_id, "currency": lot.currency, "expires_at": lot.expires_at}
