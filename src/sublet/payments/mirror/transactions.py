"""What a balance transaction means for the books: each is kept once, and what it moved is booked as it says itself.

Payments, refunds and disputes are booked when they happen, in the currency that they are of. Their transactions bring
the fee, and where they are settled in another currency, what they came to in that. What nobody here can explain goes
to suspense, and a person is told.
"""

from typing import Any

from sqlalchemy import Row, false, or_, select
from sqlalchemy.dialects.postgresql import insert

from sublet.core.currencies import CurrencyUnknown
from sublet.core.db import Session
from sublet.core.errors import SubletError
from sublet.core.money import Money
from sublet.core.telemetry import get_logger, log_failure
from sublet.findings import findings
from sublet.findings.findings import Severity
from sublet.ledger import processor as ledger
from sublet.ledger import top_ups as fees
from sublet.payments import installation
from sublet.payments.models import stripe_transaction, top_up
from sublet.payments.stripe.transactions import CHARGE, DISPUTE, REFUND, BalanceTransaction, Listed, Origin

log = get_logger(__name__)

UNEXPLAINED_CODE = "payments.unexplained"
NOT_MIRRORED_CODE = "payments.not_mirrored"
SUBJECT = "processor_object"

OURS, SUSPENSE, ELSEWHERE = "ours", "suspense", "elsewhere"

FEES = frozenset({"stripe_fee", "stripe_fx_fee", "network_cost"})
"""Types of what the processor takes for itself, beside its fee of a payment."""

PAYOUTS = frozenset({"payout", "payout_failure", "payout_cancel"})

TopUpRow = Row[tuple[Any, ...]]


async def keep(session: Session, found: BalanceTransaction, *, top_up_id: str | None = None) -> str | None:
    """Keep a balance transaction and book it, any number of times; the top-up that has to be looked at because of it.

    `top_up_id` is the top-up that it is known to be of; otherwise it is looked for by all that its origin names. No
    wallet changes: what a customer has paid or had back is booked when the top-up is looked at.
    """
    paid = await _top_up_of(session, found.origin, top_up_id)
    whose = await _whose(session, found, paid)
    inserted = await session.execute(
        insert(stripe_transaction)
        .values(
            id=found.id,
            type=found.type,
            amount=found.amount.micro,
            fee=found.fee.micro,
            currency=found.amount.currency,
            source=found.source,
            created_at=found.created_at,
            available_on=found.available_on,
            whose=whose,
        )
        .on_conflict_do_nothing()
        .returning(stripe_transaction.c.id)
    )
    is_new = inserted.first() is not None
    if not is_new:  # whatever it was taken for then
        kept = select(stripe_transaction.c.whose).where(stripe_transaction.c.id == found.id)
        whose = (await session.execute(kept)).scalar_one()
    await findings.close_finding(session, code=NOT_MIRRORED_CODE, subject_type=SUBJECT, subject_id=found.id)
    # What is in suspense was booked when it was kept; an earlier release booked other parts of it than this one.
    if whose == ELSEWHERE or (whose == SUSPENSE and not is_new):
        return None
    if whose == SUSPENSE:
        if found.fee.micro > 0:  # whatever it is of, the processor has kept it
            await fees.post_fee(session, found.fee, transaction_id=found.id, source_id=found.id, source_type=SUBJECT)
        await _suspend(session, found, found.amount if found.fee.micro > 0 else found.net, is_new=is_new)
        return None
    await _book(session, found, paid, is_new=is_new)
    return str(paid.id) if paid is not None and _may_be_news(found, paid, is_new=is_new) else None


async def tell_not_kept(session: Session, found: Listed, error: Exception) -> None:
    """Tell a person, once, of a transaction that could not be kept; the finding closes when it is."""
    if isinstance(error, CurrencyUnknown) and found.created_at < await installation.made_at(session):
        return  # it was there before, is nobody's here, and the account may have thousands of them
    about = {"code": NOT_MIRRORED_CODE, "subject_type": SUBJECT, "subject_id": found.id}
    if not await findings.is_open(session, **about):
        log_failure(log, "balance_transaction.not_kept", error, transaction=found.id, type=found.type)
    said = str(error) if isinstance(error, SubletError) else type(error).__name__
    await findings.open_finding(
        session,
        **about,
        severity=Severity.ERROR,
        amounts={},
        detail={"type": found.type, "amount": found.amount, "created_at": found.created_at.isoformat(), "said": said},
    )


