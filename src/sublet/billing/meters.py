"""Meters: from when to when a subject runs, at which rate, and up to when that is proven."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import DateTime, Row, bindparam, text

from sublet.billing import clock_set_back, rates
from sublet.billing.policy import Policy
from sublet.catalog.meter_kinds import MeterKind
from sublet.core.db import Session
from sublet.core.errors import NotFound

Kind = Literal["running", "suspended", "disk"]
"""Running; suspended, with its claim; suspended, of which the disk alone is kept."""
FIRST = timedelta(seconds=1)
"""What is billed of everything that ran at all."""

_START = text(
    """
    WITH started AS (
      INSERT INTO meter (subject_id, subject_name, meter_kind, sku_id, node_id, organization_id, hold_id, currency,
                         price_id, nano_per_hour, suspended_nano_per_hour, disk_nano_per_hour, started_at, observed_to,
                         settle_due_at, boot_id, seen_from, seen_count)
      VALUES (:subject_id, :subject_name, :meter_kind, :sku_id, :node_id, :organization_id, :hold_id, :currency,
              :price_id, :nano_per_hour, :suspended_nano_per_hour, :disk_nano_per_hour, :at,
              CAST(:at AS timestamptz) + interval '1 second',
              CAST(:at AS timestamptz) + make_interval(secs => :settle_interval), CAST(:boot_id AS text), :at, 1)
      ON CONFLICT (subject_id) DO NOTHING
      RETURNING subject_id, price_id, nano_per_hour, started_at
    )
    INSERT INTO meter_segment (subject_id, period, kind, price_id, nano_per_hour, metered_to, posted_to)
    SELECT subject_id, tstzrange(started_at, NULL), 'running', price_id, nano_per_hour, started_at, started_at
      FROM started
    """
)

# Rows are locked in one order, so that two observers never wait for each other in a circle.
_OBSERVE = """
    WITH seen AS (
      SELECT subject_id, observed_to, node_id, boot_id, seen_from, seen_count,
             :at - observed_to > CAST(:longest_gap AS interval) AS unproven,
             :at - observed_to > CAST(:longest_gap AS interval)
               OR boot_id <> CAST(:boot_id AS text) OR seen_from IS NULL AS begins
        FROM meter
       WHERE subject_id = ANY(:subject_ids) AND NOT settled AND observed_to < :at
       ORDER BY subject_id FOR NO KEY UPDATE {waiting}
    ), ended AS (
      INSERT INTO observation_run (subject_id, first_at, last_at, node_id, boot_id, count)
      SELECT subject_id, seen_from, observed_to, node_id, boot_id, seen_count
        FROM seen WHERE begins AND seen_from <= observed_to
    )
    UPDATE meter m
       SET observed_to = :at, boot_id = coalesce(CAST(:boot_id AS text), m.boot_id),
           seen_from = CASE WHEN seen.begins THEN :at ELSE m.seen_from END,
           seen_count = CASE WHEN seen.begins THEN 1 ELSE m.seen_count + 1 END
      FROM seen WHERE m.subject_id = seen.subject_id
    RETURNING m.subject_id, seen.observed_to AS proven_to, seen.unproven
