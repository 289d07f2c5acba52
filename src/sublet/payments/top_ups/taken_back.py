"""Money that the processor gave back or lost again: out of what can be spent at once, and for a person to resolve.

Nothing here books it: until refunds and disputes are booked, an operator does. What is certain is that credit which the
card holder has back may not be spent as well.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, text, update

from sublet.core.actions import Refusal
from sublet.core.db import Session
from sublet.core.errors import Conflict
from sublet.core.money import Money
from sublet.core.telemetry import get_logger
from sublet.findings import findings, launches
from sublet.findings.findings import Severity, StoredFinding
from sublet.findings.launches import STOP_CODE, STOP_SUBJECT
from sublet.findings.resolution import Consequences
from sublet.ledger import holds, wallets
from sublet.payments.models import top_up

log = get_logger(__name__)

CODE = "payments.taken_back"
SUBJECT = "top_up"

_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended('taken back ' || :organization_id, 0))")


async def lock_launch_stop(session: Session, organization_id: str) -> None:
    """Be the only one, until the session's transaction ends, who changes what stops this organization's launches.

    Whoever is going to lock the organization's wallet too takes this lock before.
    """
    await session.execute(_ONE_AT_A_TIME, {"organization_id": organization_id})


async def note(session: Session, top_up_id: str, taken: Money) -> bool:
    """Withhold what can still be spent of `taken`, all that was taken back of a top-up so far; False if nothing is new.

    Sums may come in any order and any number of times. What was spent already stops the organization's launches. What
    was set aside for something else when the sum was first seen is withheld by a later look, once it is given back.
    What an operator has settled is never withheld again: only what grew since may be.
    The caller holds `lock_launch_stop`.
    """
    row = (await session.execute(select(top_up).where(top_up.c.id == top_up_id).with_for_update())).one()
    if taken.currency != row.currency:
        # Nobody knows what that is of the wallet's money: nothing is withheld, and a person has to look.
        await _say(session, row, {"taken back": taken})
        return False
    grew = taken.micro > row.taken_back
    unsettled = await _is_unsettled(session, top_up_id)
    if not grew and not unsettled:
        return False
    settled = row.taken_settled if unsettled else row.taken_back - row.taken_aside
    taken = Money(max(taken.micro, row.taken_back), row.currency)
    wallet = await wallets.wallet(session, row.organization_id, currency=row.currency)
    missing = Money(taken.micro - settled - row.taken_aside, row.currency)
    aside = max(min(missing, wallet.available), Money.zero(row.currency))
    set_aside = Money(row.taken_aside + aside.micro, row.currency)
    if aside.micro > 0:
        key = f"taken-back:{top_up_id}:{set_aside.micro}"
        await holds.withhold(session, row.organization_id, aside, subject_id=key, idempotency_key=key)
    elif not grew:
        return False
    changes = update(top_up).where(top_up.c.id == top_up_id)
    changes = changes.values(taken_back=taken.micro, taken_aside=set_aside.micro, taken_settled=settled)
    changed = (await session.execute(changes.returning(top_up))).one()
    log.error("top_up.taken_back", top_up=top_up_id, taken=str(taken), spent=str(missing - aside))
    await _say(session, changed, _amounts([changed]))
    if grew:
        what = f"{taken} taken back in all"
        await findings.note_seen(session, code=CODE, subject_type=SUBJECT, subject_id=top_up_id, what=what)
    if (grew and aside < missing) or await launches.are_stopped(session, row.organization_id):
        await _keep_stop(session, row.organization_id)
    return True


async def is_settled(session: Session, top_up_id: str, taken: Money | None, *, by: datetime) -> bool:
    """Whether an operator has settled it after the moment `by`, and no other sum than that is taken back now."""
    settled_at = await findings.closed_at(session, code=CODE, subject_type=SUBJECT, subject_id=top_up_id)
    if settled_at is None or settled_at < by or taken is None:
        return False
    row = (await session.execute(select(top_up).where(top_up.c.id == top_up_id))).one()
    return taken == Money(row.taken_back, row.currency)


async def _stopped_for(session: Session, found: StoredFinding) -> str | None:
    """Whose launches may be stopped for what a finding is about; None if nobody's."""
    if (found.code, found.subject_type) == (STOP_CODE, STOP_SUBJECT):
        return found.subject_id
    if (found.code, found.subject_type) != (CODE, SUBJECT):
        return None
    owner = select(top_up.c.organization_id).where(top_up.c.id == found.subject_id)
    return (await session.execute(owner)).scalar_one_or_none()


