"""What a payment's standing at the processor means here: credited once, fee posted once, or ended without money."""

from collections.abc import Collection
from enum import Enum
from typing import Any

from sqlalchemy import Row, select, update

from sublet.billing import data_clock
from sublet.core.db import Session
from sublet.core.money import Money
from sublet.core.telemetry import get_logger
from sublet.findings import findings
from sublet.findings.findings import Severity
from sublet.ledger import top_ups as ledger
from sublet.payments import launch_stop
from sublet.payments.mirror import transactions
from sublet.payments.models import top_up
from sublet.payments.stripe.processor import CheckoutSeen, PageRefused
from sublet.payments.stripe.transactions import BalanceTransaction
from sublet.payments.top_ups import taken_back
from sublet.payments.top_ups.states import OPEN, TopUpState, move

log = get_logger(__name__)


SUBJECT = "top_up"
NOT_CREDITED_CODE = "payments.not_credited"
AMOUNT_DIFFERS_CODE = "payments.amount_differs"
PAGE_UNKNOWN_CODE = "payments.page_unknown"
PAGE_REFUSED_CODE = "payments.page_refused"


class Applied(Enum):
    """What became of a sighting: there is more to wait for, or nothing, or it is for a person to see to."""

    WAITING = "waiting"
    DONE = "done"
    NOT_UNDERSTOOD = "not understood"


async def apply(session: Session, top_up_id: str, seen: CheckoutSeen | PageRefused) -> Applied:
    """Make our books agree with what was seen, in the session's transaction.

    Money in a currency that the wallet does not keep is a finding, once, and changes nothing. So is a page that the
    processor will not show; if it does not even know the page, a top-up that waits for money fails. Sightings may be
    applied in any order and any number of times: money that arrived wins over everything else, and ledger entries are
    keyed by the processor's own ids.
    """
    row = (await session.execute(select(top_up).where(top_up.c.id == top_up_id).with_for_update())).one()
    if isinstance(seen, PageRefused):
        await _give_up_looking(session, row, seen)
        return Applied.NOT_UNDERSTOOD
    for code in (PAGE_UNKNOWN_CODE, PAGE_REFUSED_CODE):  # it was shown again
        await findings.close_finding(session, code=code, subject_type=SUBJECT, subject_id=top_up_id)
    if await _is_in_another_currency(session, row, seen):
        return Applied.NOT_UNDERSTOOD
    return Applied.DONE if await _apply(session, row, seen) else Applied.WAITING


async def told_of(session: Session, among: Collection[str]) -> set[str]:
    """Those among top-ups whose payment a person was told of because nothing more can be done about it here.

    Whatever that person settled, nothing changes by itself; only a page that was refused is asked for again then.
    """
    about: dict[str, Any] = {"subject_type": SUBJECT, "among": among}
    return {
        *await findings.subjects(session, code=NOT_CREDITED_CODE, ever=True, **about),
        *await findings.subjects(session, code=PAGE_UNKNOWN_CODE, ever=True, **about),
        *await findings.subjects(session, code=PAGE_REFUSED_CODE, **about),
    }


async def note_told(session: Session, top_up_id: str, what: str) -> bool:
    """Add what the processor told to the open finding about the top-up that it belongs to; False if there is none."""
    for code in (NOT_CREDITED_CODE, PAGE_UNKNOWN_CODE, PAGE_REFUSED_CODE):
        if await findings.note_seen(session, code=code, subject_type=SUBJECT, subject_id=top_up_id, what=what):
            return True
    return False


async def _give_up_looking(session: Session, row: Row[tuple[object, ...]], seen: PageRefused) -> None:
    log.error("top_up.page_refused", top_up=row.id, page=row.checkout_session_id, said=seen.said)
    await findings.open_finding(
        session,
        code=PAGE_UNKNOWN_CODE if seen.unknown else PAGE_REFUSED_CODE,
        subject_type=SUBJECT,
        subject_id=str(row.id),
        severity=Severity.CRITICAL,
        amounts={"asked": Money(row.amount, row.currency)},
        detail={
            "organization_id": row.organization_id,
            "checkout_session_id": row.checkout_session_id,
            "state": row.state,
            "said": seen.said,
        },
    )
    if seen.unknown and row.state in OPEN:
        await move(
            session,
            str(row.id),
            TopUpState.FAILED,
            reason="the processor does not know its payment page",
            failure_code="checkout_unknown",
            failure_message="The card processor does not know the payment page. If you paid on it, ask the operator.",
            checkout_url=None,
        )


async def _is_in_another_currency(session: Session, row: Row[tuple[object, ...]], seen: CheckoutSeen) -> bool:
    """Whether money arrived that is not the wallet's kind, which a person is told of; settled, it is not told again."""
    if not seen.paid or row.state == TopUpState.SUCCEEDED:
        return False
    assert seen.received is not None  # a paid intent has it
    about = {"code": NOT_CREDITED_CODE, "subject_type": SUBJECT, "subject_id": str(row.id)}
    if seen.received.currency == row.currency:
        await findings.close_finding(session, **about)
        return False
    if await findings.closed_at(session, **about) is not None or await findings.is_open(session, **about):
        return True
    log.error("top_up.not_credited", top_up=row.id, payment_intent=seen.intent_id, received=str(seen.received))
    await findings.open_finding(
        session,
        **about,
        severity=Severity.CRITICAL,
        amounts={"asked": Money(row.amount, row.currency), "received": seen.received},
        detail={"organization_id": row.organization_id, "payment_intent_id": seen.intent_id},
    )
    return True


