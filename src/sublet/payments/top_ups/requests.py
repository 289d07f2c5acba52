"""Top-ups as rows: asked for, read back, and marked when the customer returns from paying."""

import hmac
from collections.abc import Sequence
from urllib.parse import urlencode

from sqlalchemy import Row, func, or_, select, text
from sqlalchemy.dialects.postgresql import insert

from sublet.core.actions import Refusal, actions_of
from sublet.core.actors import Actor, Permission
from sublet.core.amounts import read_money
from sublet.core.currencies import micro_per_charge
from sublet.core.db import Session
from sublet.core.errors import Conflict, IdempotencyKeyReused, InvalidInput, NotFound
from sublet.core.ids import new_id
from sublet.core.locks import Space, alone
from sublet.core.money import Money
from sublet.core.runtime import NotConfigured
from sublet.core.work import leases
from sublet.core.work.leases import Lease
from sublet.identity import organizations
from sublet.ledger import wallets
from sublet.payments import installation
from sublet.payments.models import top_up
from sublet.payments.schemas import PaymentFailure, TopUp, TopUpRequest
from sublet.payments.stripe.processor import Processor
from sublet.payments.top_ups import off_session
from sublet.payments.top_ups.checkout import LEASE_SECONDS, WORK, TopUpRow
from sublet.payments.top_ups.states import OPEN, TopUpState, move

LIMITS = {
    currency: (Money.parse(smallest, currency), Money.parse(largest, currency))
    for currency, smallest, largest in (
        ("USD", "5", "5000"),
        ("EUR", "5", "5000"),
        ("GBP", "5", "5000"),
        ("CHF", "5", "5000"),
        ("JPY", "500", "500000"),
        ("KWD", "2", "2000"),
    )
}
"""The smallest and largest top-up, in each currency that can be paid in."""
MEMBERS_SEARCHED = 200
RETURN_ROUTE = "/api/v1/top-ups/{id}/return"
_MOMENT_AGO = text("clock_timestamp() - interval '2 seconds'")


class AmountNotAllowed(InvalidInput):
    """The amount is outside the limits, or finer than cards are charged."""

    code = "amount_not_allowed"
    title = "This amount cannot be put in"


class TooManyOpenTopUps(Conflict):
    """An organization has at most so many payments open at a time."""

    code = "too_many_open_top_ups"
    title = "Too many payments are open"


def refuse_unpayable(currency: str) -> None:
    """NotConfigured for a currency that nobody could pay in."""
    if currency not in LIMITS:
        raise NotConfigured(
            f"SUBLET_CURRENCY is {currency}, and cards can be charged in {', '.join(LIMITS)} only: nobody could top "
            "up. Nothing was started. Set it to one of these, or leave the card processor's key away."
        )


def read_top_up_amount(given: str, currency: str, *, field: str = "amount") -> Money:
    """An amount that can be put in; AmountNotAllowed tells which rule it breaks, of which field."""
    amount = read_money(given, currency, field=field, nothing="Nothing was charged.", refusal=AmountNotAllowed)
    if amount.currency not in LIMITS:
        raise AmountNotAllowed(
            f"Top-ups are not taken in {amount.currency}. Nothing was charged. Pay in the currency of your wallet.",
            field="currency",
        )
    smallest, largest = LIMITS[amount.currency]
    if not smallest <= amount <= largest:
        raise AmountNotAllowed(
            f"A top-up is from {smallest.decimal_string()} to {largest.decimal_string()} {amount.currency}, and "
            f"{amount.decimal_string()} is not. Nothing was charged.",
            field=field,
        )
    step = Money(micro_per_charge(amount.currency), amount.currency)
    if amount.micro % step.micro:
        raise AmountNotAllowed(f"Cards are charged in steps of {step}. Nothing was charged.", field=field)
    return amount


