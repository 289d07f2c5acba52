"""Setups as rows: asked for, read back, and looked at again while somebody waits for one."""

from typing import Any

from sqlalchemy import Row, func, or_, select, text
from sqlalchemy.dialects.postgresql import insert

from sublet.core.actions import Refusal
from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.errors import Conflict, IdempotencyKeyReused, NotFound
from sublet.core.ids import new_id
from sublet.core.locks import Space, alone
from sublet.core.work import leases
from sublet.payments import installation
from sublet.payments.cards.states import SetupState
from sublet.payments.models import card_setup
from sublet.payments.schemas import CardSetup, CardSetupRequest, PaymentFailure
from sublet.payments.stripe.processor import Processor

SetupRow = Row[tuple[Any, ...]]

WORK = "card_setup"
_MOMENT_AGO = text("clock_timestamp() - interval '2 seconds'")
_HELD = text(
    """
    SELECT (SELECT count(*) FROM saved_card WHERE organization_id = :organization_id AND removed_at IS NULL)
           + (SELECT count(*) FROM card_setup WHERE organization_id = :organization_id AND state = 'pending')
    """
)


class TooManyCards(Conflict):
    """An organization has at most so many cards, with those that it is about to save."""

    code = "too_many_cards"
    title = "There are too many cards"


async def count(session: Session, organization_id: str) -> int:
    """How many cards an organization has, with the pages that are open for saving one."""
    held: int = (await session.execute(_HELD, {"organization_id": organization_id})).scalar_one()
    return held


def why_not_add(processor: Processor, held: int, *, most: int) -> Refusal | None:
    """Why an organization that holds so many cards saves no further one."""
    if refusal := processor.why_not_pay():
        return refusal
    if held < most:
        return None
    return Refusal(
        TooManyCards,
        f"Your organization has {held} cards, with the pages that are open for saving one, and {most} are the most.",
        "Remove one first; a page that nobody uses ends a day after it was opened.",
        outcome="No card was saved.",
    )


def landing(return_path: str, setup_id: str, *, cancelled: bool = False) -> str:
    """The console path that tells what became of a setup."""
    return f"{return_path}?view=cards&card_setup={setup_id}" + ("&cancelled=1" if cancelled else "")


async def request_setup(
    session: Session,
    actor: Actor,
    request: CardSetupRequest,
    *,
    processor: Processor,
    public_url: str,
    request_key: str | None,
    most: int,
) -> SetupRow:
    """Write down that a card is to be saved, before anything is asked of the processor.

    The same `request_key` of the same person gives the same setup; IdempotencyKeyReused if it asked for something else.
    """
    await alone(session, Space.SAVED_CARDS, actor.organization)
    held = await count(session, actor.organization)
    setup_id = new_id("su")
    base = public_url.rstrip("/")
    await session.execute(
        insert(card_setup)
        .values(
            id=setup_id,
            organization_id=actor.organization,
            installation_id=await installation.own_id(session),
            requested_by=actor.user_id or actor.kind,
            request_key=request_key,
            return_path=request.return_path,
            success_url=base + landing(request.return_path, setup_id),
            cancel_url=base + landing(request.return_path, setup_id, cancelled=True),
        )
        .on_conflict_do_nothing()
    )
    row = (
        await session.execute(
            select(card_setup).where(
                card_setup.c.organization_id == actor.organization,
                card_setup.c.requested_by == (actor.user_id or actor.kind),
                card_setup.c.request_key == request_key if request_key is not None else card_setup.c.id == setup_id,
            )
        )
    ).one()
    if row.return_path != request.return_path:
        raise IdempotencyKeyReused(
            f"This Idempotency-Key came before with another request: card setup {row.id}, which stays as it is. No "
            "card was saved now. Use a new key for a new request."
        )
    if row.id == setup_id:
        if refusal := why_not_add(processor, held, most=most):
            raise refusal.problem
        await leases.make_due(session, WORK, row.id, place=actor.organization)
    return row


async def read_setup(session: Session, actor: Actor, setup_id: str) -> SetupRow:
    """A setup of the actor's organization; NotFound for any other."""
    found = await session.execute(
        select(card_setup).where(card_setup.c.id == setup_id, card_setup.c.organization_id == actor.organization)
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound("card setup", setup_id)
    return row


async def poke_if_waiting(session: Session, row: SetupRow) -> None:
    """Have a worker look again at a setup that somebody is looking at, unless that was done just now."""
    if row.state != SetupState.PENDING or row.checkout_session_id is None:
        return
    stale = await session.execute(
        card_setup.update()
        .where(card_setup.c.id == row.id, or_(card_setup.c.looked_at.is_(None), card_setup.c.looked_at < _MOMENT_AGO))
        .values(looked_at=func.clock_timestamp())
    )
    if stale.rowcount:
        await leases.look_again(session, WORK, row.id, place=row.organization_id)


async def ensure_watched(session: Session) -> None:
    """Let every setup that waits for its card be looked at, whatever became of the work on it."""
    waits = await session.execute(select(card_setup.c.id).where(card_setup.c.state == SetupState.PENDING))
    await leases.ensure(session, WORK, sorted(waits.scalars()))


def view(row: SetupRow) -> CardSetup:
    """The row as the API shows it."""
    return CardSetup(
        id=row.id,
        state=row.state,
        checkout_url=row.checkout_url,
        failure=PaymentFailure(code=row.failure_code, message=row.failure_message) if row.failure_code else None,
        created_at=row.created_at,
        completed_at=row.completed_at,
    )
