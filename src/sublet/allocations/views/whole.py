"""One allocation with all about it: state, cost, limits, evidence, the latest operation, and what may be done."""

from typing import Any

from sqlalchemy import Row, select, text

from sublet.allocations import (
    actions,
    environment,
    incidents,
    labels,
    ports,
    restart,
    suspended_claim,
    traffic,
    upcoming_spend,
)
from sublet.allocations.actions import PortPlace, Situation
from sublet.allocations.models import operation
from sublet.allocations.schemas import (
    AllocationActionOut,
    AllocationOut,
    CostOut,
    FundsOut,
    IncidentOut,
    OperationOut,
    PlaceOut,
    SshOut,
    TrafficOut,
    ssh_command,
)
from sublet.allocations.views import past
from sublet.allocations.views import ports as port_views
from sublet.allocations.views.data_clock import data_kept_until
from sublet.billing.cost import Cost, cost_of
from sublet.billing.policy import Policy
from sublet.billing.standing import Standing, standing
from sublet.catalog.schemas import PriceOut
from sublet.core.actions import Refusal, actions_of
from sublet.core.actors import Actor, Permission
from sublet.core.db import Session
from sublet.core.errors import NotFound
from sublet.core.ids import is_id
from sublet.core.money import Money, Rate
from sublet.findings.launches import are_stopped
from sublet.fleet import states as node_states
from sublet.fleet.states import NodeState
from sublet.scheduling.offers import Launches

_WHOLE = """
    SELECT a.id, a.organization_id, a.name, a.state, a.wanted, a.suspended_for, a.nano_per_hour,
           a.claim_ended_at, a.currency, a.sku, a.price,
           a.login, a.created_at,
           a.started_at, a.ended_at, a.release_requested_at, a.failure, a.enforced, a.evidence, a.operation_id,
           a.sku_id, a.hold_id, a.claim_kept_until, a.waits_since,
           n.node_id, n.name AS node_name, n.limits_enforced, n.address, n.port,
           coalesce(h.rest, 0) AS held,
           p.leads_ports, p.first_port, p.last_port
      FROM allocation a
      JOIN node_capacity n ON n.node_id = a.node_id
      JOIN node_ports p ON p.node_id = a.node_id
      LEFT JOIN ledger.open_hold h ON h.id = a.hold_id
     WHERE a.organization_id = :organization_id AND
"""
_BY_ID = text(f"{_WHOLE} a.id = :wanted")
_BY_NAME = text(f"{_WHOLE} a.name = :wanted AND a.ended_at IS NULL")


async def of(session: Session, actor: Actor, id_or_name: str, *, policy: Policy, launches: Launches) -> AllocationOut:
    """One allocation of the actor's organization, by id or by the name of one that has not ended; NotFound."""
    statement = _BY_ID if is_id(id_or_name) else _BY_NAME
    found = await session.execute(statement, {"organization_id": actor.organization, "wanted": id_or_name})
    row = found.one_or_none()
    if row is None:
        raise NotFound("allocation", id_or_name)
    cost = (await cost_of(session, [row.id])).get(row.id)
    stands = await standing(session, row.organization_id, currency=row.currency, policy=policy)
    stopped = await are_stopped(session, row.organization_id)
    to_come = await upcoming_spend.more_to_come(session, row.organization_id, currency=row.currency)
    funds = _funds(row, stands, cost)
    at = await node_states.standing(session, row.node_id)
    anew = await restart.anew(session, actor, row, policy=policy, launches=launches)
    published = [] if row.ended_at is not None else await ports.of(session, row.id)
    carried = await traffic.of(session, row.id)
    lately = 0 if row.ended_at is not None else await ports.published_lately(session, row.id)
    place = PortPlace(leads_ports=row.leads_ports, first=row.first_port, last=row.last_port)
    return AllocationOut(
        id=row.id,
        name=row.name,
        state=row.state,
        sku=row.sku,
        price=row.price,
        restart_price=None if anew.price is None else PriceOut.of(anew.price),
        node=PlaceOut(id=row.node_id, name=row.node_name, limits_enforced=row.limits_enforced),
        login=None if row.started_at is None else row.login,
        ssh=_ssh(row),
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        release_requested_at=row.release_requested_at,
        claim_kept_until=row.claim_kept_until if row.wanted == "suspended" else None,
        claim_ended_at=row.claim_ended_at if row.wanted == "suspended" else None,
        waits_for_room_since=row.waits_since if row.suspended_for == "capacity" else None,
        failure=row.failure,
        delivered_seconds=0 if cost is None else cost.delivered_seconds,
        cost=_cost(row, cost),
        funds=funds,
        enforced=row.enforced,
        labels=await labels.of(session, row.id),
        environment=await environment.names_of(session, row.id),
        startup=await past.startup_in_short(session, row.id),
        evidence=row.evidence,
        ports=port_views.shown(actor, row, published),
        traffic=None if carried is None else TrafficOut.model_validate(carried, from_attributes=True),
        actions=_actions(
            actor,
            row,
            stands,
            more=await upcoming_spend.more_of(session, row.id, currency=row.currency),
            to_come=to_come,
            stopped=stopped,
            node_standing=at,
            has_room=await suspended_claim.has_room(session, row),
            policy=policy,
            publish=actions.why_not_publish(Situation.of(row), place, held=len(published), lately=lately),
            restarting=anew.refusal,
        ),
        operation=await _operation(session, row.operation_id),
        incidents=[IncidentOut.model_validate(one) for one in await incidents.latest(session, row.id)],
    )


def _funds(row: Row[Any], stands: Standing, cost: Cost | None) -> FundsOut:
    if row.ended_at is not None:
        return FundsOut(runway_seconds=None, warning=None, suspend_at=None, data_kept_until=None)
    return FundsOut(
        runway_seconds=stands.runway.seconds,
        warning=stands.warning,
        suspend_at=stands.suspend_at,
        data_kept_until=data_kept_until(row, stands, costs=cost is not None and cost.rate.nano_per_hour > 0),
    )


def _actions(
    actor: Actor,
    row: Row[Any],
    stands: Standing,
    *,
    more: Rate,
    to_come: Rate,
    stopped: bool,
    node_standing: NodeState,
    has_room: bool,
    policy: Policy,
    publish: Refusal | None,
    restarting: Refusal | None,
) -> list[AllocationActionOut]:
    now = Situation.of(row)
    managing: dict[str, Refusal | None] = {
        "release": actions.why_not_release(now),
        "suspend": actions.why_not_suspend(now),
        "resume": actions.why_not_resume(
            now,
            stands,
            more=more,
            resuming=to_come,
            stopped=stopped,
            node_standing=node_standing,
            has_room=has_room,
            policy=policy,
        ),
        "cancel": actions.why_not_cancel(now),
        "publish_port": publish,
    }
    entering = dict.fromkeys(("terminal", "ssh"), actions.why_not_enter(now))
    shown = actions_of(actor, Permission.ALLOCATION_MANAGE, actions.NOT_YOURS, managing)
    shown += actions_of(actor, Permission.ALLOCATION_LAUNCH, actions.NOT_YOURS, {"restart_elsewhere": restarting})
    shown += actions_of(actor, Permission.ALLOCATION_CONNECT, actions.NOT_YOURS, entering)
    return [AllocationActionOut.model_validate(action.model_dump()) for action in shown]


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
