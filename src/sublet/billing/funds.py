"""The funds clock: warn in time, then grace, then suspend; money turns it back. What comes after that is the data
clock's."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal

from sqlalchemy import Row, text

from sublet.billing import data_clock
from sublet.billing.events import WalletLow
from sublet.billing.policy import Policy
from sublet.billing.runway import BURNING, UNPAID, Level, is_enough, runway_of
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.outbox import publish
from sublet.findings import launches

Step = Literal["warn", "start_grace", "suspend", "resume", "release"]

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
        """Whether nothing new may start until enough money comes in."""
        return self.level in {"grace", "suspended"}


@dataclass(frozen=True, slots=True)
class _Decision:
    """What a review does about one organization: the clock becomes `level`, and `action` is for its subjects."""

    organization_id: str
    currency: str
    level_before: Level | None
    level: Level | None
    action: Step | None
    runway_seconds: int = 0
    suspend_at: datetime | None = None


_REVIEW = text(
    f"""
    SELECT coalesce(b.organization_id, c.organization_id, d.organization_id) AS organization_id,
           coalesce(b.currency, c.currency, d.currency) AS currency,
           coalesce(f.total, 0) - {UNPAID} AS left, coalesce(b.burn, 0) AS burn,
           coalesce(b.if_resumed, 0) AS if_resumed, coalesce(b.running, false) AS running,
           coalesce(b.running_on, false) AS running_on, coalesce(b.waiting, false) AS waiting,
           coalesce(b.keeps, false) AS keeps, c.level, c.grace_ends_at, d.deletes_at, d.told_days, d.released_at,
           d.topped_up_at, d.renewed_at
      FROM ({BURNING.format(scope="")}) b
      FULL JOIN funds_clock c ON c.organization_id = b.organization_id AND c.currency = b.currency
      FULL JOIN data_clock d ON d.organization_id = coalesce(b.organization_id, c.organization_id)
                            AND d.currency = coalesce(b.currency, c.currency)
      LEFT JOIN ledger.funds f ON f.owner_id = coalesce(b.organization_id, c.organization_id, d.organization_id)
                              AND f.currency = coalesce(b.currency, c.currency, d.currency)
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
    SELECT d.place, m.subject_id
      FROM unnest(CAST(:places AS int[]), CAST(:organization_ids AS text[]), CAST(:currencies AS text[]))
           AS d(place, organization_id, currency)
      JOIN meter m ON m.organization_id = d.organization_id AND m.currency = d.currency
     WHERE m.stopped_at IS NULL AND m.kind = 'running'
    """
)
# Rows are locked in one order, by this statement alone: an observer locks some of the same meters.
_MARK = text(
    """
    WITH marked AS (
      SELECT m.subject_id, d.place, d.out_of_funds
        FROM unnest(CAST(:places AS int[]), CAST(:organization_ids AS text[]), CAST(:currencies AS text[]),
                    CAST(:out_of_funds AS boolean[])) AS d(place, organization_id, currency, out_of_funds)
        JOIN meter m ON m.organization_id = d.organization_id AND m.currency = d.currency
       WHERE m.stopped_at IS NULL AND m.out_of_funds <> d.out_of_funds AND (m.kind = 'running' OR NOT d.out_of_funds)
       ORDER BY m.subject_id FOR NO KEY UPDATE OF m
    )
    UPDATE meter m SET out_of_funds = marked.out_of_funds FROM marked WHERE m.subject_id = marked.subject_id
    RETURNING marked.place, m.subject_id
    """
)


async def review(session: Session, *, policy: Policy) -> list[FundsAction]:
    """Move every organization's clock and return what is to be done now, each step once.

    The steps count as taken when the session's transaction commits, so the caller acts on them in the same one.
    """
    await data_clock.review_alone(session)
    now = await database_now(session)
    rows = (await session.execute(_REVIEW, {"evidence_gap_seconds": policy.evidence_gap_seconds})).all()
    decisions = [
        decision
        for row in rows
        if (decision := _decide(row, now, policy)) is not None and not await _waits(session, decision)
    ]
    for decision in decisions:
        await _take(session, decision)
    subjects = await _subjects(session, decisions)
    unpaid = await data_clock.wind(session, rows, policy=policy)
    return [
        *(FundsAction(owner, subject_id, "release", "suspended", 0, None) for owner, subject_id in unpaid),
        *_actions(decisions, subjects),
    ]


def _actions(decisions: list[_Decision], subjects: list[list[str]]) -> list[FundsAction]:
    return [
        FundsAction(
            decision.organization_id,
            subject_id,
            decision.action,
            decision.level,
            decision.runway_seconds,
            decision.suspend_at,
        )
        for decision, subject_ids in zip(decisions, subjects, strict=True)
        if decision.action is not None
        for subject_id in subject_ids
    ]


def _decide(row: Row[Any], now: datetime, policy: Policy) -> _Decision | None:
    """What is to happen to an organization; None if nothing is."""
    runway = runway_of(row, policy)
    decided = partial(_Decision, row.organization_id, row.currency, row.level)
    enough = is_enough(row, policy)
    if row.level == "suspended":
        if enough:
            return decided(None, "resume", runway.seconds or 0)
        # What was being set up or resumed when the grace ended runs only now, and nobody pays for it.
        return decided("suspended", "suspend") if row.running_on else None
    if runway.seconds == 0 and row.running:
        if row.level != "grace":
            return decided("grace", "start_grace", 0, now + timedelta(seconds=policy.grace_seconds))
        return decided("suspended", "suspend") if row.grace_ends_at <= now else None
    level = runway.warning if row.running else None
    if level == row.level:
        # What was to run again when there was too little, though nothing had been suspended for that.
        return decided(level, "resume", runway.seconds or 0) if row.waiting and enough else None
    falls = SEVERITY.index(level) > SEVERITY.index(row.level)
    return decided(level, "warn" if falls else None, runway.seconds or 0)


async def _waits(session: Session, decision: _Decision) -> bool:
    """Whether what is decided waits: nothing is resumed while an operator has to see to the organization's money."""
    return decision.action == "resume" and await launches.are_stopped(session, decision.organization_id)


