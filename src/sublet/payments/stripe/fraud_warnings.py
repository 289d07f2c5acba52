"""Early fraud warnings: what a card's issuer thinks is fraud can be refunded before it is disputed."""

from typing import Any

from sqlalchemy import Row, select

from sublet.core.db import Session
from sublet.core.money import Money
from sublet.core.outbox import publish
from sublet.findings import findings
from sublet.findings.findings import Severity
from sublet.payments.models import top_up
from sublet.payments.stripe.events import FraudWarned

CODE = "payments.fraud_warning"
SUBJECT = "top_up"


async def tell(session: Session, event: Row[tuple[Any, ...]], top_up_id: str) -> None:
    """Have operators look at a payment that its card's issuer warns of, and tell them, once for each payment.

    Nothing is refunded by itself: that is for a person, who sees what it was spent on.
    """
    paid = (await session.execute(select(top_up).where(top_up.c.id == top_up_id).with_for_update())).one()
    amount = Money(paid.amount if paid.credited is None else paid.credited, paid.currency)
    about = {"code": CODE, "subject_type": SUBJECT, "subject_id": top_up_id}
    if not await findings.is_open(session, **about):
        told = FraudWarned(top_up_id=top_up_id, customer_id=paid.organization_id, amount=amount.field())
        await publish(session, told, subject=top_up_id, organization_id=None)
    await findings.open_finding(
        session,
        **about,
        severity=Severity.ERROR,
        amounts={"paid": amount},
        detail={"organization_id": paid.organization_id, "warning": event.object_id},
    )
