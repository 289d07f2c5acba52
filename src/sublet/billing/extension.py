"""Holds are kept ahead of what runs: extended while there is money, long before they are used up."""

from sqlalchemy import text

from sublet.billing.charges import micro_to_hold_sql
from sublet.billing.policy import Policy
from sublet.billing.runway import ACCRUED
from sublet.core.db import Session
from sublet.core.money import Money
from sublet.ledger import holds
from sublet.ledger.failures import InsufficientFunds

# After a posting the hold is filled up again to cover the time until the next one; if that is late, the hold still
# keeps ahead of what has accrued, at whatever rates, by the time that noticing, grace and stopping take.
_SHORT = text(
    f"""
    SELECT m.subject_id, m.currency, h.id AS hold_id, h.amount AS extended_to, needed.micro - h.rest AS missing
      FROM meter m
      JOIN meter_segment latest ON latest.subject_id = m.subject_id AND upper_inf(latest.period)
      JOIN ledger.open_hold h ON h.id = m.hold_id
     CROSS JOIN LATERAL (
       SELECT sum({ACCRUED})::bigint AS micro
         FROM meter_segment s WHERE s.subject_id = m.subject_id AND NOT s.complete) accrued
     CROSS JOIN LATERAL (
       SELECT greatest({micro_to_hold_sql("latest.nano_per_hour", ":hold_seconds")},
                       accrued.micro + {micro_to_hold_sql("latest.nano_per_hour", ":reserve_seconds")}) AS micro) needed
     WHERE m.stopped_at IS NULL AND needed.micro > h.rest
     ORDER BY h.id
    """  # noqa: S608 - only constant expressions
)


async def extend_holds(session: Session, *, policy: Policy) -> list[str]:
    """Extend every hold that covers too little; returns the subjects whose wallet cannot bear it.

    Changes nothing for those: what is left is counted by the funds clock, which ends them in time.
    """
    short = (
        await session.execute(_SHORT, {"hold_seconds": policy.hold_seconds, "reserve_seconds": policy.reserve_seconds})
    ).all()
    extended = await holds.extend_many(session, {row.hold_id: row.missing for row in short})
    without_funds = []
    for row in short:
        if row.hold_id in extended:
            continue
        try:
            await holds.extend(
                session,
                row.hold_id,
                Money(row.missing, row.currency),
                idempotency_key=f"extend:{row.subject_id}:{row.extended_to + row.missing}",
            )
        except InsufficientFunds:
            without_funds.append(row.subject_id)
    return without_funds
