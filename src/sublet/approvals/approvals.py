"""Ask for a second person's consent to one act, decide, and use it once.

Whoever writes an act that needs a second person calls `request` when it is asked for, and `consume` in the transaction
that does it: with the same act, subject, parameters and reason, or it is not what was approved.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, text
from sqlalchemy.dialects.postgresql import insert

from sublet.approvals import states
from sublet.approvals.audit import ApprovalRecord
from sublet.approvals.models import approval
from sublet.approvals.states import OPEN, ApprovalState
from sublet.audit.record import record
from sublet.core.actions import Refusal
from sublet.core.actors import Actor, Permission, system_actor
from sublet.core.db import Session
from sublet.core.errors import Conflict, NotFound, PermissionDenied
from sublet.core.filters import matching
from sublet.core.ids import new_id

EXPIRES_SECONDS = 24 * 3600.0
"""How long there is for deciding and acting together."""
AT_ONCE = 100
MayNow = Callable[[Session, str, Collection[Permission]], Awaitable[bool]]
"""Whether a user may do all of this now; `identity.operators.may_now`."""
_IS_OPEN = text("state IN ('requested', 'approved')")  # as the partial indexes have it
_IS_OVER = approval.c.expires_at <= func.clock_timestamp()
_SHOWN = (approval, _IS_OVER.label("is_over"))


class ApprovalRequired(Conflict):
    """This act needs somebody else's consent, and there is none that can be used for it."""

    code = "approval_required"
    title = "A second person has to approve this first"


class AlreadyRequested(Conflict):
    """The same is open, and somebody else asked for it."""

    code = "approval_already_requested"


class AlreadyDecided(Conflict):
    """The approval was decided, used or over before."""

    code = "approval_already_decided"


class DecidesOwn(PermissionDenied):
    """Whoever asks cannot be the one who decides."""

    code = "approval_needs_somebody_else"


@dataclass(frozen=True, slots=True)
class Approval:
    """What may be done, asked by whom and why; `is_over` when it can no longer be decided or used."""

    seq: int
    id: str
    act: str
    subject: str
    parameters: dict[str, Any]
    permission: Permission
    reason: str
    state: ApprovalState
    requested_by: str
    requested_by_name: str
    requested_at: datetime
    expires_at: datetime
    decided_by: str | None
    decided_by_name: str | None
    decided_at: datetime | None
    used_at: datetime | None
    is_over: bool


@dataclass(frozen=True, slots=True)
class Filter:
    """Which approvals are wanted; None means any."""

    state: ApprovalState | None = None
    act: str | None = None
    subject: str | None = None


async def request(
    session: Session,
    actor: Actor,
    *,
    act: str,
    subject: str,
    parameters: Mapping[str, Any],
    reason: str,
    permission: Permission,
    may_now: MayNow,
    expires_seconds: float = EXPIRES_SECONDS,
) -> Approval:
    """Ask that somebody else who holds `permission` approves one act (`noun.verb`) on one thing, by its id.

    `parameters` is whatever makes the act another one, as JSON has it; amounts are `Money.field()`. While the same is
    open, the actor gets that one again, and AlreadyRequested if it is somebody else's. One whose approver may not any
    more ends.
    """
    actor.require(permission)
    digest = _digest(act, subject, parameters, reason)
    await _expire(session, await _over(session, approval.c.digest == digest))
    approved = await _first(
        session, approval.c.digest == digest, approval.c.state == ApprovalState.APPROVED.value, lock=True
    )
    if approved is not None and not await _still_stands(session, approved, may_now):
        reason_of_end = f"{approved.decided_by_name}, who approved it, may not any more"
        await states.move(session, system_actor("approvals"), approved.id, ApprovalState.EXPIRED, reason=reason_of_end)
    new = await session.execute(
        insert(approval)
        .values(
            id=new_id("apr"),
            act=act,
            subject=subject,
            parameters=dict(parameters),
            digest=digest,
            permission=permission.value,
            reason=reason,
            requested_by=actor.user_id,
            requested_by_name=_name_of(actor),
            expires_at=func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, expires_seconds),
        )
        .on_conflict_do_nothing(index_elements=["digest"], index_where=_IS_OPEN)
        .returning(approval.c.id)
    )
    approval_id = new.scalar_one_or_none()
    if approval_id is None:
        asked = await _first(session, approval.c.digest == digest, _IS_OPEN)
        if asked is None or asked.requested_by != actor.user_id:
            raise AlreadyRequested(
                "Somebody else has asked for exactly this already. Nothing was changed. Decide on that one instead.",
                extra={} if asked is None else {"approval_id": asked.id},
            )
        return asked
    await states.begin(session, actor, approval_id, reason=reason)
    asked = await get(session, approval_id)
    await record(session, actor, "approval.requested", "approval", asked.id, after=ApprovalRecord.model_validate(asked))
    return asked


