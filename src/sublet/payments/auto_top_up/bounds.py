"""What a customer wants of auto top-up: set, shown with how it stands, and turned off."""

from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from sublet.audit.record import record
from sublet.billing.policy import Policy
from sublet.core.actions import Refusal, actions_of
from sublet.core.actors import Actor, Permission
from sublet.core.amounts import read_money
from sublet.core.clock import database_now
from sublet.core.currencies import micro_per_charge
from sublet.core.db import Session
from sublet.core.errors import Conflict, InvalidInput
from sublet.core.money import Money
from sublet.core.outbox import publish
from sublet.core.work import leases
from sublet.ledger import wallets
from sublet.payments.auto_top_up.audit import AutoTopUpRecord
from sublet.payments.auto_top_up.decision import decide
from sublet.payments.auto_top_up.events import AutoTopUpSet
from sublet.payments.auto_top_up.facts import AutoTopUpRow, known
from sublet.payments.cards.card import default_of
from sublet.payments.models import auto_top_up
from sublet.payments.schemas import AutoTopUp, AutoTopUpRequest
from sublet.payments.top_ups.requests import read_top_up_amount

WORK = "auto_top_up"
DENIED = "Only owners, admins and billing members of the organization may change auto top-up."

_wanted = auto_top_up.c


def work_id(organization_id: str, currency: str) -> str:
    """The row of work of one wallet."""
    return f"{organization_id}:{currency}"


class NoCardToCharge(Conflict):
    """Auto top-up charges the default card, and there is none."""

    code = "no_card_to_charge"
    title = "There is no card to charge"


_NO_CARD = Refusal(
    NoCardToCharge,
    "Your organization has no default card that auto top-up could charge.",
    "Save a card first, or make one the default.",
    outcome="Nothing was changed and nothing is charged.",
)
_OFF_ALREADY = Refusal(Conflict, "Auto top-up is off already.")


def why_not_set(*, has_card: bool) -> Refusal | None:
    """Why auto top-up cannot be turned on, or changed while it is."""
    return None if has_card else _NO_CARD


def why_not_turn_off(row: AutoTopUpRow | None) -> Refusal | None:
    """Why auto top-up cannot be turned off."""
    return None if row is not None and row.enabled else _OFF_ALREADY


def read_bounds(request: AutoTopUpRequest) -> tuple[Money, Money, Money]:
    """Threshold, amount and monthly cap as asked for; InvalidInput says which one cannot be."""
    amount = read_top_up_amount(request.amount, request.currency, field="amount")
    threshold = _read(request.threshold, request.currency, "threshold")
    cap = _read(request.monthly_cap, request.currency, "monthly_cap")
    if threshold < Money.zero(request.currency):
        raise InvalidInput("The threshold is zero or more. Nothing was changed.", field="threshold")
    if cap < amount:
        raise InvalidInput(
            f"The monthly cap is {cap} and one top-up {amount}: nothing could ever be topped up. Nothing was changed.",
            field="monthly_cap",
        )
    return threshold, amount, cap


def _read(given: str, currency: str, field: str) -> Money:
    found = read_money(given, currency, field=field)
    if found.micro % micro_per_charge(currency):
        raise InvalidInput(f"{found} is finer than cards are charged. Nothing was changed.", field=field)
    return found


async def turn_on(session: Session, actor: Actor, request: AutoTopUpRequest) -> None:
    """Have the default card charged from now on whenever the funds fall below the threshold.

    It counts declines anew, so it also goes on where it had stopped. NotFound for an organization without a wallet.
    """
    threshold, amount, cap = read_bounds(request)
    await wallets.wallet(session, actor.organization, currency=amount.currency)
    card = await default_of(session, actor.organization)
    if refusal := why_not_set(has_card=card is not None):
        raise refusal.problem
    await _set(
        session,
        actor,
        amount.currency,
        threshold=threshold.micro,
        amount=amount.micro,
        monthly_cap=cap.micro,
        enabled=True,
    )


async def turn_off(session: Session, actor: Actor, *, currency: str) -> None:
    """Charge nothing by itself any more. A charge that is under way goes on."""
    row = await read(session, actor.organization, currency=currency)
    if refusal := why_not_turn_off(row):
        raise refusal.problem
    await _set(session, actor, currency, enabled=False)


async def _set(session: Session, actor: Actor, currency: str, *, enabled: bool, **bounds: int) -> None:
    before = await read(session, actor.organization, currency=currency, lock=True)
    values = {**bounds, "enabled": enabled, "set_by": actor.shown_as, "set_at": func.clock_timestamp()}
    if before is None:
        made = insert(auto_top_up).values(organization_id=actor.organization, currency=currency, **values)
        change = made.on_conflict_do_update(index_elements=[_wanted.organization_id, _wanted.currency], set_=values)
        after = (await session.execute(change.returning(auto_top_up))).one()
    else:
        mine = (_wanted.organization_id == actor.organization) & (_wanted.currency == currency)
        after = (await session.execute(auto_top_up.update().where(mine).values(**values).returning(auto_top_up))).one()
    await leases.make_due(session, WORK, work_id(actor.organization, currency), place=actor.organization)
    event = AutoTopUpSet(enabled=enabled)
    await publish(session, event, subject=actor.organization, organization_id=actor.organization)
    was = AutoTopUpRecord.model_validate(before) if before is not None else None
    became = AutoTopUpRecord.model_validate(after)
    await record(session, actor, "auto_top_up.set", "organization", actor.organization, before=was, after=became)


async def read(session: Session, organization_id: str, *, currency: str, lock: bool = False) -> AutoTopUpRow | None:
    """What is wanted for one wallet; None if nobody ever said."""
    query = select(auto_top_up).where(_wanted.organization_id == organization_id, _wanted.currency == currency)
    return (await session.execute(query.with_for_update() if lock else query)).one_or_none()


async def view(session: Session, actor: Actor, *, currency: str, policy: Policy) -> AutoTopUp:
    """What is wanted and how it stands, as the API shows it."""
    row = await read(session, actor.organization, currency=currency)
    card = await default_of(session, actor.organization)
    setting, ending = {"set": why_not_set(has_card=card is not None)}, {"turn_off": why_not_turn_off(row)}
    actions = [
        *actions_of(actor, Permission.AUTO_TOP_UP_MANAGE, DENIED, setting, pays_in=True),
        *actions_of(actor, Permission.AUTO_TOP_UP_MANAGE, DENIED, ending),
    ]
    if row is None:
        return AutoTopUp(currency=currency, enabled=False, standing="off", actions=actions)
    found, under_way = await known(session, row, policy=policy)
    decision = decide(found)
    again = decision.again_seconds
    now = await database_now(session)
    return AutoTopUp(
        currency=currency,
        enabled=row.enabled,
        threshold=found.threshold.field(),
        amount=found.amount.field(),
        monthly_cap=found.monthly_cap.field(),
        charged_this_month=found.charged_this_month.field(),
        standing=decision.standing.value,
        declines=found.declines,
        tries_again_at=None if again is None else now + timedelta(seconds=again),
        top_up_id=under_way,
        actions=actions,
    )