"""
_OBSERVE_EACH = text(_OBSERVE.format(waiting=""))
_OBSERVE_FREE = text(_OBSERVE.format(waiting="SKIP LOCKED"))

_NOT_METERED = text(
    """
    SELECT asked FROM unnest(CAST(:subject_ids AS text[])) AS asked
     WHERE NOT EXISTS (SELECT FROM meter m JOIN meter_segment s ON s.subject_id = m.subject_id AND upper_inf(s.period)
                        WHERE m.subject_id = asked AND m.stopped_at IS NULL AND s.kind = m.kind
                          AND (m.kind = 'running') = (:kind = 'running'))
     ORDER BY asked
    """
)
_RUNNING = text(
    f"""
    SELECT subject_id, currency, observed_to,
           observed_to > clock_timestamp() - make_interval(secs => :recent_seconds) AS proven,
           {rates.NOW} AS nano_per_hour
      FROM meter m WHERE subject_id = ANY(:subject_ids) AND stopped_at IS NULL
     ORDER BY subject_id
    """  # noqa: S608 - a constant expression
)
_LOCK = text("SELECT * FROM meter WHERE subject_id = :subject_id FOR NO KEY UPDATE")
_CHARGED_TO = text(
    """
    SELECT max(posted_to) FROM meter_segment WHERE subject_id = :subject_id AND posted_to > lower(period)
    """
)
# What was cut out by a clock that was ahead is not the end of what nobody could prove.
_UNMETERED_TO = text(
    """
    SELECT max(upper(period)) FROM unmetered_interval
     WHERE subject_id = :subject_id AND upper(period) <= clock_timestamp()
    """
)
_DROP_AFTER = text("DELETE FROM meter_segment WHERE subject_id = :subject_id AND lower(period) >= :at")
_CLOSE_AT = text(
    """
    UPDATE meter_segment
       SET period = tstzrange(lower(period), :at),
           metered_to = least(metered_to, lower(period) + date_trunc('second', :at - lower(period)))
     WHERE subject_id = :subject_id AND period @> CAST(:at AS timestamptz)
    """
)
_OPEN_AT = text(
    """
    INSERT INTO meter_segment (subject_id, period, kind, price_id, nano_per_hour, metered_to, posted_to)
    VALUES (:subject_id, tstzrange(:at, :until), :kind, :price_id, :nano_per_hour, :at, :at)
    """
)
_SWITCH = text(
    f"""
    UPDATE meter m SET kind = :kind, suspended_until = NULL WHERE subject_id = :subject_id
    RETURNING {rates.NOW} AS nano_per_hour
    """  # noqa: S608 - a constant expression
)
_SUSPEND_UNTIL = text(
    """
    UPDATE meter SET suspended_until = :until
     WHERE subject_id = :subject_id AND kind = 'suspended' AND stopped_at IS NULL
       AND suspended_until IS DISTINCT FROM :until
    """
).bindparams(bindparam("until", type_=DateTime(timezone=True)))
_WAIT_FOR = text(
    """
    UPDATE meter SET out_of_funds = :funds, over_limit = :limit
     WHERE subject_id = :subject_id AND (out_of_funds, over_limit) <> (:funds, :limit)
    """
)
_STOP = text("UPDATE meter SET stopped_at = :at, suspended_until = NULL WHERE subject_id = :subject_id")
_SUSPENSIONS_OVER = text(
    """
    SELECT subject_id, clock_timestamp() AS now FROM meter
     WHERE suspended_until <= clock_timestamp() AND stopped_at IS NULL
     ORDER BY subject_id LIMIT 500 FOR NO KEY UPDATE SKIP LOCKED
    """
)
_TOUCHED = text(
    """
    SELECT id, lower(period) AS started, upper(period) AS ended, kind, price_id, nano_per_hour
      FROM meter_segment
     WHERE subject_id = :subject_id AND period && tstzrange(:gap_from, :gap_to)
     ORDER BY id FOR NO KEY UPDATE
    """
)
_REMOVE = text("DELETE FROM meter_segment WHERE id = :id")
_SHORTEN = text("UPDATE meter_segment SET period = tstzrange(lower(period), :at) WHERE id = :id")
_UNMETERED = text(
    """
    INSERT INTO unmetered_interval (subject_id, period, reason)
    SELECT :subject_id, part, :reason
      FROM unnest(tstzmultirange(tstzrange(:gap_from, :gap_to)) - coalesce(
             (SELECT range_agg(period) FROM unmetered_interval
               WHERE subject_id = :subject_id AND period && tstzrange(:gap_from, :gap_to)), '{}')) AS part
     WHERE upper(part) - lower(part) >= interval '1 second'
    """
)


async def start(
    session: Session,
    subject_id: str,
    organization_id: str,
    hold_id: int,
    *,
    meter_kind: MeterKind,
    sku_id: str,
    node_id: str | None,
    price_id: str,
    nano_per_hour: int,
    suspended_nano_per_hour: int,
    disk_nano_per_hour: int | None,
    currency: str,
    at: datetime,
    name: str | None = None,
    boot_id: str | None = None,
    policy: Policy,
) -> None:
    """Start to meter a subject that is proven to run since `at`; one that is metered already stays as it is.

    Its first second counts as delivered, so that nothing runs, or keeps a place, for nothing. `node_id` is None for
    what is on no node of its own, `disk_nano_per_hour` for what is never without its claim.
    """
    await session.execute(
        _START,
        {
            "subject_id": subject_id,
            "subject_name": name,
            "meter_kind": meter_kind.value,
            "sku_id": sku_id,
            "node_id": node_id,
            "organization_id": organization_id,
            "hold_id": hold_id,
            "currency": currency,
            "price_id": price_id,
            "nano_per_hour": nano_per_hour,
            "suspended_nano_per_hour": suspended_nano_per_hour,
            "disk_nano_per_hour": disk_nano_per_hour,
            "at": at,
            "boot_id": boot_id,
            "settle_interval": policy.settle_interval_seconds,
        },
    )


async def observe(
    session: Session,
    subject_ids: Collection[str],
    observed_at: datetime,
    *,
    boot_id: str | None = None,
    policy: Policy,
    waiting: bool = True,
) -> None:
    """Note that the subjects were seen at `observed_at`, which proves the time since they were last seen.

    Unless `waiting`, a subject whose meter somebody else has locked is left for the next observation, so that it keeps
    no other waiting. `boot_id` is the boot of the node in which they were seen (None: as before): in another one, and
    after a gap, another run of observations begins.

    After a longer gap than the policy allows, nobody knows what was delivered in it: it is recorded as unmetered and
    never billed. An observation older than the last one changes nothing. Where the clock was ahead for longer than such
    a gap and was set back, what was metered then is dated back, as long as it was and charged as it is, and metering
    goes on from there.
    """
    if not subject_ids:
        return
    longest_gap = timedelta(seconds=policy.evidence_gap_seconds)
    await clock_set_back.mend(session, subject_ids, policy=policy, waiting=waiting)
    seen = await session.execute(
        _OBSERVE_EACH if waiting else _OBSERVE_FREE,
        {
            "subject_ids": list(subject_ids),
            "at": observed_at,
            "boot_id": boot_id,
            "longest_gap": longest_gap,
        },
    )
    for row in seen.all():
        if row.unproven:
            await _cut_out(session, row.subject_id, row.proven_to, observed_at)


async def not_metered(session: Session, kind: Kind, subject_ids: Collection[str]) -> list[str]:
    """Which of the subjects are not metered now as what they are, running or suspended (with their claim or without):
    time of theirs that nobody would ever be charged."""
    asked = {"kind": kind, "subject_ids": list(subject_ids)}
    return list((await session.execute(_NOT_METERED, asked)).scalars())


async def running(session: Session, subject_ids: Collection[str], *, recent_seconds: int) -> Sequence[Row[Any]]:
    """The meters of these subjects that run: currency, nano_per_hour now, observed_to, and whether that is so recent
    that the time since will be billed too (`proven`)."""
    asked = {"subject_ids": list(subject_ids), "recent_seconds": recent_seconds}
    return (await session.execute(_RUNNING, asked)).all()


async def switch(session: Session, subject_id: str, kind: Kind, at: datetime) -> None:
    """From `at` on the subject runs, or is suspended, at the rate for that; the same kind again changes nothing.

    What was charged stays charged, and what nobody could prove stays free: an `at` before that counts as its end.
    What its suspension was to cost only until a moment before `at` costs what its disk costs from that moment.
    """
    meter = await _past_suspension(session, await lock(session, subject_id), at)
    if meter.kind == kind or meter.stopped_at is not None:
        return
    await _change(session, meter, kind, at)


async def pass_suspension(session: Session, subject_id: str, at: datetime) -> None:
    """Let the rate of a suspended subject's disk apply from when it was said to, if that is over at `at`."""
    await _past_suspension(session, await lock(session, subject_id), at)


