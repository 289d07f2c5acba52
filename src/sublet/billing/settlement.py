"""Settlement: what was metered and not charged yet is charged, exactly once, out of the hold."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from sublet.billing import meters, watermarks
from sublet.billing.charges import charged_between, charged_micro_sql, whole_seconds, whole_seconds_sql
from sublet.billing.policy import Policy
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.errors import Conflict
from sublet.core.ids import new_id
from sublet.core.money import Money
from sublet.ledger import charges as ledger_charges
from sublet.ledger import holds

MOST_SUBJECTS = 10_000


@dataclass(frozen=True, slots=True)
class Settled:
    """What one settlement charged for one subject, and the entry that holds it (None: nothing was due)."""

    amount: Money
    entry_id: int | None


_SEGMENTS = text(
    """
    SELECT id, lower(period) AS started, upper(period) AS ended, kind, price_id, nano_per_hour, metered_to, posted_to
      FROM meter_segment WHERE subject_id = :subject_id AND NOT complete
     ORDER BY lower(period) FOR NO KEY UPDATE
    """
)
_RECORD = text(
    """
    WITH recorded AS (
      INSERT INTO usage_record
        (subject_id, period_start, period_end, seconds, kind, meter_kind, sku_id, node_id, evidence_at)
      VALUES (:subject_id, :period_start, :period_end, :seconds, :kind, :meter_kind, :sku_id, :node_id, :evidence_at)
      RETURNING subject_id, period_start
    ), posted AS (
      UPDATE meter_segment SET posted_to = :period_end WHERE id = :segment_id
    )
    INSERT INTO usage_charge
      (subject_id, period_start, meter_kind, organization_id, currency, price_id, nano_per_hour, amount,
       ledger_entry_id)
    SELECT subject_id, period_start, :meter_kind, :organization_id, :currency, :price_id, :nano_per_hour, :amount,
           :ledger_entry_id
      FROM recorded
    """
)
_COMPLETE = text(
    """
    UPDATE meter_segment SET complete = true
     WHERE subject_id = :subject_id AND NOT complete
       AND (:final OR upper(period) < metered_to + interval '1 second')
    """
)
_NEXT = text(
    """
    UPDATE meter SET settle_due_at = clock_timestamp() + make_interval(secs => :settle_interval), settled = :final
     WHERE subject_id = :subject_id
    """
)


async def settle(session: Session, subject_id: str, *, final: bool, policy: Policy) -> Settled:
    """Charge what is proven and not charged yet; any number of calls charge it once.

    The hold pays, promotional money first; what exceeds the hold comes from what is available, and from the
    receivable if there is nothing. `final` is for a stopped meter after its last observation: time that is still
    unproven then is recorded as unmetered, and the rest of the hold goes back.
    """
    meter = await meters.lock(session, subject_id)
    if meter.settled:
        return Settled(Money.zero(meter.currency), None)
    if final and meter.stopped_at is None:
        raise Conflict(f"{subject_id} is still metered. Nothing was charged. Stop its meter first.")
    await watermarks.tick_subjects(session, [subject_id])
    segments = (await session.execute(_SEGMENTS, {"subject_id": subject_id})).all()
    settled = await _charge(session, meter, segments)
    if final:
        for segment in segments:
            unproven_from = max(meter.observed_to, segment.started)
            if unproven_from < segment.ended:
                await meters.record_unmetered(
                    session, subject_id, unproven_from, segment.ended, reason="ended without an observation"
                )
        await holds.release(session, meter.hold_id, idempotency_key=f"release:{subject_id}")
    await session.execute(_COMPLETE, {"subject_id": subject_id, "final": final})
    await session.execute(
        _NEXT, {"subject_id": subject_id, "final": final, "settle_interval": policy.settle_interval_seconds}
    )
    return settled


async def _charge(session: Session, meter: Row[Any], segments: Any) -> Settled:
    due = [
        (
            segment,
            charged_between(
                segment.nano_per_hour,
                whole_seconds(segment.started, segment.posted_to),
                whole_seconds(segment.started, segment.metered_to),
            ),
        )
        for segment in segments
        if segment.metered_to > segment.posted_to
    ]
    total = Money(sum(amount for _, amount in due), meter.currency)
    entry_id = None
    if total.micro > 0:
        metered_to: datetime = due[-1][0].metered_to
        entry = await ledger_charges.capture(
            session,
            meter.hold_id,
            total,
            meter_kind=meter.meter_kind,
            source_type="subject",
            source_id=meter.subject_id,
            idempotency_key=f"settle:{meter.subject_id}:{metered_to.isoformat()}",
            description=f"Usage of {meter.subject_name or meter.subject_id}",
            effective_at=metered_to,
            overrun=True,
        )
        entry_id = entry.id
    for segment, amount in due:
        await session.execute(
            _RECORD,
            {
                "segment_id": segment.id,
                "subject_id": meter.subject_id,
                "period_start": segment.posted_to,
                "period_end": segment.metered_to,
                "seconds": whole_seconds(segment.posted_to, segment.metered_to),
                "kind": segment.kind,
                "meter_kind": meter.meter_kind,
                "sku_id": meter.sku_id,
                "node_id": meter.node_id,
                "evidence_at": meter.observed_to,
                "organization_id": meter.organization_id,
                "currency": meter.currency,
                "price_id": segment.price_id,
                "nano_per_hour": segment.nano_per_hour,
                "amount": amount,
                "ledger_entry_id": entry_id if amount > 0 else None,
            },
        )
    return Settled(total, entry_id)


_DUE = text(
    """
    SELECT subject_id, hold_id, currency, meter_kind FROM meter
     WHERE settle_due_at <= clock_timestamp() AND stopped_at IS NULL
     ORDER BY subject_id LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
    """
)
_LOCK_SEGMENTS = text(
    "SELECT 1 FROM meter_segment WHERE subject_id = ANY(:subject_ids) AND NOT complete ORDER BY id FOR NO KEY UPDATE"
)
_OWED_BEFORE = charged_micro_sql("s.nano_per_hour", whole_seconds_sql("lower(s.period)", "s.posted_to"))
_OWED_NOW = charged_micro_sql("s.nano_per_hour", whole_seconds_sql("lower(s.period)", "s.metered_to"))
_OWED = text(
    f"""
    SELECT m.subject_id, m.hold_id, sum({_OWED_NOW} - {_OWED_BEFORE})::bigint AS amount
      FROM meter m JOIN meter_segment s ON s.subject_id = m.subject_id
     WHERE m.subject_id = ANY(:subject_ids) AND NOT s.complete
     GROUP BY m.subject_id
    """  # noqa: S608 - only constant expressions
)
_RECORD_MANY = text(
    f"""
    WITH due AS (
      SELECT s.*, m.organization_id, m.currency, m.meter_kind, m.sku_id, m.node_id, m.observed_to, c.entry_id,
             {_OWED_NOW} - {_OWED_BEFORE} AS amount
        FROM unnest(CAST(:subject_ids AS text[]), CAST(:entry_ids AS bigint[])) AS c(subject_id, entry_id)
        JOIN meter m ON m.subject_id = c.subject_id
        JOIN meter_segment s ON s.subject_id = c.subject_id
       WHERE NOT s.complete AND s.metered_to > s.posted_to
    ), recorded AS (
      INSERT INTO usage_record
        (subject_id, period_start, period_end, seconds, kind, meter_kind, sku_id, node_id, evidence_at)
      SELECT subject_id, posted_to, metered_to, {whole_seconds_sql("posted_to", "metered_to")}, kind, meter_kind,
             sku_id, node_id, observed_to
        FROM due
    ), posted AS (
      UPDATE meter_segment s
         SET posted_to = s.metered_to, complete = coalesce(upper(s.period) < s.metered_to + interval '1 second', false)
        FROM due WHERE s.id = due.id
    )
    INSERT INTO usage_charge
      (subject_id, period_start, meter_kind, organization_id, currency, price_id, nano_per_hour, amount,
       ledger_entry_id)
    SELECT subject_id, posted_to, meter_kind, organization_id, currency, price_id, nano_per_hour, amount,
           CASE WHEN amount > 0 THEN entry_id END
      FROM due
    """  # noqa: S608 - only constant expressions
)
_NEXT_MANY = text(
    """
    UPDATE meter SET settle_due_at = clock_timestamp() + make_interval(secs => :settle_interval)
     WHERE subject_id = ANY(:subject_ids)
    """
)


async def settle_due(session: Session, *, policy: Policy, limit: int = MOST_SUBJECTS) -> int:
    """Settle running subjects whose interval is over, one entry for each currency and kind of meter; returns how many.

    Those whose hold does not cover the charge are settled singly, so that one never stops the others. Meters that
    somebody else works on are left for the next call.
    """
    due = (await session.execute(_DUE, {"limit": limit})).all()
    if not due:
        return 0
    as_of = await database_now(session)
    subject_ids = [row.subject_id for row in due]
    await watermarks.tick_subjects(session, subject_ids)
    await session.execute(_LOCK_SEGMENTS, {"subject_ids": subject_ids})  # no tick moves on between sum and record
    owed = (await session.execute(_OWED, {"subject_ids": subject_ids})).all()
    sort_of = {row.subject_id: (row.currency, row.meter_kind) for row in due}
    entry_of: dict[int, int] = {}
    for currency, meter_kind in sorted(set(sort_of.values())):
        charges = {row.hold_id: row.amount for row in owed if sort_of[row.subject_id] == (currency, meter_kind)}
        entry_of |= await ledger_charges.capture_batch(
            session,
            charges,
            currency=currency,
            meter_kind=meter_kind,
            settlement_id=new_id("stl"),
            idempotency_key=f"settle:{as_of.isoformat()}:{currency}:{meter_kind}:{subject_ids[0]}",
            description="Usage",
            effective_at=as_of,
        )
    charged = [row for row in owed if row.amount == 0 or row.hold_id in entry_of]
    await session.execute(
        _RECORD_MANY,
        {
            "subject_ids": [row.subject_id for row in charged],
            "entry_ids": [entry_of.get(row.hold_id) for row in charged],
        },
    )
    await session.execute(_NEXT_MANY, {"subject_ids": subject_ids, "settle_interval": policy.settle_interval_seconds})
    singly = {row.subject_id for row in owed} - {row.subject_id for row in charged}
    for subject_id in sorted(singly):
        await settle(session, subject_id, final=False, policy=policy)
    return len(due)