def _may_be_news(found: BalanceTransaction, paid: TopUpRow, *, is_new: bool) -> bool:
    """Whether a transaction may tell of what nobody has told of its top-up."""
    if found.origin.kind == CHARGE:
        return bool(paid.state != "succeeded")
    return is_new and found.origin.kind in (REFUND, DISPUTE)


async def _top_up_of(session: Session, origin: Origin, known: str | None) -> TopUpRow | None:
    if origin.kind not in (CHARGE, REFUND, DISPUTE):
        return None
    named = (
        (top_up.c.id, known or origin.top_up_id),
        (top_up.c.charge_id, origin.charge_id),
        (top_up.c.payment_intent_id, origin.payment_intent_id),
    )
    # What it does not name is no match: a top-up that nobody has paid yet has no charge and no intent either.
    is_it = or_(false(), *(column == value for column, value in named if value is not None))
    row: TopUpRow | None = (await session.execute(select(top_up).where(is_it).limit(1))).one_or_none()
    return row


async def _whose(session: Session, found: BalanceTransaction, paid: TopUpRow | None) -> str:
    """Whose money it moved. Several installations may take payments through one account, which was there before."""
    origin = found.origin
    if paid is not None and origin.amount is not None and origin.amount.currency == paid.currency:
        return OURS
    if origin.installation_id is not None and origin.installation_id != await installation.own_id(session):
        return ELSEWHERE
    if origin.charge_id is not None and origin.kind != CHARGE:
        of_charge = select(stripe_transaction.c.whose).where(stripe_transaction.c.source == origin.charge_id).limit(1)
        charged = (await session.execute(of_charge)).scalar_one_or_none()
        if charged in (OURS, ELSEWHERE):  # also of a payment of ours that nobody has told of yet
            return str(charged)
    if found.created_at < await installation.made_at(session):
        return ELSEWHERE
    if found.type in PAYOUTS or (found.type in FEES and found.amount.micro < 0):
        return OURS
    return SUSPENSE


async def _book(session: Session, found: BalanceTransaction, paid: TopUpRow | None, *, is_new: bool) -> None:
    """Book a transaction of ours; what of it is left over goes to suspense."""
    kind, source_id = found.origin.kind, found.source or found.id
    if kind == DISPUTE:
        return  # its movements are booked with the dispute, which has a fee of its own
    if found.fee.micro > 0:
        about = {"source_id": source_id, "source_type": SUBJECT}
        if paid is not None and kind == CHARGE:
            about = {"source_id": str(paid.id), "source_type": "top_up"}
        await fees.post_fee(session, found.fee, transaction_id=found.id, **about)
    left = found.amount
    if found.fee.micro < 0:
        left -= found.fee
    if found.type in PAYOUTS:
        await ledger.payout(session, found.amount, transaction_id=found.id, source_id=source_id)
        left -= found.amount
    elif found.type in FEES:
        await fees.post_fee(session, -found.amount, transaction_id=found.id, source_id=found.id, source_type=SUBJECT)
        left -= found.amount
    elif found.origin.amount is not None:
        way = 1 if found.amount.micro >= 0 else -1
        booked = Money(way * found.origin.amount.micro, found.origin.amount.currency)
        if booked.currency == found.amount.currency:
            left -= booked
        else:
            await ledger.exchange(
                session,
                booked,
                found.amount,
                transaction_id=found.id,
                source_type=SUBJECT,
                source_id=source_id,
            )
            left -= found.amount
    if left.micro:
        await _suspend(session, found, left, is_new=is_new)


async def _suspend(session: Session, found: BalanceTransaction, amount: Money, *, is_new: bool) -> None:
    """Book what nobody can explain, and tell a person of it once, until what it is of has left suspense again.

    What goes back of a payment is counted with the payment.
    """
    source_id = found.origin.charge_id or found.source or found.id
    if amount.micro:
        await ledger.suspend(session, amount, transaction_id=found.id, source_type=SUBJECT, source_id=source_id)
    left = await ledger.in_suspense(session, source_id, currency=amount.currency)
    about = {"code": UNEXPLAINED_CODE, "subject_type": SUBJECT, "subject_id": source_id}
    if not left.micro:
        await findings.close_finding(session, **about)
    elif is_new:
        log.error("balance_transaction.unexplained", transaction=found.id, type=found.type, amount=str(amount))
        await findings.open_finding(
            session,
            **about,
            severity=Severity.ERROR,
            amounts={"in suspense": left},
            detail={"type": found.type, "transaction": found.id, "created_at": found.created_at.isoformat()},
        )
