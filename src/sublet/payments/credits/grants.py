"""Credit that an operator gives to one organization."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, select

from sublet.approvals import approvals
from sublet.approvals.approvals import Approval, MayNow
from sublet.approvals.states import ApprovalState
from sublet.audit.record import record
from sublet.core.actors import Actor, Permission
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.errors import InvalidInput
from sublet.core.ids import new_id
from sublet.core.money import Money
from sublet.ledger import credits as ledger
from sublet.payments.audit import CreditRecord
from sublet.payments.credits import budget
from sublet.payments.models import credit_grant

ACT = "credit.grant"


@dataclass(frozen=True, slots=True)
class Grant:
    """Credit that was given."""

    id: str
    organization_id: str
    amount: Money
    reason: str
    granted_by_name: str
    expires_at: datetime | None
    created_at: datetime


async def grant(
    session: Session,
    actor: Actor,
    organization_id: str,
    amount: Money,
    *,
    valid_days: int | None,
    reason: str,
    budget_a_month: str,
    may_now: MayNow,
) -> tuple[Grant | None, Approval | None]:
    """Give so much, for so many days or (None) for ever; the customer reads the reason. It pays no debt.

    What is more than the budget of the month still holds takes a second person: unless the approval that comes back is
    used, it was only asked for, and nothing is given. NoWallet for an organization without one in that currency.
    """
    if amount.micro <= 0:
        raise InvalidInput("Credit is of more than nothing. Nothing was given.", field="amount")
    stands = await budget.lock(session, a_month=budget_a_month, currency=amount.currency)
    approval = None
    if amount > stands.left:
        approval = await approvals.consume_or_request(
            session,
            actor,
            act=ACT,
            subject=organization_id,
            parameters={"amount": asdict(amount.field()), "valid_days": valid_days},
            reason=reason,
            permission=Permission.ADMIN_CREDIT_GRANT,
            may_now=may_now,
        )
        if approval.state is not ApprovalState.USED:
            return None, approval
    grant_id = new_id("crg")
    expires_at = None if valid_days is None else await database_now(session) + timedelta(days=valid_days)
    entry = await ledger.grant(
        session,
        organization_id,
        amount,
        idempotency_key=f"credit:{grant_id}",
        reason=reason,
        expires_at=expires_at,
        source=("credit_grant", grant_id),
    )
    made = await session.execute(
        credit_grant.insert()
        .values(
            id=grant_id,
            organization_id=organization_id,
            amount=amount.micro,
            currency=amount.currency,
            reason=reason,
            granted_by=actor.user_id or actor.shown_as,
            granted_by_name=actor.name or actor.shown_as,
            approval_id=None if approval is None else approval.id,
            entry_id=entry.id,
            expires_at=expires_at,
        )
        .returning(credit_grant)
    )
    await record(
        session,
        actor,
        "credit.granted",
        "credit",
        grant_id,
        after=CreditRecord(organization_id=organization_id, amount=str(amount), expires_at=expires_at, reason=reason),
        organization_id=organization_id,
    )
    return _grant(made.one()), approval


async def newest(
    session: Session, *, before: int | None, limit: int, organization_id: str | None
) -> Sequence[tuple[int, Grant]]:
    """Up to `limit` grants older than the sequence number `before`, newest first, each with its own."""
    query = select(credit_grant).order_by(credit_grant.c.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(credit_grant.c.seq < before)
    if organization_id is not None:
        query = query.where(credit_grant.c.organization_id == organization_id)
    return [(row.seq, _grant(row)) for row in await session.execute(query)]


def _grant(row: Row[tuple[Any, ...]]) -> Grant:
    return Grant(
        row.id,
        row.organization_id,
        Money(row.amount, row.currency),
        row.reason,
        row.granted_by_name,
        row.expires_at,
        row.created_at,
    )