async def pass_suspensions(session: Session) -> None:
    """The same for all whose time is over, some hundreds at once: also for those whose node is away."""
    for row in (await session.execute(_SUSPENSIONS_OVER)).all():
        await pass_suspension(session, row.subject_id, row.now)


async def _past_suspension(session: Session, meter: Row[Any], at: datetime) -> Row[Any]:
    until = meter.suspended_until
    if until is None or until > at or meter.stopped_at is not None:
        return meter
    await _change(session, meter, "disk", until)
    return await lock(session, meter.subject_id)


async def _change(session: Session, meter: Row[Any], kind: Kind, at: datetime) -> None:
    subject_id = meter.subject_id
    unmetered_to = (await session.execute(_UNMETERED_TO, {"subject_id": subject_id})).scalar_one()
    at = max(at, unmetered_to or at)
    at = await _end_segments(session, meter, at)
    rate = (await session.execute(_SWITCH, {"subject_id": subject_id, "kind": kind})).scalar_one()
    await _open(session, subject_id, at, until=None, kind=kind, price_id=meter.price_id, rate=rate)


async def suspend_until(session: Session, subject_id: str, until: datetime | None) -> None:
    """Until when the suspended rate of what is suspended applies; None: as long as it is suspended.

    Nothing after that is metered before `switch` says at which rate, however late it is called.
    """
    await session.execute(_SUSPEND_UNTIL, {"subject_id": subject_id, "until": until})


