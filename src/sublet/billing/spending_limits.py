"""Setting and clearing the limits of what an organization spends."""

from sqlalchemy import text

from sublet.audit.record import record
from sublet.billing.audit import SpendingLimitRecord
from sublet.billing.events import SpendingLimitSet
from sublet.billing.spend import Scope
from sublet.core.actors import Actor
from sublet.core.amounts import read_money
from sublet.core.db import Session
from sublet.core.errors import InvalidInput, NotFound
from sublet.core.money import Money
from sublet.core.outbox import publish

DENIED = "Only owners, admins and billing members of the organization may change spending limits."

_MINE = """organization_id = :organization_id AND currency = :currency AND scope = :scope
       AND subject_id IS NOT DISTINCT FROM CAST(:subject_id AS text)"""
_BEFORE = text(
    f"SELECT scope, subject_id, currency, amount FROM spending_limit WHERE {_MINE} FOR UPDATE"  # noqa: S608 - constant
)
# What was told and reached was so of the limit before.
_SET = text(
    """
    INSERT INTO spending_limit (organization_id, currency, scope, subject_id, amount, set_by)
    VALUES (:organization_id, :currency, :scope, :subject_id, :amount, :set_by)
    ON CONFLICT (organization_id, currency, scope, subject_id) DO UPDATE
       SET amount = excluded.amount, set_by = excluded.set_by, set_at = clock_timestamp(), period_start = NULL,
           told_percent = 0, reached_at = NULL
    """
)
_CLEAR = text(f"DELETE FROM spending_limit WHERE {_MINE}")  # noqa: S608 - a constant expression
_FORGET = text("DELETE FROM spending_limit WHERE subject_id = :subject_id")


def read_amount(amount: str, currency: str) -> Money:
    """The amount of a limit as it was given; InvalidInput says why it cannot be one."""
    found = read_money(amount, currency, field="amount")
    if found.micro <= 0:
        raise InvalidInput("A spending limit is more than zero. Nothing was changed.", field="amount")
    return found


async def set_limit(
    session: Session, actor: Actor, amount: Money, *, scope: Scope, subject_id: str | None = None
) -> None:
    """Let the actor's organization spend so much at most, in a day, a month, or on one of its subjects.

    What was reached before counts anew against the new amount. The caller knows that the wallet, or the subject, is
    the organization's and has the currency.
    """
    mine = _mine(actor, amount.currency, scope, subject_id)
    before = await _before(session, mine)
    await session.execute(_SET, {**mine, "amount": amount.micro, "set_by": actor.shown_as})
    after = SpendingLimitRecord(scope=scope, subject_id=subject_id, currency=amount.currency, amount=amount.micro)
    await record(session, actor, "spending_limit.set", "organization", actor.organization, before=before, after=after)
    told = SpendingLimitSet(scope=scope, subject_id=subject_id, amount=amount.field())
    await publish(session, told, subject=actor.organization, organization_id=actor.organization)


async def clear_limit(
    session: Session, actor: Actor, *, currency: str, scope: Scope, subject_id: str | None = None
) -> None:
    """Take a limit away: what it suspended resumes. NotFound where there is none."""
    mine = _mine(actor, currency, scope, subject_id)
    before = await _before(session, mine)
    if before is None:
        raise NotFound("spending limit", subject_id or scope)
    await session.execute(_CLEAR, mine)
    await record(session, actor, "spending_limit.cleared", "organization", actor.organization, before=before)
    told = SpendingLimitSet(scope=scope, subject_id=subject_id, amount=None)
    await publish(session, told, subject=actor.organization, organization_id=actor.organization)


async def forget(session: Session, subject_id: str) -> None:
    """What has ended needs no limit."""
    await session.execute(_FORGET, {"subject_id": subject_id})


def _mine(actor: Actor, currency: str, scope: Scope, subject_id: str | None) -> dict[str, str | None]:
    about = {"organization_id": actor.organization, "currency": currency}
    return {**about, "scope": scope, "subject_id": subject_id}


async def _before(session: Session, mine: dict[str, str | None]) -> SpendingLimitRecord | None:
    row = (await session.execute(_BEFORE, mine)).one_or_none()
    return None if row is None else SpendingLimitRecord.model_validate(row)