async def consume(
    session: Session,
    actor: Actor,
    *,
    act: str,
    subject: str,
    parameters: Mapping[str, Any],
    reason: str,
    may_now: MayNow,
) -> Approval:
    """Use the actor's approval of exactly this act, once; it is used if and only if the session commits.

    ApprovalRequired if nobody else has approved it, or not in time, or something else was approved, or by somebody who
    may not any more; PermissionDenied if the actor may not any more.
    """
    digest = _digest(act, subject, parameters, reason)
    latest = await _first(session, approval.c.digest == digest, approval.c.requested_by == actor.user_id, lock=True)
    if latest is None or latest.state is not ApprovalState.APPROVED or latest.is_over:
        raise ApprovalRequired(
            f"This needs the consent of a second person. {_what_is_missing(latest)} Nothing was changed. Somebody "
            "else who may do it has to approve it first; then do this again.",
            extra={} if latest is None else {"approval_id": latest.id},
        )
    actor.require(latest.permission)
    if not await _still_stands(session, latest, may_now):
        raise ApprovalRequired(
            f"This needs the consent of a second person, and {latest.decided_by_name}, who approved {latest.id}, may "
            "not do so any more. Nothing was changed. Ask for it again, and somebody else has to approve it; then do "
            "this again.",
            extra={"approval_id": latest.id},
        )
    await states.move(
        session, actor, latest.id, ApprovalState.USED, reason="the act was done", used_at=func.clock_timestamp()
    )
    used = await get(session, latest.id)
    await record(session, actor, "approval.used", "approval", used.id, after=ApprovalRecord.model_validate(used))
    return used


async def consume_or_request(
    session: Session,
    actor: Actor,
    *,
    act: str,
    subject: str,
    parameters: Mapping[str, Any],
    reason: str,
    permission: Permission,
    may_now: MayNow,
) -> Approval:
    """Use the actor's approval of exactly this act; where there is none to use, ask for it.

    The caller does the act only if what comes back is `used`. Errors: those of `request`.
    """
    what: dict[str, Any] = {"act": act, "subject": subject, "parameters": parameters}
    what |= {"reason": reason, "may_now": may_now}
    try:
        return await consume(session, actor, **what)
    except ApprovalRequired:
        return await request(session, actor, permission=permission, **what)


async def _still_stands(session: Session, approved: Approval, may_now: MayNow) -> bool:
    """Whether who approved it could do so now."""
    needed = (Permission.ADMIN_APPROVAL_DECIDE, approved.permission)
    return approved.decided_by is not None and await may_now(session, approved.decided_by, needed)


def why_not_decide(asked: Approval, actor: Actor) -> Refusal | None:
    """Why an actor who decides on approvals may not decide on this one now; None if they may."""
    if not actor.can(asked.permission):
        return Refusal(PermissionDenied, f"Only somebody with the permission {asked.permission.value} may decide this.")
    if actor.user_id == asked.requested_by:
        return Refusal(DecidesOwn, "Somebody else than who asked has to decide.")
    if asked.state is not ApprovalState.REQUESTED:
        return Refusal(AlreadyDecided, f"It is {asked.state.value} already.")
    if asked.is_over:
        return Refusal(AlreadyDecided, "The time for it is over.")
    return None


async def approve(session: Session, actor: Actor, approval_id: str, *, reason: str) -> Approval:
    """Allow the act to whoever asked for it; NotFound, PermissionDenied, DecidesOwn, AlreadyDecided."""
    return await _decide(session, actor, approval_id, ApprovalState.APPROVED, reason=reason)


async def reject(session: Session, actor: Actor, approval_id: str, *, reason: str) -> Approval:
    """Refuse the act for good; NotFound, PermissionDenied, DecidesOwn, AlreadyDecided."""
    return await _decide(session, actor, approval_id, ApprovalState.REJECTED, reason=reason)