async def _take(session: Session, decision: _Decision) -> None:
    """Move the organization's clock, and tell it what it has not been told yet."""
    if decision.level == decision.level_before:
        return
    key = {"organization_id": decision.organization_id, "currency": decision.currency}
    if decision.level is None:
        await session.execute(_CLEAR, key)
        return
    await session.execute(_SET, {**key, "level": decision.level, "grace_ends_at": decision.suspend_at})
    if decision.action is not None:
        await publish(
            session,
            WalletLow(threshold=decision.level, runway_seconds=decision.runway_seconds, suspend_at=decision.suspend_at),
            subject=decision.organization_id,
            organization_id=decision.organization_id,
        )


async def _subjects(session: Session, decisions: list[_Decision]) -> list[list[str]]:
    """For each decision the subjects that its action is for, marked by what they are out of."""
    found: list[list[str]] = [[] for _ in decisions]
    told = [place for place, decision in enumerate(decisions) if decision.action in {"warn", "start_grace"}]
    marked = [place for place, decision in enumerate(decisions) if decision.action in {"suspend", "resume"}]
    for places, statement in ((told, _RUNNING), (marked, _MARK)):
        if not places:
            continue
        parameters: dict[str, Any] = {
            "places": places,
            "organization_ids": [decisions[place].organization_id for place in places],
            "currencies": [decisions[place].currency for place in places],
        }
        if statement is _MARK:
            parameters["out_of_funds"] = [decisions[place].action == "suspend" for place in places]
        for row in await session.execute(statement, parameters):
            found[row.place].append(row.subject_id)
    return [sorted(subject_ids) for subject_ids in found]
