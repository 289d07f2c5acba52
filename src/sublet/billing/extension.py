"""Holds are kept as large as their policy asks: extended long before they are used up, and given back beyond that."""

from sqlalchemy import text

from sublet.billing.charges import micro_to_hold_sql
from sublet.billing.policy import Policy
from sublet.billing.runway import ACCRUED
from sublet.core.db import Database, Session
from sublet.core.money import Money
from sublet.ledger import holds
from sublet.ledger.failures import HoldExhausted, InsufficientFunds

MOST_HOLDS = 1000
"""How many one transaction changes, and so of how many wallets: others wait for these that long."""

# After a posting the hold is filled up again to cover the time until the next one; if that is late, the hold still
# keeps ahead of what has accrued, at whatever rates, by the time that noticing, grace and stopping take. More than all
# of that together is given back: after an outage, or at a lower rate. What is stopped only accrues what it has.
_UNFIT = f"""
    SELECT m.subject_id, m.currency, h.id AS hold_id, h.amount AS held_in_all,
           CASE WHEN h.rest < asked.least THEN asked.least ELSE asked.most END - h.rest AS missing
      FROM meter m
      JOIN ledger.open_hold h ON h.id = m.hold_id
      LEFT JOIN meter_segment latest
        ON latest.subject_id = m.subject_id AND upper_inf(latest.period) AND m.stopped_at IS NULL
     CROSS JOIN LATERAL (
       SELECT coalesce(sum({ACCRUED}), 0)::bigint AS micro
         FROM meter_segment s WHERE s.subject_id = m.subject_id AND NOT s.complete) accrued
     CROSS JOIN LATERAL (
       SELECT {micro_to_hold_sql("latest.nano_per_hour", ":hold_seconds")} AS whole,
              {micro_to_hold_sql("latest.nano_per_hour", ":reserve_seconds")} AS reserve) running
     CROSS JOIN LATERAL (
       SELECT greatest(running.whole, accrued.micro + running.reserve) AS least,
              accrued.micro + coalesce(running.whole, 0) AS most) asked
     WHERE NOT m.settled AND (h.rest < asked.least OR h.rest > asked.most) {{scope}}
     ORDER BY h.id
"""  # noqa: S608 - only constant expressions
_ALL = text(_UNFIT.format(scope=""))
_SOME = text(_UNFIT.format(scope="AND m.subject_id = ANY(:subject_ids)"))


async def unfit_holds(session: Session, *, policy: Policy) -> list[str]:
    """The subjects whose hold covers too little or too much."""
    return [row.subject_id for row in await session.execute(_ALL, _seconds(policy))]


async def fit_holds(session: Session, subject_ids: list[str], *, policy: Policy) -> list[str]:
    """Give these subjects' holds the size that the policy asks; returns the subjects whose wallet cannot bear it.

    Changes nothing for those: what is left is counted by the funds clock, which ends them in time. A hold that is
    closed meanwhile is left alone, and so are all others by it.
    """
    unfit = (await session.execute(_SOME, {**_seconds(policy), "subject_ids": subject_ids})).all()
    await holds.lock_wallets(session, [row.hold_id for row in unfit])
    await holds.shrink_many(session, {row.hold_id: -row.missing for row in unfit if row.missing < 0})
    short = [row for row in unfit if row.missing > 0]
    extended = await holds.extend_many(session, {row.hold_id: row.missing for row in short})
    without_funds = []
    for row in short:
        if row.hold_id in extended:
            continue
        try:
            async with session.begin_nested():
                await holds.extend(
                    session,
                    row.hold_id,
                    Money(row.missing, row.currency),
                    idempotency_key=f"extend:{row.subject_id}:{row.held_in_all + row.missing}",
                )
        except InsufficientFunds:
            without_funds.append(row.subject_id)
        except HoldExhausted:
            continue  # released since it was found too small
    return without_funds


async def fit_all(database: Database, *, policy: Policy) -> None:
    """Give every hold its size, some at a time, each in a transaction of its own."""
    async with database.reading() as session:
        unfit = await unfit_holds(session, policy=policy)
    for first in range(0, len(unfit), MOST_HOLDS):
        async with database.transaction() as session:
            await fit_holds(session, unfit[first : first + MOST_HOLDS], policy=policy)


def _seconds(policy: Policy) -> dict[str, int]:
    return {
        "hold_seconds": policy.hold_seconds,
        "reserve_seconds": policy.reserve_seconds,
        "evidence_gap_seconds": policy.evidence_gap_seconds,
    }
