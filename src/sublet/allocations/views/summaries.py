"""A page of allocations, each in summary: what a row of a list shows, and no more."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, text

from sublet.allocations.labels import Wanted
from sublet.allocations.list_schemas import (
    AdminAllocationOut,
    AllocationSummaryOut,
    CostSummaryOut,
    FundsSummaryOut,
    HourlyPriceOut,
    OwnerOut,
    SkuSummaryOut,
    SshCommandOut,
)
from sublet.allocations.schemas import FailureOut, OperatorErrorOut, PlaceOut, ssh_command
from sublet.allocations.states import AllocationState
from sublet.allocations.views.data_clock import data_kept_until
from sublet.billing.cost import COST
from sublet.billing.policy import Policy
from sublet.billing.standing import Standing, standings
from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.money import Money, Rate, RateField
from sublet.core.pages import Page, page_of
from sublet.identity import organizations

NEWEST = 2**62
_NO_FUNDS = FundsSummaryOut(runway_seconds=None, warning=None, data_kept_until=None)


@dataclass(frozen=True, slots=True)
class Query:
    """What a list is to hold: some states or all, newest first, below the sequence number `before`."""

    states: Sequence[str] | None
    include_ended: bool
    before: int | None
    limit: int
    labels: Sequence[Wanted] = ()

    def parameters(self) -> dict[str, Any]:
        """As parameters of a statement; one row more than asked for says that there is a next page."""
        return {
            "states": self.states,
            "include_ended": self.include_ended or self.states is not None,
            "before": NEWEST if self.before is None else self.before,
            "limit": self.limit + 1,
        }

    def label_parameters(self) -> dict[str, Any]:
        """What is asked for of labels, as parameters of the statement that looks for them."""
        return {
            "keys": [one.key for one in self.labels],
            "values": [one.value for one in self.labels],
            "wanted": len(self.labels),
        }


_PAGE = f"""
    SELECT a.seq, a.id, a.name, a.state, a.currency, a.created_at, a.started_at, a.ended_at,
           a.sku_id, a.sku ->> 'code' AS sku_code, a.sku ->> 'name' AS sku_name,
           n.node_id, n.name AS node_name, n.limits_enforced,
           coalesce(k.charged + k.accrued, 0) AS total, coalesce(k.nano_per_hour, 0) AS rate,
           coalesce(k.delivered_seconds, 0) AS delivered_seconds{{more}}
      FROM allocation a
      JOIN node_capacity n ON n.node_id = a.node_id
      LEFT JOIN LATERAL ({COST} WHERE m.subject_id = a.id) k ON true
      {{beside}}
     WHERE {{scope}} AND (CAST(:states AS text[]) IS NULL OR a.state = ANY(CAST(:states AS text[])))
       AND (:include_ended OR a.ended_at IS NULL) AND a.seq < :before
     ORDER BY a.seq DESC LIMIT :limit
