"""What went back of a payment: its refunds and disputes, booked together, and what that means for launches."""

from typing import Any

from sqlalchemy import Row

from sublet.core.db import Session
from sublet.findings import findings, launches
from sublet.ledger import disputes as ledger
from sublet.payments import launch_stop
from sublet.payments.disputes import outcomes as disputes
from sublet.payments.refunds import outcomes as refunds
from sublet.payments.stripe.processor import CheckoutSeen

EARLIER_CODE = "payments.taken_back"
"""What was found when nothing booked it yet."""


async def apply(session: Session, top_up: Row[tuple[Any, ...]], seen: CheckoutSeen) -> None:
    """Make our books agree with what went back of a payment that is credited; what is owed is paid if it can be.

    The caller holds the lock of its organization's stop of launches.
    """
    assert seen.charge_id is not None  # a paid intent has it
    if top_up.taken_back > 0:
        await ledger.release_beginning(session, f"taken-back:{top_up.id}:")
        await findings.close_finding(session, code=EARLIER_CODE, subject_type="top_up", subject_id=top_up.id)
    await refunds.apply(session, top_up, seen.charge_id, seen.refunds)
    await disputes.apply(session, top_up, seen.charge_id, seen.disputes)
    if seen.refunds or seen.disputes or await launches.are_stopped(session, top_up.organization_id):
        await ledger.pay_owed(session, top_up.organization_id, currency=top_up.currency)
        await launch_stop.keep(session, top_up.organization_id)
