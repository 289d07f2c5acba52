"""Money that the processor gave back or lost again: out of what can be spent at once, and for a person to resolve.

Nothing here books it: until refunds and disputes are booked, an operator does. What is certain is that credit which the
card holder has back may not be spent as well.
"""

from typing import Any

from sqlalchemy import Row, select, update

from sublet.core.db import Session
from sublet.core.money import Money
from sublet.core.telemetry import get_logger
from sublet.findings import findings, launches
from sublet.findings.findings import Severity
from sublet.findings.launches import STOP_CODE, STOP_SUBJECT
from sublet.ledger import holds, wallets
from sublet.payments.models import top_up

log = get_logger(__name__)

CODE = "payments.taken_back"


async def note(session: Session, top_up_id: str, taken: Money) -> bool:
    """Withhold what can still be spent of `taken`, all that was taken back of a top-up so far; False if nothing is new.

    Sums may come in any order and any number of times. What was spent already stops the organization's launches. What
    was set aside for something else when the sum was first seen is withheld by a later look, once it is given back.
    """
    row = (await session.execute(select(top_up).where(top_up.c.id == top_up_id).with_for_update())).one()
    if taken.currency != row.currency:
        # Nobody knows what that is of the wallet's money: nothing is withheld, and a person has to look.
        await _say(session, row, {"taken back": taken})
        return False
    grew = taken.micro > row.taken_back
    if not grew and not await _is_unsettled(session, top_up_id):
        return False
    taken = Money(max(taken.micro, row.taken_back), row.currency)
    wallet = await wallets.wallet(session, row.organization_id, currency=row.currency)
    missing = Money(taken.micro - row.taken_aside, row.currency)
    aside = max(min(missing, wallet.available), Money.zero(row.currency))
    set_aside = Money(row.taken_aside + aside.micro, row.currency)
    if aside.micro > 0:
        key = f"taken-back:{top_up_id}:{set_aside.micro}"
        await holds.withhold(session, row.organization_id, aside, subject_id=key, idempotency_key=key)
    elif not grew:
        return False
    changed = {"taken_back": taken.micro, "taken_aside": set_aside.micro}
    await session.execute(update(top_up).where(top_up.c.id == top_up_id).values(changed))
    amounts = {"taken back": taken, "set aside": set_aside, "spent": taken - set_aside}
    log.error("top_up.taken_back", top_up=top_up_id, taken=str(taken), spent=str(taken - set_aside))
    await _say(session, row, amounts)
    if (grew and set_aside < taken) or await launches.are_stopped(session, row.organization_id):
        await findings.open_finding(
            session,
            code=STOP_CODE,
            subject_type=STOP_SUBJECT,
            subject_id=row.organization_id,
            severity=Severity.CRITICAL,
            amounts=amounts,
            detail={"top_up_id": top_up_id},
        )
    return True


async def _is_unsettled(session: Session, top_up_id: str) -> bool:
    """Whether no operator has settled what was taken back of it."""
    return await findings.is_open(session, code=CODE, subject_type="top_up", subject_id=top_up_id)


async def _say(session: Session, row: Row[Any], amounts: dict[str, Money]) -> None:
    await findings.open_finding(
        session,
        code=CODE,
        subject_type="top_up",
        subject_id=row.id,
        severity=Severity.CRITICAL,
        amounts=amounts,
        detail={"organization_id": row.organization_id, "charge_id": row.charge_id},
    )