"""  # noqa: S608 - only constant expressions
_OWN_COLUMNS = """, a.wanted, a.suspended_for, a.login, n.address, n.port,
           a.nano_per_hour AS price,
           (SELECT jsonb_object_agg(l.key, l.value) FROM allocation_label l
                 WHERE l.allocation_id = a.id) AS labels"""
_LABELLED = """JOIN (SELECT l.allocation_id
              FROM unnest(CAST(:keys AS text[]), CAST(:values AS text[])) AS w (key, value)
              JOIN allocation_label l ON l.organization_id = :organization_id AND l.key = w.key
                                     AND l.value = coalesce(w.value, l.value)
             GROUP BY l.allocation_id HAVING count(*) = :wanted) labelled ON labelled.allocation_id = a.id"""
_OF_ONE = "a.organization_id = :organization_id"
_MINE = text(_PAGE.format(scope=_OF_ONE, more=_OWN_COLUMNS, beside=""))
_MINE_LABELLED = text(_PAGE.format(scope=_OF_ONE, more=_OWN_COLUMNS, beside=_LABELLED))
_EVERYBODYS = text(
    _PAGE.format(
        scope="true",
        more="""
           , a.organization_id, a.failure, o.operator_error,
           extract(epoch FROM clock_timestamp() - a.state_since)::bigint AS state_seconds""",
        beside="LEFT JOIN allocation_operation o ON o.id = a.operation_id AND o.state <> 'succeeded'",
    )
)


async def of_organization(
    session: Session, actor: Actor, query: Query, *, policy: Policy
) -> Page[AllocationSummaryOut]:
    """A page of the allocations of the actor's organization."""
    parameters = {"organization_id": actor.organization, **query.parameters()}
    if query.labels:
        rows = (await session.execute(_MINE_LABELLED, {**parameters, **query.label_parameters()})).all()
    else:
        rows = (await session.execute(_MINE, parameters)).all()
    stands = await standings(session, actor.organization, policy=policy)
    return page_of(rows, query.limit, lambda row: _summary(row, stands.get(row.currency)), lambda row: [row.seq])


async def of_everybody(session: Session, query: Query) -> Page[AdminAllocationOut]:
    """A page of everybody's allocations, with whose each is and how long it has been in its state."""
    rows = (await session.execute(_EVERYBODYS, query.parameters())).all()
    names = await organizations.names(session, {row.organization_id for row in rows})
    return page_of(
        rows, query.limit, lambda row: _admin_summary(row, names[row.organization_id]), lambda row: [row.seq]
    )


def _summary(row: Row[Any], stands: Standing | None) -> AllocationSummaryOut:
    open_to_login = row.state == row.wanted == "active"
    return AllocationSummaryOut(
        id=row.id,
        name=row.name,
        state=AllocationState(row.state),
        sku=_sku(row),
        price=HourlyPriceOut(per_hour=_rate(row.price, row.currency)),
        node=_place(row),
        ssh=SshCommandOut(command=ssh_command(row.login, row.address, row.port)) if open_to_login else None,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        delivered_seconds=row.delivered_seconds,
        cost=_cost(row),
        funds=_NO_FUNDS if stands is None or row.ended_at is not None else _funds(row, stands),
        labels=row.labels or {},
    )


def _funds(row: Row[Any], stands: Standing) -> FundsSummaryOut:
    return FundsSummaryOut(
        runway_seconds=stands.runway.seconds,
        warning=stands.warning,
        data_kept_until=data_kept_until(row, stands, costs=row.rate > 0),
    )


def _admin_summary(row: Row[Any], organization_name: str) -> AdminAllocationOut:
    return AdminAllocationOut(
        id=row.id,
        name=row.name,
        state=AllocationState(row.state),
        state_seconds=row.state_seconds,
        organization=OwnerOut(id=row.organization_id, name=organization_name),
        sku=_sku(row),
        node=_place(row),
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        failure=None if row.failure is None else FailureOut.model_validate(row.failure),
        operator_error=None if row.operator_error is None else OperatorErrorOut.model_validate(row.operator_error),
        delivered_seconds=row.delivered_seconds,
        cost=_cost(row),
    )


def _sku(row: Row[Any]) -> SkuSummaryOut:
    return SkuSummaryOut(id=row.sku_id, code=row.sku_code, name=row.sku_name)


def _place(row: Row[Any]) -> PlaceOut:
    return PlaceOut(id=row.node_id, name=row.node_name, limits_enforced=row.limits_enforced)


def _cost(row: Row[Any]) -> CostSummaryOut:
    return CostSummaryOut(total=Money(row.total, row.currency).field(), rate=_rate(row.rate, row.currency))


@lru_cache(maxsize=4096)
def _rate(nano_per_hour: int, currency: str) -> RateField:
    """There are few rates in many rows."""
    return Rate(nano_per_hour, currency).field()
