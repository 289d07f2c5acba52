"""The funds clock: warn in time, then grace, then suspend, never delete; any top-up turns it back."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Row, text

from sublet.billing.charges import seconds_covered
from sublet.billing.events import WalletLow
from sublet.billing.policy import DEFAULT_POLICY, Policy
from sublet.billing.runway import BURNING, Level, Runway, runway_of
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.outbox import publish

Step = Literal["warn", "start_grace", "suspend", "resume"]

SEVERITY: tuple[Level | None, ...] = (None, "72h", "24h", "1h", "10m", "grace", "suspended")


@dataclass(frozen=True, slots=True)
class FundsAction:
    """What is to be done with one subject, or told about it, because of its organization's funds."""

    organization_id: str
    subject_id: str
    action: Step
    level: Level | None
    runway_seconds: int
    suspend_at: datetime | None


@dataclass(frozen=True, slots=True)
class Clock:
    """How far an organization's clock has run, and when its grace ends."""

    level: Level | None
    suspend_at: datetime | None

    @property
    def blocks_launch(self) -> bool:
        """Whether nothing new may start until money comes in."""
        return self.level in {"grace", "suspended"}


_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended('billing.funds', 0))")
_REVIEW = text(
    f"""
    SELECT coalesce(b.organization_id, c.organization_id) AS organization_id,
           coalesce(b.currency, c.currency) AS currency,
           coalesce(f.total, 0) - coalesce(b.accrued, 0) AS left, coalesce(b.burn, 0) AS burn,
           coalesce(b.if_resumed, 0) AS if_resumed, coalesce(b.running, false) AS running,
           c.level, c.grace_ends_at
      FROM ({BURNING.format(scope="")}) b
      FULL JOIN funds_clock c ON c.organization_id = b.organization_id AND c.currency = b.currency
      LEFT JOIN ledger.funds f ON f.owner_id = coalesce(b.organization_id, c.organization_id)
                              AND f.currency = coalesce(b.currency, c.currency)
     ORDER BY 1, 2
    """  # noqa: S608 - only constant expressions
)
_SET = text(
    """
    INSERT INTO funds_clock (organization_id, currency, level, grace_ends_at)
    VALUES (:organization_id, :currency, :level, :grace_ends_at)
    ON CONFLICT (organization_id, currency) DO UPDATE
       SET level = excluded.level, grace_ends_at = excluded.grace_ends_at, changed_at = clock_timestamp()
    """
)
_CLEAR = text("DELETE FROM funds_clock WHERE organization_id = :organization_id AND currency = :currency")
_RUNNING = text(
    """
    SELECT subject_id FROM meter
     WHERE organization_id = :organization_id AND currency = :currency AND stopped_at IS NULL AND kind = 'running'
     ORDER BY subject_id
    """
)
_MARK_SUSPENDED = text(
    """
    UPDATE meter SET out_of_funds = true
     WHERE organization_id = :organization_id AND currency = :currency AND stopped_at IS NULL AND kind = 'running'
    RETURNING subject_id
    """
)
_MARK_RESUMED = text(
    """
    UPDATE meter SET out_of_funds = false
     WHERE organization_id = :organization_id AND currency = :currency AND stopped_at IS NULL AND out_of_funds
    RETURNING subject_id
    """
)
_CLOCK = text(
    "SELECT level, grace_ends_at FROM funds_clock WHERE organization_id = :organization_id AND currency = :currency"
)


async def clock(session: Session, organization_id: str, *, currency: str = "USD") -> Clock:
    """How far the organization's clock has run."""
    row = (await session.execute(_CLOCK, {"organization_id": organization_id, "currency": currency})).one_or_none()
    return Clock(None, None) if row is None else Clock(row.level, row.grace_ends_at)


async def review(session: Session, *, policy: Policy = DEFAULT_POLICY) -> list[FundsAction]:
    """Move every organization's clock and return what is to be done now, each step once.

    The steps count as taken when the session's transaction commits, so the caller acts on them in the same one.
    """
    await session.execute(_ONE_AT_A_TIME)
    now = await database_now(session)
    actions: list[FundsAction] = []
    for row in (await session.execute(_REVIEW)).all():
        actions += await _review_one(session, row, now, policy)
    return actions


async def _review_one(session: Session, row: Row[Any], now: datetime, policy: Policy) -> list[FundsAction]:
    runway = runway_of(row, policy)
    if row.level == "suspended":
        covered = seconds_covered(row.left, row.if_resumed)
        if covered is not None and covered <= policy.reserve_seconds:
            return []
        return await _resume(session, row, runway)
    if row.level == "grace" and runway.seconds == 0 and row.grace_ends_at <= now and row.running:
        return await _step(session, row, "suspend", "suspended", seconds=0)
    if runway.seconds == 0 and row.level != "grace" and row.running:
        suspend_at = now + timedelta(seconds=policy.grace_seconds)
        return await _step(session, row, "start_grace", "grace", seconds=0, suspend_at=suspend_at)
    if runway.seconds == 0 and row.running:
        return []
    return await _warn(session, row, runway)


async def _warn(session: Session, row: Row[Any], runway: Runway) -> list[FundsAction]:
    level = runway.warning if row.running else None
    if level == row.level:
        return []
    if SEVERITY.index(level) > SEVERITY.index(row.level):
        assert runway.seconds is not None
        return await _step(session, row, "warn", level, seconds=runway.seconds)
    await _store(session, row, level, None)
    return []


async def _resume(session: Session, row: Row[Any], runway: Runway) -> list[FundsAction]:
    await _store(session, row, None, None)
    resumed = await session.execute(_MARK_RESUMED, {"organization_id": row.organization_id, "currency": row.currency})
    return [
        FundsAction(row.organization_id, subject_id, "resume", None, runway.seconds or 0, None)
        for subject_id in sorted(resumed.scalars())
    ]


async def _step(
    session: Session,
    row: Row[Any],
    action: Step,
    level: Level | None,
    *,
    seconds: int,
    suspend_at: datetime | None = None,
) -> list[FundsAction]:
    await _store(session, row, level, suspend_at)
    statement = _MARK_SUSPENDED if action == "suspend" else _RUNNING
    subjects = await session.execute(statement, {"organization_id": row.organization_id, "currency": row.currency})
    assert level is not None
    await publish(
        session,
        WalletLow(threshold=level, runway_seconds=seconds),
        subject=row.organization_id,
        organization_id=row.organization_id,
    )
    return [
        FundsAction(row.organization_id, subject_id, action, level, seconds, suspend_at)
        for subject_id in sorted(subjects.scalars())
    ]


async def _store(session: Session, row: Row[Any], level: Level | None, grace_ends_at: datetime | None) -> None:
    key = {"organization_id": row.organization_id, "currency": row.currency}
    if level is None:
        await session.execute(_CLEAR, key)
    else:
        await session.execute(_SET, {**key, "level": level, "grace_ends_at": grace_ends_at})
