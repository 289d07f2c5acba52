"""Promo codes: operators make and end them; an organization redeems each once, and guesses few."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.dialects.postgresql import insert

from sublet.approvals import approvals
from sublet.approvals.approvals import Approval, MayNow
from sublet.approvals.states import ApprovalState
from sublet.audit.record import record
from sublet.core.actions import Refusal
from sublet.core.actors import Actor, Permission
from sublet.core.clock import database_now
from sublet.core.db import Database, Session
from sublet.core.errors import Conflict, InvalidInput, NotFound
from sublet.core.ids import new_id
from sublet.core.money import Money
from sublet.identity import email_verification, throttles
from sublet.identity.errors import TooManyAttempts
from sublet.ledger import credits as ledger
from sublet.ledger import wallets
from sublet.payments.audit import PromoCodeRecord, RedemptionRecord
from sublet.payments.credits import budget
from sublet.payments.models import promo_code, promo_redemption

ACT = "promo_code.create"
GUESSES = throttles.Limit("promo_code", 20, 3600)
"""Codes that one organization may try: a code is hard to guess, and so nobody tries many."""
GUESSES_BY_ADDRESS = throttles.Limit("promo_code_address", 60, 3600)
"""Codes that nobody could redeem, tried from one address: beyond that it closes for nobody, as others are behind it
too, but an organization gets fewer tries there. So who signs up again and again gains little by it."""
FEW_GUESSES = 5
"""Codes that one organization may try where its address has had so many that were none."""


class PromoCodeRefused(Conflict):
    """There is no such code, or it can no longer be redeemed: nobody is told which."""

    code = "promo_code_refused"
    title = "This code gives nothing"


class AlreadyRedeemed(Conflict):
    """The organization has redeemed the code."""

    code = "promo_code_already_redeemed"


class AddressNotVerified(Conflict):
    """Whoever would redeem the code has not shown that their address is theirs, and mails are sent here."""

    code = "address_not_verified"
    title = "Your address is not verified"


class PromoCodeTaken(Conflict):
    """A code of those letters was made before."""

    code = "promo_code_taken"


class PromoCodeOver(Conflict):
    """The code has ended already."""

    code = "promo_code_over"


@dataclass(frozen=True, slots=True)
class PromoCode:
    """A code, what it gives, and how far it is used; `is_over` when nobody can redeem it any more."""

    seq: int
    id: str
    code: str
    amount: Money
    most_uses: int
    uses: int
    valid_days: int | None
    expires_at: datetime
    reason: str
    made_by_name: str
    created_at: datetime
    ended_at: datetime | None
    is_over: bool


_USES = (
    select(func.count())
    .where(promo_redemption.c.promo_code_id == promo_code.c.id)
    .correlate(promo_code)
    .scalar_subquery()
)
_SHOWN = select(
    promo_code, _USES.label("uses"), (promo_code.c.expires_at <= func.clock_timestamp()).label("has_expired")
)


async def make(
    session: Session,
    actor: Actor,
    code: str,
    amount: Money,
    *,
    most_uses: int,
    days: int,
    valid_days: int | None,
    reason: str,
    budget_a_month: str,
    may_now: MayNow,
) -> tuple[PromoCode | None, Approval | None]:
    """A code that can be redeemed for `days`; what it gives lasts `valid_days` from then, or (None) for ever.

    All that it could give counts against the budget of the month: beyond that, a second person has to approve it.
    """
    if amount.micro <= 0:
        raise InvalidInput("A code gives more than nothing. Nothing was made.", field="amount")
    whole = Money(amount.micro * most_uses, amount.currency)
    stands = await budget.lock(session, a_month=budget_a_month, currency=amount.currency)
    approval = None
    if whole > stands.left:
        approval = await approvals.consume_or_request(
            session,
            actor,
            act=ACT,
            subject=code,
            parameters={
                "amount": asdict(amount.field()),
                "most_uses": most_uses,
                "days": days,
                "valid_days": valid_days,
            },
            reason=reason,
            permission=Permission.ADMIN_CREDIT_GRANT,
            may_now=may_now,
        )
        if approval.state is not ApprovalState.USED:
            return None, approval
    new = await session.execute(
        insert(promo_code)
        .values(
            id=new_id("prm"),
            code=code,
            amount=amount.micro,
            currency=amount.currency,
            most_uses=most_uses,
            valid_days=valid_days,
            expires_at=await database_now(session) + timedelta(days=days),
            reason=reason,
            made_by=actor.user_id or actor.shown_as,
            made_by_name=actor.name or actor.shown_as,
            approval_id=None if approval is None else approval.id,
        )
        .on_conflict_do_nothing(index_elements=["code"])
        .returning(promo_code.c.id)
    )
    code_id = new.scalar_one_or_none()
    if code_id is None:
        raise PromoCodeTaken(f"The code {code} was made before. Nothing was made. Choose another one.")
    made = await get(session, code_id)
    await record(session, actor, "promo_code.created", "promo_code", made.id, after=_recorded(made))
    return made, approval


def _recorded(one: PromoCode) -> PromoCodeRecord:
    return PromoCodeRecord(
        code=one.code,
        amount=str(one.amount),
        most_uses=one.most_uses,
        valid_days=one.valid_days,
        expires_at=one.expires_at,
        ended_at=one.ended_at,
        reason=one.reason,
    )


def why_not_end(one: PromoCode) -> Refusal | None:
    """Why the code cannot be ended now."""
    if one.ended_at is None:
        return None
    return Refusal(PromoCodeOver, f"The code {one.code} was ended before.")


async def end(session: Session, actor: Actor, code_id: str) -> PromoCode:
    """From now on nobody redeems the code; what it has given stays. NotFound, PromoCodeOver."""
    before = await get(session, code_id, lock=True)
    refusal = why_not_end(before)
    if refusal is not None:
        raise refusal.problem
    await session.execute(update(promo_code).where(promo_code.c.id == code_id).values(ended_at=func.clock_timestamp()))
    after = await get(session, code_id)
    await record(
        session, actor, "promo_code.ended", "promo_code", code_id, before=_recorded(before), after=_recorded(after)
    )
    return after


async def why_not_redeem(session: Session, actor: Actor, *, mail_is_sent: bool) -> Refusal | None:
    """Why the actor cannot redeem any code: one gift to each organization is worth little where those cost nothing."""
    if not mail_is_sent:
        return None
    address = await email_verification.of(session, str(actor.user_id))
    if address.verified_at is not None:
        return None
    return Refusal(
        AddressNotVerified,
        f"Nobody has shown yet that {address.email} is your address.",
        "Open the link in the mail that was sent to it, or have another one sent.",
        outcome="Nothing was given.",
    )


async def redeem(database: Database, actor: Actor, typed: str, *, currency: str, mail_is_sent: bool) -> Money:
    """Take what a code gives into the organization's wallet, once; returns how much that was.

    AddressNotVerified, TooManyAttempts, PromoCodeRefused (the same for a code that is over, for one that gives another
    currency than wallets are kept in, and for none), AlreadyRedeemed. Each try counts for the organization, and for the
    address unless it turns out to be of a code that can be redeemed; before it is looked at, in a transaction of its
    own.
    """
    address = throttles.address_of(actor.address)
    at_address = await _count(database, actor, address, mail_is_sent=mail_is_sent)
    try:
        given = await _redeem(database, actor, typed, currency=currency)
    except AlreadyRedeemed:
        await _take_back(database, at_address, address)
        raise
    await _take_back(database, at_address, address)
    return given


async def _count(database: Database, actor: Actor, address: str, *, mail_is_sent: bool) -> throttles.Count:
    """Count a try before it is looked at; what was counted at the address. One that the organization may not make
    counts against nobody else."""
    async with database.transaction() as session:
        if refusal := await why_not_redeem(session, actor, mail_is_sent=mail_is_sent):
            raise refusal.problem
        mine = await throttles.count(session, GUESSES, actor.organization)
        at_address = None
        if not mine.wait_seconds:
            at_address = await throttles.count(session, GUESSES_BY_ADDRESS, address)
    if at_address is None:
        raise TooManyAttempts(mine.wait_seconds)
    if at_address.wait_seconds and mine.attempts > FEW_GUESSES:
        raise TooManyAttempts(at_address.wait_seconds)
    return at_address


async def _take_back(database: Database, at_address: throttles.Count, address: str) -> None:
    """A try was rightful. Beyond its limit the count does not grow, and so nothing is taken back from it either."""
    if not at_address.wait_seconds:
        async with database.transaction() as session:
            await throttles.refund(session, GUESSES_BY_ADDRESS, address)


async def _redeem(database: Database, actor: Actor, typed: str, *, currency: str) -> Money:
    organization_id = actor.organization
    async with database.transaction() as session:
        locked = select(promo_code.c.id).where(promo_code.c.code == typed.strip().upper())
        code_id = (await session.execute(locked.with_for_update(key_share=True))).scalar_one_or_none()
        if code_id is not None and await _has_redeemed(session, code_id, organization_id):
            raise AlreadyRedeemed(
                "Your organization has redeemed this code before, and each may once. Nothing was given."
            )
        one = None if code_id is None else await get(session, code_id)
        if one is None or one.is_over or one.amount.currency != currency:
            raise PromoCodeRefused(
                "There is no code like that, or it is over. Nothing was given. Look whether you typed it right."
            )
        return await _give(session, actor, one)


async def _give(session: Session, actor: Actor, one: PromoCode) -> Money:
    organization_id = actor.organization
    lasts_to = None if one.valid_days is None else await database_now(session) + timedelta(days=one.valid_days)
    await wallets.open_wallet(session, organization_id, currency=one.amount.currency)
    entry = await ledger.grant(
        session,
        organization_id,
        one.amount,
        idempotency_key=f"promo:{one.id}:{organization_id}",
        reason=f"Promo code {one.code}",
        expires_at=lasts_to,
        source=("promo_code", one.id),
    )
    await session.execute(
        promo_redemption.insert().values(
            promo_code_id=one.id,
            organization_id=organization_id,
            user_id=actor.user_id or actor.shown_as,
            entry_id=entry.id,
        )
    )
    await record(
        session,
        actor,
        "promo_code.redeemed",
        "promo_code",
        one.id,
        after=RedemptionRecord(organization_id=organization_id, amount=str(one.amount)),
        organization_id=organization_id,
    )
    return one.amount


async def _has_redeemed(session: Session, code_id: str, organization_id: str) -> bool:
    found = select(promo_redemption.c.entry_id).where(
        promo_redemption.c.promo_code_id == code_id, promo_redemption.c.organization_id == organization_id
    )
    return (await session.execute(found)).first() is not None


async def get(session: Session, code_id: str, *, lock: bool = False) -> PromoCode:
    """One code; NotFound."""
    query = _SHOWN.where(promo_code.c.id == code_id)
    row = (await session.execute(query.with_for_update(of=promo_code) if lock else query)).one_or_none()
    if row is None:
        raise NotFound("promo code", code_id)
    return _code(row)


async def newest(session: Session, *, before: int | None, limit: int) -> Sequence[PromoCode]:
    """Up to `limit` codes older than the sequence number `before`, newest first."""
    query = _SHOWN.order_by(promo_code.c.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(promo_code.c.seq < before)
    return [_code(row) for row in await session.execute(query)]


def _code(row: Row[tuple[Any, ...]]) -> PromoCode:
    return PromoCode(
        row.seq,
        row.id,
        row.code,
        Money(row.amount, row.currency),
        row.most_uses,
        row.uses,
        row.valid_days,
        row.expires_at,
        row.reason,
        row.made_by_name,
        row.created_at,
        row.ended_at,
        row.ended_at is not None or row.has_expired or row.uses >= row.most_uses,
    )