async def get(session: Session, approval_id: str) -> Approval:
    """One approval; NotFound."""
    found = await _first(session, approval.c.id == approval_id)
    if found is None:
        raise NotFound("approval", approval_id)
    return found


async def newest(session: Session, wanted: Filter, *, before: int | None, limit: int) -> list[Approval]:
    """Up to `limit` approvals older than the sequence number `before`, newest first."""
    columns = {
        approval.c.state: None if wanted.state is None else wanted.state.value,
        approval.c.act: wanted.act,
        approval.c.subject: wanted.subject,
    }
    statement = select(*_SHOWN).where(*matching(columns)).order_by(approval.c.seq.desc()).limit(limit)
    if before is not None:
        statement = statement.where(approval.c.seq < before)
    return [_approval(row) for row in await session.execute(statement)]


async def expire_due(session: Session) -> int:
    """Expire what nobody decided or used in time, at most `AT_ONCE`; returns how many."""
    due = await _over(session)
    await _expire(session, due)
    return len(due)


async def _over(session: Session, *conditions: Any) -> list[str]:
    """Ids of open approvals whose time is over, locked for this transaction."""
    due = (
        select(approval.c.id)
        .where(_IS_OPEN, _IS_OVER, *conditions)
        .order_by(approval.c.expires_at)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    return list((await session.execute(due)).scalars())


async def _expire(session: Session, due: Sequence[str]) -> None:
    for approval_id in due:
        await states.move(
            session, system_actor("approvals"), approval_id, ApprovalState.EXPIRED, reason="the time for it was over"
        )


async def _decide(session: Session, actor: Actor, approval_id: str, to: ApprovalState, *, reason: str) -> Approval:
    before = await _first(session, approval.c.id == approval_id, lock=True)
    if before is None:
        raise NotFound("approval", approval_id)
    if refusal := why_not_decide(before, actor):
        raise refusal.problem
    await states.move(
        session,
        actor,
        approval_id,
        to,
        reason=reason,
        decided_by=actor.user_id,
        decided_by_name=_name_of(actor),
        decided_at=func.clock_timestamp(),
    )
    after = await get(session, approval_id)
    await record(
        session,
        actor,
        f"approval.{to.value}",
        "approval",
        approval_id,
        before=ApprovalRecord.model_validate(before),
        after=ApprovalRecord.model_validate(after),
    )
    return after


async def _first(session: Session, *conditions: Any, lock: bool = False) -> Approval | None:
    """The newest approval that meets the conditions."""
    statement = select(*_SHOWN).where(*conditions).order_by(approval.c.seq.desc()).limit(1)
    row = (await session.execute(statement.with_for_update() if lock else statement)).one_or_none()
    return None if row is None else _approval(row)


def _approval(row: Row[Any]) -> Approval:
    return Approval(
        seq=row.seq,
        id=row.id,
        act=row.act,
        subject=row.subject,
        parameters=row.parameters,
        permission=Permission(row.permission),
        reason=row.reason,
        state=ApprovalState(row.state),
        requested_by=row.requested_by,
        requested_by_name=row.requested_by_name,
        requested_at=row.requested_at,
        expires_at=row.expires_at,
        decided_by=row.decided_by,
        decided_by_name=row.decided_by_name,
        decided_at=row.decided_at,
        used_at=row.used_at,
        is_over=row.is_over,
    )


def _digest(act: str, subject: str, parameters: Mapping[str, Any], reason: str) -> bytes:
    """What tells one act from every other; TypeError for parameters that JSON cannot hold.

    The reason is of it: customers read it, and so it is one of the things that somebody else agrees to.
    """
    whole = json.dumps([act, subject, dict(parameters), reason], sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(whole.encode()).digest()


def _name_of(actor: Actor) -> str:
    return actor.name or actor.shown_as


def _what_is_missing(latest: Approval | None) -> str:
    if latest is None:
        return "Nobody has been asked for it."
    if latest.state in OPEN and latest.is_over:
        return f"The time for {latest.id} is over."
    return {
        ApprovalState.REQUESTED: f"{latest.id} waits for somebody to decide.",
        ApprovalState.REJECTED: f"{latest.id} was rejected by {latest.decided_by_name}.",
        ApprovalState.EXPIRED: f"The time for {latest.id} is over.",
        ApprovalState.USED: f"{latest.id} has been used already.",
    }[latest.state]