async def _lock(session: Session, found: StoredFinding) -> None:
    organization_id = await _stopped_for(session, found)
    if organization_id is not None:
        await lock_launch_stop(session, organization_id)


async def _why_not(session: Session, found: Sequence[StoredFinding]) -> dict[str, Refusal]:
    """A stop of launches stands while something that was taken back is not settled: it ends with the last of those."""
    stops = {one.subject_id: one.id for one in found if (one.code, one.subject_type) == (STOP_CODE, STOP_SUBJECT)}
    left: defaultdict[str, list[Row[Any]]] = defaultdict(list)
    for row in await _unsettled(session, list(stops)):
        left[row.organization_id].append(row)
    return {
        stops[organization_id]: Refusal(
            Conflict,
            f"Launches are stopped for what was taken back of {_names(top_ups)}, which is not settled.",
            advice=f"Resolve each of its findings {CODE}: launches go on with the last.",
        )
        for organization_id, top_ups in left.items()
    }


async def _follow(session: Session, found: StoredFinding) -> None:
    """Launches go on with the last one of what was taken back."""
    organization_id = await _stopped_for(session, found)
    if organization_id is not None and await launches.are_stopped(session, organization_id):
        await _keep_stop(session, organization_id)


CONSEQUENCES = {code: Consequences(_lock, _why_not, _follow) for code in (CODE, STOP_CODE)}
"""What follows from closing a finding about money that was taken back, or a stop of launches."""


async def _keep_stop(session: Session, organization_id: str) -> None:
    """Let the stop of launches say what of the organization's top-ups is not settled; it ends when everything is."""
    stop = {"code": STOP_CODE, "subject_type": STOP_SUBJECT, "subject_id": organization_id}
    left = await _unsettled(session, [organization_id])
    if not left:
        await findings.close_finding(session, **stop)
        return
    detail = {"top_ups": _names(left)}
    await findings.open_finding(session, **stop, severity=Severity.CRITICAL, amounts=_amounts(left), detail=detail)


async def _unsettled(session: Session, organization_ids: Sequence[str]) -> Sequence[Row[Any]]:
    """The organizations' top-ups of which something was taken back that no operator has settled, oldest first."""
    found = await findings.subjects(session, code=CODE, subject_type=SUBJECT)
    theirs = select(top_up).where(top_up.c.organization_id.in_(organization_ids), top_up.c.id.in_(found))
    return (await session.execute(theirs.order_by(top_up.c.seq))).all()


async def _is_unsettled(session: Session, top_up_id: str) -> bool:
    """Whether no operator has settled what was taken back of it."""
    return await findings.is_open(session, code=CODE, subject_type=SUBJECT, subject_id=top_up_id)


def _names(top_ups: Sequence[Row[Any]]) -> str:
    return ", ".join(row.id for row in top_ups)


def _amounts(top_ups: Sequence[Row[Any]]) -> dict[str, Money]:
    """What was taken back of top-ups, and what of it is set aside, spent or settled; by itself in a second currency."""
    sums: dict[str, Money] = {}
    for row in top_ups:
        parts = {
            "taken back": row.taken_back,
            "set aside": row.taken_aside,
            "spent": row.taken_back - row.taken_aside - row.taken_settled,
        }
        if row.taken_settled:
            parts["settled"] = row.taken_settled
        for part, micro in parts.items():
            name = part if row.currency == top_ups[0].currency else f"{part} in {row.currency}"
            sums[name] = sums.get(name, Money.zero(row.currency)) + Money(micro, row.currency)
    return sums


async def _say(session: Session, row: Row[Any], amounts: dict[str, Money]) -> None:
    await findings.open_finding(
        session,
        code=CODE,
        subject_type=SUBJECT,
        subject_id=row.id,
        severity=Severity.CRITICAL,
        amounts=amounts,
        detail={"organization_id": row.organization_id, "charge_id": row.charge_id},
    )
