"""What speaks for a disputed payment, gathered from where each part is kept."""

from datetime import datetime
from typing import Any, cast

from sqlalchemy import Row

from sublet.admin.evidence.schemas import (
    DisputeEvidenceOut,
    EvidenceAcceptedTermsOut,
    EvidenceAllocationOut,
    EvidenceChargeOut,
    EvidenceCustomerOut,
    EvidencePayerOut,
    EvidencePaymentOut,
    EvidencePersonOut,
    EvidenceRefundOut,
    EvidenceSignInOut,
    EvidenceStepOut,
    EvidenceSumOut,
)
from sublet.allocations.views import past
from sublet.audit import trail
from sublet.billing import usage
from sublet.client.evidence_text import fields_of
from sublet.client.shapes.evidence import Evidence
from sublet.core.db import Session
from sublet.core.money import Money
from sublet.identity import organizations, terms, users
from sublet.ledger import purchases
from sublet.payments.cards import card
from sublet.payments.disputes.schemas import DisputeOut
from sublet.payments.refunds import requests as refunds
from sublet.payments.top_ups import requests as top_ups

MOST_CHARGES = 200
MOST_SIGN_INS = 100
MOST_ALLOCATIONS = 50
MOST_STEPS = 50

HOW = {
    "login.succeeded": "signed in to the console",
    "terminal.opened": "opened a browser terminal",
    "ssh_certificate.issued": "got a certificate for SSH",
}
"""What of the trail shows that somebody came in, in words."""


async def gather(session: Session, dispute: Row[tuple[Any, ...]], shown: DisputeOut) -> DisputeEvidenceOut:
    """The evidence of a dispute as it is now, and the text of it that the bank is sent."""
    paid = await top_ups.get(session, dispute.top_up_id)
    spent = await purchases.paid_by(session, paid.charge_id) if paid.charge_id is not None else []
    entries = [one.entry_id for one in spent if not one.owed]
    charges = await usage.charges_in(session, dispute.organization_id, entries, limit=MOST_CHARGES)
    left_out = await usage.count_in(session, dispute.organization_id, entries) - len(charges)
    people = await organizations.people_of(session, dispute.organization_id)
    sums = await usage.sums_in(session, dispute.organization_id, entries, limit=MOST_ALLOCATIONS)
    zero = Money.zero(paid.currency)
    found = DisputeEvidenceOut(
        dispute=shown,
        customer=EvidenceCustomerOut(
            organization_id=dispute.organization_id,
            name=await organizations.name_of(session, dispute.organization_id),
            members=[EvidencePersonOut.model_validate(one) for one in people],
        ),
        payment=await _payment(session, paid),
        terms=[
            EvidenceAcceptedTermsOut.model_validate(one)
            for one in await terms.accepted_by(
                session, list({paid.requested_by, *(person.user_id for person in people)})
            )
        ],
        sign_ins=await _sign_ins(session, dispute.organization_id, paid.created_at),
        allocations=[
            await _allocation(session, one) for one in await past.launched(session, [one.subject_id for one in sums])
        ],
        sums=[_sum(one) for one in sums],
        sums_left_out=sums[0].subjects - len(sums) if sums else 0,
        charges=[_charge(one) for one in charges],
        charges_left_out=left_out,
        spent=sum((one.amount for one in spent), zero).field(),
        of_before=sum((one.amount for one in spent if one.owed), zero).field(),
        refunds=[
            EvidenceRefundOut(
                id=one.id,
                amount=Money(one.amount, one.currency).field(),
                state=one.state,
                reason=one.reason,
                created_at=one.created_at,
            )
            for one in await refunds.of_payment(session, paid.id)
        ],
        fields={},
    )
    return found.model_copy(update={"fields": fields_of(cast(Evidence, found.model_dump(mode="json")))})


async def _payment(session: Session, paid: Row[tuple[Any, ...]]) -> EvidencePaymentOut:
    payer = await users.by_id(session, paid.requested_by)
    return EvidencePaymentOut(
        top_up_id=paid.id,
        purpose=paid.purpose,
        amount=Money(paid.amount if paid.credited is None else paid.credited, paid.currency).field(),
        requested_by=paid.requested_by,
        payer=None if payer is None else EvidencePayerOut(user_id=payer.id, name=payer.name, email=payer.email),
        requested_at=paid.created_at,
        paid_at=paid.completed_at,
        payment_intent_id=paid.payment_intent_id,
        charge_id=paid.charge_id,
        customer_email=paid.customer_email,
        card=None if paid.saved_card_id is None else await card.described(session, paid.saved_card_id),
    )


async def _sign_ins(session: Session, organization_id: str, asked_at: datetime) -> list[EvidenceSignInOut]:
    rows = await trail.around(session, organization_id, asked_at, actions=list(HOW), limit=MOST_SIGN_INS)
    return [
        EvidenceSignInOut(
            at=row.occurred_at,
            how=HOW[row.action],
            user_id=row.actor_user_id,
            address=row.address,
            allocation_id=row.target_id if row.target_type == "allocation" else None,
        )
        for row in rows
    ]


async def _allocation(session: Session, one: Row[Any]) -> EvidenceAllocationOut:
    steps = await past.steps(session, one.id, limit=MOST_STEPS)
    return EvidenceAllocationOut(
        id=one.id,
        name=one.name,
        sku=one.sku["name"],
        launched_by=one.launched_by,
        launched_at=one.created_at,
        history=[EvidenceStepOut(at=row.at, to=row.to_state, reason=row.reason, by=row.actor) for row in steps],
    )


def _sum(one: Row[Any]) -> EvidenceSumOut:
    return EvidenceSumOut(
        subject_id=one.subject_id,
        name=one.name,
        charges=one.charges,
        since=one.since,
        until=one.until,
        seconds=one.seconds,
        amount=Money(one.amount, one.currency).field(),
        seen_from=one.seen_from,
        seen_until=one.seen_until,
        seen_count=one.seen_count,
    )


def _charge(one: usage.Charge) -> EvidenceChargeOut:
    return EvidenceChargeOut(
        id=str(one.id),
        subject_id=one.subject_id,
        name=one.subject_name,
        since=one.period_start,
        until=one.period_end,
        seconds=one.seconds,
        per_hour=one.rate.field(),
        amount=one.amount.field(),
        node_id=one.node_id,
        seen_from=one.seen_from,
        seen_until=one.evidence_at,
        seen_count=one.seen_count,
    )
