"""Settlement: what was metered and not charged yet is charged, exactly once, out of the hold."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.exc import DataError, IntegrityError, InternalError, ProgrammingError

from sublet.billing import batches, credit_edges, meters, month_edges, watermarks
from sublet.billing.batches import START, Place
from sublet.billing.charges import charged_between, charged_micro_sql, whole_seconds, whole_seconds_sql
from sublet.billing.credit_edges import Piece
from sublet.billing.policy import Policy
from sublet.core.db import Database, Session
from sublet.core.errors import Conflict, SubletError
from sublet.core.ids import new_id
from sublet.core.money import Money
from sublet.core.telemetry import get_logger, log_failure
from sublet.ledger import charges as ledger_charges
from sublet.ledger import holds

log = get_logger(__name__)

MOST_SUBJECTS = 1000
"""How many a batch settles, and so of how many wallets: others wait for these that long."""
MOST_SINGLY = 100
"""How many are settled singly in one transaction."""

REFUSED = (SubletError, IntegrityError, DataError, InternalError, ProgrammingError)
"""What is at fault with what is settled; the database's own troubles are not, and end the whole transaction."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What one settlement charged for one subject, and the entry that holds it (None: nothing was due)."""

    amount: Money
    entry_id: int | None


@dataclass(frozen=True, slots=True)
class Batch:
    """How many subjects a batch took, which of them are left to be settled singly, and where the next one goes on
    (None: nothing else is due)."""

    taken: int
    left: list[str]
    next: Place | None


_SEGMENTS = text(
    f"""
    SELECT id, lower(period) AS started, upper(period) AS ended, kind, price_id, nano_per_hour, metered_to, posted_to,
           {month_edges.month_sql("posted_to")} AS month
      FROM meter_segment WHERE subject_id = :subject_id AND NOT complete
     ORDER BY lower(period) FOR NO KEY UPDATE
    """  # noqa: S608 - only constant expressions
)
# The run of observations that proves a time is the present one of its meter, unless that began later.
_ENDED_RUN = """
        LEFT JOIN LATERAL (
          SELECT r.last_at, r.boot_id, r.first_at, r.count FROM observation_run r
           WHERE m.seen_from >= {ended} AND r.subject_id = m.subject_id AND r.last_at >= {ended}
           ORDER BY r.last_at LIMIT 1) run ON true
"""
_EVIDENCE = """coalesce(run.last_at, m.observed_to) AS evidence_at,
             CASE WHEN run.last_at IS NULL THEN m.boot_id ELSE run.boot_id END AS boot_id,
             coalesce(run.first_at, m.seen_from) AS seen_from, coalesce(run.count, m.seen_count) AS seen_count"""