async def _apply(session: Session, row: Row[tuple[object, ...]], seen: CheckoutSeen) -> bool:
    """True when nothing is left to wait for."""
    top_up_id = str(row.id)
    if seen.paid:
        await launch_stop.lock(session, str(row.organization_id))
        await _credit(session, row, seen)
        await taken_back.apply(session, row, seen)
        return await _settle_fee(session, row, seen.transaction)
    if row.state not in OPEN:
        return row.state != TopUpState.SUCCEEDED or row.fee is not None
    if seen.session_status == "expired" or seen.intent_status == "canceled":
        code, message = seen.failure or ("checkout_expired", "The payment page was left without paying.")
        await move(
            session,
            top_up_id,
            TopUpState.EXPIRED,
            reason="the payment page expired",
            failure_code=code,
            failure_message=message,
            checkout_url=None,
        )
        return True
    if row.saved_card_id is not None and await _waits_for_holder(session, row, seen):
        return False
    declined = seen.session_status == "complete" or row.saved_card_id is not None
    if declined and seen.intent_status == "requires_payment_method":
        code, message = seen.failure or ("payment_failed", "The payment failed.")
        await move(
            session,
            top_up_id,
            TopUpState.FAILED,
            reason="the payment failed",
            failure_code=code,
            failure_message=message,
            checkout_url=None,
        )
        return True
    await _still_open(session, row, seen)
    return False


async def _waits_for_holder(session: Session, row: Row[tuple[object, ...]], seen: CheckoutSeen) -> bool:
    """Whether the bank wants the holder of a saved card to confirm its charge, which they may try more than once."""
    code, message = seen.failure or ("authentication_required", "The bank asks the holder of the card to confirm.")
    asked = seen.intent_status == "requires_action" or code in _ASKS_HOLDER
    if seen.intent_status == "processing" or not asked:
        return False
    values = {"failure_code": code, "failure_message": message}
    if row.state != TopUpState.NEEDS_ACTION:
        reason = "the bank asks the holder of the card"
        await move(session, str(row.id), TopUpState.NEEDS_ACTION, reason=reason, **values)
    elif row.failure_code != code:
        await session.execute(
            update(top_up).where(top_up.c.id == row.id).values(failure_code=code, failure_message=message)
        )
    return True


_ASKS_HOLDER = frozenset({"authentication_required", "payment_intent_authentication_failure"})


async def _credit(session: Session, row: Row[tuple[object, ...]], seen: CheckoutSeen) -> None:
    if row.state == TopUpState.SUCCEEDED:
        return
    assert seen.received is not None  # a paid intent has all three
    assert seen.intent_id is not None
    assert seen.charge_id is not None
    asked = Money(row.amount, row.currency)
    if seen.received != asked:
        log.warning("top_up.amount_differs", top_up=row.id, asked=str(asked), received=str(seen.received))
        await findings.open_finding(
            session,
            code=AMOUNT_DIFFERS_CODE,
            subject_type=SUBJECT,
            subject_id=str(row.id),
            severity=Severity.WARNING,
            amounts={"asked": asked, "received": seen.received},
            detail={"organization_id": row.organization_id, "payment_intent_id": seen.intent_id},
        )
    await ledger.credit(
        session,
        row.organization_id,
        seen.received,
        payment_intent_id=seen.intent_id,
        charge_id=seen.charge_id,
        source_id=row.id,
    )
    await data_clock.note_top_up(session, row.organization_id, currency=seen.received.currency)
    await move(
        session,
        row.id,
        TopUpState.SUCCEEDED,
        reason="the payment arrived",
        payment_intent_id=seen.intent_id,
        charge_id=seen.charge_id,
        credited=seen.received.micro,
        failure_code=None,
        failure_message=None,
        checkout_url=None,
    )


async def _settle_fee(session: Session, row: Row[tuple[object, ...]], found: BalanceTransaction | None) -> bool:
    """Book the payment by its balance transaction, with the fee; False while the processor has none yet.

    An account that settles in another currency pays the fee in that one: it is posted there, and not on the top-up,
    whose fee is in the currency of the payment.
    """
    if found is None:
        return row.fee is not None
    if row.fee is not None:
        return True
    await transactions.keep(session, found, top_up_id=str(row.id))
    if found.fee.currency != row.currency:
        return True
    await session.execute(
        update(top_up).where(top_up.c.id == row.id).values(fee=found.fee.micro, balance_transaction_id=found.id)
    )
    return True


async def _still_open(session: Session, row: Row[tuple[object, ...]], seen: CheckoutSeen) -> None:
    """Keep the last decline for the customer to read; `processing` is only for pages that were left after paying."""
    code, message = seen.failure or (None, None)
    if (row.failure_code, row.failure_message) != (code, message):
        await session.execute(
            update(top_up).where(top_up.c.id == row.id).values(failure_code=code, failure_message=message)
        )
    waiting = seen.session_status == "complete" or seen.intent_status == "processing"
    if waiting and row.state == TopUpState.PENDING:
        await move(session, row.id, TopUpState.PROCESSING, reason="paid, and the bank has not answered yet")
    elif not waiting and row.state == TopUpState.PROCESSING:
        await move(session, row.id, TopUpState.PENDING, reason="the payment page is still open")
