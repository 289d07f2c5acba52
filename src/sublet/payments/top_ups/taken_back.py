"""Money that the processor gave back or lost again: out of what can be spent at once, and for a person to resolve.

Nothing here books it: until refunds and disputes are booked, an operator does. What is certain is that credit which the
card holder has back may not be spent as well.
"""

from sqlalchemy import select, update

from sublet.core.db import Session
from sublet.core.money import Money
from sublet.core.telemetry import get_logger
from sublet.findings import findings
from sublet.findings.findings import Severity
from sublet.findings.launches import STOP_CODE, STOP_SUBJECT
from sublet.ledger import holds, wallets
from sublet.payments.models import top_up

log = get_logger(__name__)

CODE = "payments.taken_back"


async def note(session: Session, top_up_id: str, taken: Money) -> bool:
    """Set aside what can still be spent of `taken`, all that was taken back of a top-up so far; False if that is known.

    Sums may come in any order and any number of times. What was spent already stops the organization's launches.
    """
    row = (await session.execute(select(top_up).where(top_up.c.id == top_up_id).with_for_update())).one()
    fresh = Money(taken.micro - row.taken_back, taken.currency)
    if taken.currency != row.currency or fresh.micro <= 0:
        return False
    wallet = await wallets.wallet(session, row.organization_id, currency=row.currency)
    aside = min(fresh, max(wallet.available, Money.zero(row.currency)))
    if aside.micro > 0:
        key = f"taken-back:{top_up_id}:{taken.micro}"
        await holds.place(session, row.organization_id, aside, subject_id=key, idempotency_key=key)
    set_aside = Money(row.taken_aside + aside.micro, row.currency)
    changed = {"taken_back": taken.micro, "taken_aside": set_aside.micro}
    await session.execute(update(top_up).where(top_up.c.id == top_up_id).values(changed))
    amounts = {"taken back": taken, "set aside": set_aside, "spent": taken - set_aside}
    log.error("top_up.taken_back", top_up=top_up_id, taken=str(taken), spent=str(taken - set_aside))
    detail = {"organization_id": row.organization_id, "charge_id": row.charge_id}
    await findings.open_finding(
        session,
        code=CODE,
        subject_type="top_up",
        subject_id=top_up_id,
        severity=Severity.CRITICAL,
        amounts=amounts,
        detail=detail,
    )
    if set_aside < taken:
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