_RECORD = text(
    f"""
    WITH recorded AS (
      INSERT INTO usage_record
        (subject_id, period_start, period_end, seconds, kind, meter_kind, sku_id, node_id, evidence_at, boot_id,
         seen_from, seen_count)
      SELECT m.subject_id, CAST(:period_start AS timestamptz), CAST(:period_end AS timestamptz), :seconds, :kind,
             m.meter_kind, m.sku_id, m.node_id, {_EVIDENCE}
        FROM meter m {_ENDED_RUN.format(ended="CAST(:period_end AS timestamptz)")}
       WHERE m.subject_id = :subject_id
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
    """  # noqa: S608 - only constant expressions
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
    if await month_edges.split(session, [subject_id]):
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
    """Charge what is due, in one entry for each month in which it was delivered, and for what was delivered before
    promotional money expired; the last of them is returned."""
    edges = await credit_edges.edges(session, meter.organization_id, currency=meter.currency)
    due = [piece for segment in segments for piece in credit_edges.pieces(segment, edges)]
    settled = Settled(Money.zero(meter.currency), None)
    for month, after in sorted({(piece.segment.month, piece.after) for piece in due}):
        together = [piece for piece in due if (piece.segment.month, piece.after) == (month, after)]
        charged = await _charge_together(session, meter, together, month=month)
        settled = Settled(settled.amount + charged.amount, charged.entry_id or settled.entry_id)
    return settled


async def _charge_together(session: Session, meter: Row[Any], pieces: Sequence[Piece], *, month: str) -> Settled:
    due = [
        (
            piece,
            charged_between(
                piece.segment.nano_per_hour,
                whole_seconds(piece.segment.started, piece.started),
                whole_seconds(piece.segment.started, piece.ended),
            ),
        )
        for piece in pieces
    ]
    total = Money(sum(amount for _, amount in due), meter.currency)
    entry_id = None
    if total.micro > 0:
        delivered_to = pieces[-1].ended
        belongs = await month_edges.belongs(session, month, until=delivered_to)
        entry = await ledger_charges.capture(
            session,
            meter.hold_id,
            total,
            meter_kind=meter.meter_kind,
            source_type="subject",
            source_id=meter.subject_id,
            idempotency_key=f"settle:{meter.subject_id}:{delivered_to.isoformat()}",
            description=f"Usage of {meter.subject_name or meter.subject_id}{belongs.addition}",
            effective_at=belongs.effective_at,
            delivered_to=delivered_to,
            overrun=True,
        )
        entry_id = entry.id
        await belongs.name(session, entry_id)
    for piece, amount in due:
        segment = piece.segment
        await session.execute(
            _RECORD,
            {
                "segment_id": segment.id,
                "subject_id": meter.subject_id,
                "period_start": piece.started,
                "period_end": piece.ended,
                "seconds": whole_seconds(piece.started, piece.ended),
                "kind": segment.kind,
                "meter_kind": meter.meter_kind,
                "organization_id": meter.organization_id,
                "currency": meter.currency,
                "price_id": segment.price_id,
                "nano_per_hour": segment.nano_per_hour,
                "amount": amount,
                "ledger_entry_id": entry_id if amount > 0 else None,
            },
        )
    return Settled(total, entry_id)


_OWED_BEFORE = charged_micro_sql("s.nano_per_hour", whole_seconds_sql("lower(s.period)", "s.posted_to"))
_OWED_NOW = charged_micro_sql("s.nano_per_hour", whole_seconds_sql("lower(s.period)", "s.metered_to"))
_RECORD_MANY = text(
    f"""
    WITH due AS (
      SELECT s.*, m.organization_id, m.currency, m.meter_kind, m.sku_id, m.node_id,
             {_EVIDENCE},
             {_OWED_NOW} - {_OWED_BEFORE} AS amount
        FROM meter_segment s JOIN meter m ON m.subject_id = s.subject_id {_ENDED_RUN.format(ended="s.metered_to")}
       WHERE s.subject_id = ANY(:subject_ids) AND NOT s.complete AND s.metered_to > s.posted_to
         AND {month_edges.month_sql("s.posted_to")} = :month
    ), recorded AS (
      INSERT INTO usage_record
        (subject_id, period_start, period_end, seconds, kind, meter_kind, sku_id, node_id, evidence_at, boot_id,
         seen_from, seen_count)
      SELECT subject_id, posted_to, metered_to, {whole_seconds_sql("posted_to", "metered_to")}, kind, meter_kind,
             sku_id, node_id, evidence_at, boot_id, seen_from, seen_count
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
           CASE WHEN amount > 0 THEN CAST(:entry_id AS bigint) END
      FROM due
    """  # noqa: S608 - only constant expressions
)
_LOCK_METERS = text(
    "SELECT hold_id FROM meter WHERE subject_id = ANY(:subject_ids) ORDER BY subject_id FOR NO KEY UPDATE"
)
_NEXT_MANY = text(
    """
    UPDATE meter SET settle_due_at = clock_timestamp() + make_interval(secs => :settle_interval)
     WHERE subject_id = ANY(:subject_ids)
    """
)


async def settle_all(database: Database, *, policy: Policy) -> None:
    """Settle every running subject whose interval is over, in transactions of `MOST_SUBJECTS` at most.

    Those that a batch leaves are settled singly, `MOST_SINGLY` in a transaction.
    """
    place: Place | None = START
    while place is not None:
        async with database.transaction() as session:
            batch = await settle_due(session, policy=policy, after=place)
        for first in range(0, len(batch.left), MOST_SINGLY):
            async with database.transaction() as session:
                await settle_singly(session, batch.left[first : first + MOST_SINGLY], policy=policy)
        place = batch.next


async def settle_due(session: Session, *, policy: Policy, after: Place = START) -> Batch:
    """Settle up to `MOST_SUBJECTS` running subjects whose interval is over, one entry for each currency and kind.

    Those whose hold does not cover the charge are left, for `settle_singly`; so are all of an entry that could not be
    made, so that whoever is at fault there stops nobody else. Meters that somebody else works on are not taken.
    """
    taken = await batches.take(session, after=after, limit=MOST_SUBJECTS)
    if taken is None:
        return Batch(0, [], None)
    left: set[str] = set()
    if len(taken.owed) > 1:
        await holds.lock_wallets(session, {hold_id for owed in taken.owed for hold_id in owed.hold_ids})
    for owed in taken.owed:
        try:
            async with session.begin_nested():
                left |= await _settle_together(session, owed, as_of=taken.as_of)
        except REFUSED as error:
            sort = (owed.month, owed.currency, owed.meter_kind)
            log_failure(log, "settlement.batch_refused", error, sort=sort, error=str(error))
            left |= set(owed.subject_ids)
    settled = [subject_id for subject_id in taken.subject_ids if subject_id not in left]
    await session.execute(_NEXT_MANY, {"subject_ids": settled, "settle_interval": policy.settle_interval_seconds})
    many = len(taken.subject_ids)
    return Batch(many, sorted(left), taken.next if many == MOST_SUBJECTS else None)


async def settle_singly(session: Session, subject_ids: Collection[str], *, policy: Policy) -> None:
    """Settle running subjects each by itself: one that cannot be settled stays due, and stops no other.

    All are locked first, meters before wallets, each in the order that everybody keeps.
    """
    locked = await session.execute(_LOCK_METERS, {"subject_ids": list(subject_ids)})
    await holds.lock_wallets(session, set(locked.scalars()))
    for subject_id in subject_ids:
        try:
            async with session.begin_nested():
                await settle(session, subject_id, final=False, policy=policy)
        except REFUSED as error:
            log_failure(log, "settlement.refused", error, subject=subject_id, error=str(error))


async def _settle_together(session: Session, owed: Row[Any], *, as_of: datetime) -> set[str]:
    """Charge what subjects owe for one month, in one currency and of one kind, in one entry, and record it; returns
    those whose hold is too small."""
    belongs = await month_edges.belongs(session, owed.month, until=owed.metered_to)
    sort = f"{owed.month}:{owed.currency}:{owed.meter_kind}"
    entry_of = await ledger_charges.capture_batch(
        session,
        dict(zip(owed.hold_ids, owed.amounts, strict=True)),
        currency=owed.currency,
        meter_kind=owed.meter_kind,
        settlement_id=new_id("stl"),
        idempotency_key=f"settle:{as_of.isoformat()}:{sort}:{owed.subject_ids[0]}",
        description=f"Usage{belongs.addition}",
        effective_at=belongs.effective_at,
    )
    entry_id = next(iter(entry_of.values()), None)
    if entry_id is not None:
        await belongs.name(session, entry_id)
    charged = [
        subject_id
        for subject_id, hold_id, amount in zip(owed.subject_ids, owed.hold_ids, owed.amounts, strict=True)
        if amount == 0 or hold_id in entry_of
    ]
    await session.execute(_RECORD_MANY, {"subject_ids": charged, "month": owed.month, "entry_id": entry_id})
    return set(owed.subject_ids).difference(charged)
