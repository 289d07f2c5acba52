"""One allocation with all about it: state, cost, limits, evidence, the latest operation, and what may be done."""

from typing import Any

from sqlalchemy import Row, select, text

from sublet.allocations.actions import Situation, refusals
from sublet.allocations.models import operation
from sublet.allocations.schemas import (
    AllocationActionOut,
    AllocationOut,
    CostOut,
    FundsOut,
    OperationOut,
    PlaceOut,
    SshOut,
    ssh_command,
)
from sublet.billing.cost import Cost, cost_of
from sublet.billing.policy import Policy
from sublet.billing.standing import standing
from sublet.core.access import Actor
from sublet.core.db import Session
from sublet.core.errors import NotFound
from sublet.core.money import Money, Rate

_WHOLE = """
    SELECT a.id, a.organization_id, a.name, a.state, a.wanted, a.currency, a.sku, a.price, a.login, a.created_at,
           a.started_at, a.ended_at, a.release_requested_at, a.failure, a.enforced, a.evidence, a.operation_id,
           n.node_id, n.name AS node_name, n.limits_enforced, n.address, n.port, coalesce(h.rest, 0) AS held
      FROM allocation a
      JOIN node_capacity n ON n.node_id = a.node_id
      LEFT JOIN ledger.open_hold h ON h.id = a.hold_id
     WHERE a.organization_id = :organization_id AND
"""
_BY_ID = text(f"{_WHOLE} a.id = :wanted")
_BY_NAME = text(f"{_WHOLE} a.name = :wanted AND a.ended_at IS NULL")


async def of(session: Session, actor: Actor, id_or_name: str, *, policy: Policy) -> AllocationOut:
    """One allocation of the actor's organization, by id or by the name of one that has not ended; NotFound."""
    statement = _BY_ID if "_" in id_or_name else _BY_NAME  # names have none, ids always do
    found = await session.execute(statement, {"organization_id": actor.organization, "wanted": id_or_name})
    row = found.one_or_none()
    if row is None:
        raise NotFound("allocation", id_or_name)
    cost = (await cost_of(session, [row.id])).get(row.id)
    stands = await standing(session, row.organization_id, currency=row.currency, policy=policy)
    funds = FundsOut(runway_seconds=None, warning=None, suspend_at=None)
    if row.ended_at is None:
        funds = FundsOut(runway_seconds=stands.runway.seconds, warning=stands.warning, suspend_at=stands.suspend_at)
    out_of_funds = stands.out_of_funds and row.ended_at is None
    situation = Situation.of(actor, row.organization_id, row.state, row.wanted, out_of_funds=out_of_funds)
    return AllocationOut(
        id=row.id,
        name=row.name,
        state=row.state,
        sku=row.sku,
        price=row.price,
        node=PlaceOut(id=row.node_id, name=row.node_name, limits_enforced=row.limits_enforced),
        login=None if row.started_at is None else row.login,
        ssh=_ssh(row),
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        release_requested_at=row.release_requested_at,
        failure=row.failure,
        delivered_seconds=0 if cost is None else cost.delivered_seconds,
        cost=_cost(row, cost),
        funds=funds,
        enforced=row.enforced,
        evidence=row.evidence,
        actions=[
            AllocationActionOut(name=name, allowed=why_not is None, reason=why_not)
            for name, why_not in refusals(situation).items()
        ],
        operation=await _operation(session, row.operation_id),
    )


def _ssh(row: Row[Any]) -> SshOut | None:
    if not row.state == row.wanted == "active":
        return None
    return SshOut(host=row.address, port=row.port, command=ssh_command(row.login, row.address, row.port))


def _cost(row: Row[Any], cost: Cost | None) -> CostOut:
    """What was never metered has cost nothing, as of its launch."""
    nothing = Money.zero(row.currency)
    return CostOut(
        charged=(nothing if cost is None else cost.charged).field(),
        accrued=(nothing if cost is None else cost.accrued).field(),
        total=(nothing if cost is None else cost.total).field(),
        held=Money(row.held, row.currency).field(),
        rate=(Rate(0, row.currency) if cost is None else cost.rate).field(),
        as_of=row.created_at if cost is None else cost.as_of,
    )


async def _operation(session: Session, operation_id: str | None) -> OperationOut | None:
    if operation_id is None:
        return None
    row = (await session.execute(select(operation).where(operation.c.id == operation_id))).one()
    return OperationOut.model_validate(row)