async def wait_for(session: Session, subject_id: str, what: Literal["funds", "limit"] | None) -> None:
    """What a suspended subject waits for: the funds clock, or the review of limits, says when it may run again."""
    waits = {"funds": what == "funds", "limit": what == "limit"}
    await session.execute(_WAIT_FOR, {"subject_id": subject_id, **waits})


async def stop(session: Session, subject_id: str, at: datetime) -> None:
    """End billing at `at`, the moment of the customer's request; a stopped meter stays as it is.

    Observations that come later still prove the time before. Call it in the transaction that accepts the request:
    what was charged by then stays charged.
    """
    meter = await _past_suspension(session, await lock(session, subject_id), at)
    if meter.stopped_at is None:
        at = await _end_segments(session, meter, at)
        await session.execute(_STOP, {"subject_id": subject_id, "at": at})


async def lock(session: Session, subject_id: str) -> Row[Any]:
    """The meter's row, locked until the transaction ends; NotFound if the subject has none."""
    row = (await session.execute(_LOCK, {"subject_id": subject_id})).one_or_none()
    if row is None:
        raise NotFound("meter", subject_id)
    return row


async def record_unmetered(
    session: Session, subject_id: str, gap_from: datetime, gap_to: datetime, *, reason: str
) -> None:
    """Note time that is not billed because nobody can prove it, but for what is noted already.

    Less than a second is what is left of whole seconds, and nothing that anybody missed.
    """
    await session.execute(
        _UNMETERED, {"subject_id": subject_id, "gap_from": gap_from, "gap_to": gap_to, "reason": reason}
    )


async def _end_segments(session: Session, meter: Row[Any], at: datetime) -> datetime:
    charged_to = (await session.execute(_CHARGED_TO, {"subject_id": meter.subject_id})).scalar_one()
    at = max(at, meter.started_at + FIRST, charged_to or meter.started_at)
    await session.execute(_DROP_AFTER, {"subject_id": meter.subject_id, "at": at})
    await session.execute(_CLOSE_AT, {"subject_id": meter.subject_id, "at": at})
    return at


async def _open(
    session: Session, subject_id: str, at: datetime, *, until: datetime | None, kind: str, price_id: str, rate: int
) -> None:
    await session.execute(
        _OPEN_AT,
        {
            "subject_id": subject_id,
            "at": at,
            "until": until,
            "kind": kind,
            "price_id": price_id,
            "nano_per_hour": rate,
        },
    )


async def _cut_out(session: Session, subject_id: str, gap_from: datetime, gap_to: datetime) -> None:
    """Take an unproven gap out of the subject's segments; nothing in it was metered yet."""
    touched = await session.execute(_TOUCHED, {"subject_id": subject_id, "gap_from": gap_from, "gap_to": gap_to})
    for segment in touched.all():
        if segment.started < gap_from:
            await session.execute(_SHORTEN, {"id": segment.id, "at": gap_from})
        else:
            await session.execute(_REMOVE, {"id": segment.id})
        lost_to = gap_to if segment.ended is None else min(gap_to, segment.ended)
        lost_from = max(gap_from, segment.started)
        await record_unmetered(session, subject_id, lost_from, lost_to, reason="no observation of the node")
        if segment.ended is None or segment.ended > gap_to:
            await _open(
                session,
                subject_id,
                gap_to,
                until=segment.ended,
                kind=segment.kind,
                price_id=segment.price_id,
                rate=segment.nano_per_hour,
            )