_COUNT_OPEN = text(
    """
    SELECT count(*) FROM top_up
     WHERE organization_id = :organization_id AND state IN ('pending', 'processing', 'needs_action')
    """
)


async def count_open(session: Session, organization_id: str) -> int:
    """How many payments of an organization are open: begun, and neither paid nor given up."""
    counted: int = (await session.execute(_COUNT_OPEN, {"organization_id": organization_id})).scalar_one()
    return counted


def why_not_top_up(open_ones: int, *, most: int) -> Refusal | None:
    """Why an organization that has so many payments open begins no further one."""
    if open_ones < most:
        return None
    return Refusal(
        TooManyOpenTopUps,
        f"Your organization has {open_ones} payments open, and {most} may be at a time.",
        "Pay one of them on its page, or wait: a page that nobody pays on ends a day after it was opened.",
        outcome="No payment was begun and nothing was charged.",
    )


async def why_not_pay(
    session: Session, organization_id: str, *, processor: Processor, most_open: int
) -> Refusal | None:
    """Why an organization can begin no payment now."""
    return processor.why_not_pay() or why_not_top_up(await count_open(session, organization_id), most=most_open)


async def request_top_up(
    session: Session,
    actor: Actor,
    request: TopUpRequest,
    *,
    public_url: str,
    request_key: str | None,
    most_open: int,
) -> tuple[TopUpRow, Lease | None]:
    """Write down what is wanted, before anything is asked of the processor; with the lease to go on at once.

    The same `request_key` of the same person gives the same top-up, also when the first answer never arrived or was
    forgotten; IdempotencyKeyReused if it asked for something else. There is no lease while somebody else works on it.
    NotFound for an organization without a wallet, TooManyOpenTopUps for one that has `most_open` already.
    """
    amount = read_top_up_amount(request.amount, request.currency)
    await wallets.wallet(session, actor.organization, currency=amount.currency)  # nobody pays into nothing
    await alone(session, Space.OPEN_TOP_UPS, actor.organization)
    open_ones = await count_open(session, actor.organization)
    top_up_id = new_id("tu")
    base = public_url.rstrip("/")
    # The processor puts the session's id in place of the braces, which must therefore not be encoded.
    success = base + RETURN_ROUTE.format(id=top_up_id) + "?session_id={CHECKOUT_SESSION_ID}"
    await session.execute(
        insert(top_up)
        .values(
            id=top_up_id,
            installation_id=await installation.own_id(session),
            organization_id=actor.organization,
            requested_by=actor.user_id or actor.kind,
            request_key=request_key,
            amount=amount.micro,
            currency=amount.currency,
            customer_email=await _email_of(session, actor),
            return_path=request.return_path,
            success_url=success,
            cancel_url=base + landing(request.return_path, top_up_id, cancelled="1"),
        )
        .on_conflict_do_nothing()
    )
    row = (
        await session.execute(
            select(top_up).where(
                top_up.c.organization_id == actor.organization,
                top_up.c.requested_by == (actor.user_id or actor.kind),
                top_up.c.request_key == request_key if request_key is not None else top_up.c.id == top_up_id,
            )
        )
    ).one()
    if (row.amount, row.currency, row.return_path) != (amount.micro, amount.currency, request.return_path):
        raise IdempotencyKeyReused(
            f"This Idempotency-Key came before with another request, for {Money(row.amount, row.currency)}: top-up "
            f"{row.id}, which stays as it is. Nothing was charged now. Use a new key for a new request."
        )
    if row.id == top_up_id:
        if refusal := why_not_top_up(open_ones, most=most_open):
            raise refusal.problem
        await leases.make_due(session, WORK, row.id, place=actor.organization)
    return row, await leases.lease_one(session, WORK, row.id, seconds=LEASE_SECONDS)


async def _email_of(session: Session, actor: Actor) -> str | None:
    """The payer's address, which the payment page then need not ask for."""
    known = await organizations.members(session, actor, actor.organization, after=None, limit=MEMBERS_SEARCHED)
    return next((member.email for member in known if member.user_id == actor.user_id), None)


def landing(return_path: str, top_up_id: str, **further: str) -> str:
    """The console path that tells the customer about a top-up."""
    return f"{return_path}?{urlencode({'top_up': top_up_id, **further})}"


async def read_top_up(session: Session, actor: Actor, top_up_id: str) -> TopUpRow:
    """A top-up of the actor's organization; NotFound for any other."""
    row = (
        await session.execute(
            select(top_up).where(top_up.c.id == top_up_id, top_up.c.organization_id == actor.organization)
        )
    ).one_or_none()
    if row is None:
        raise NotFound("top-up", top_up_id)
    return row


async def get(session: Session, top_up_id: str) -> TopUpRow:
    """One top-up, whosever it is; NotFound."""
    row = (await session.execute(select(top_up).where(top_up.c.id == top_up_id))).one_or_none()
    if row is None:
        raise NotFound("top-up", top_up_id)
    return row


async def list_top_ups(session: Session, actor: Actor, *, limit: int, before: int | None) -> Sequence[TopUpRow]:
    """Up to `limit` top-ups of the actor's organization, newest first, older than `before`."""
    query = select(top_up).where(top_up.c.organization_id == actor.organization)
    if before is not None:
        query = query.where(top_up.c.seq < before)
    return (await session.execute(query.order_by(top_up.c.seq.desc()).limit(limit))).all()


async def poke_if_waiting(session: Session, row: TopUpRow) -> None:
    """Have a worker refetch an open payment that somebody is looking at, unless that was done just now."""
    if row.state not in OPEN or (row.checkout_session_id is None and row.saved_card_id is None):
        return
    stale = await session.execute(
        top_up.update()
        .where(top_up.c.id == row.id, or_(top_up.c.looked_at.is_(None), top_up.c.looked_at < _MOMENT_AGO))
        .values(looked_at=func.clock_timestamp())
    )
    if stale.rowcount:
        await leases.look_again(session, WORK, row.id, place=row.organization_id)


async def customer_returned(session: Session, top_up_id: str, checkout_session_id: str) -> str:
    """The customer came back from paying: show `processing`, have the payment refetched; the path to land on.

    The processor gives its session's id only to who was on that page; without it nothing is marked.
    """
    row: Row[tuple[object, ...]] | None = (
        await session.execute(select(top_up).where(top_up.c.id == top_up_id).with_for_update())
    ).one_or_none()
    known = "" if row is None else str(row.checkout_session_id or "")
    if row is None or not hmac.compare_digest(known.encode(), checkout_session_id.encode()):
        raise NotFound("top-up", top_up_id)
    if row.state == TopUpState.PENDING:
        await move(session, top_up_id, TopUpState.PROCESSING, reason="the customer returned from the payment page")
        await leases.make_due(session, WORK, top_up_id, place=str(row.organization_id))
    return landing(str(row.return_path), top_up_id)


def view(actor: Actor, row: TopUpRow) -> TopUp:
    """The row as the API shows it."""
    denied = "Only owners, admins and billing members of the organization may confirm a payment."
    permitted = {"confirm": off_session.why_not_confirm(row)}
    return TopUp(
        id=row.id,
        purpose=row.purpose,
        saved_card_id=row.saved_card_id,
        amount=Money(row.amount if row.credited is None else row.credited, row.currency).field(),
        state=row.state,
        checkout_url=row.checkout_url if row.state == TopUpState.PENDING else None,
        failure=PaymentFailure(code=row.failure_code, message=row.failure_message) if row.failure_code else None,
        fee=Money(row.fee, row.currency).field() if row.fee is not None else None,
        created_at=row.created_at,
        completed_at=row.completed_at,
        actions=actions_of(actor, Permission.WALLET_TOP_UP, denied, permitted, pays_in=True),
    )
