"""Allocations as JSON: a page of them, and one.

A list is read far more often than anything else, so no object is built for what only passes through.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import TextClause, text

from sublet.allocations import listed
from sublet.allocations.actions import Situation, refusals
from sublet.billing import in_lists
from sublet.billing.funds import Clock
from sublet.billing.policy import Policy
from sublet.billing.runway import runway_on
from sublet.core.access import Actor
from sublet.core.db import Database, Session
from sublet.core.errors import NotFound
from sublet.core.pages import encode_cursor
from sublet.core.reads import Columns, Parameter, Read
from sublet.identity import organizations

_PURSE = "f.left, f.burn, f.level, f.grace_ends_at"
_MINE = f"""
      WITH funds AS MATERIALIZED ({in_lists.FUNDS})
    {listed.COLUMNS}, {_PURSE}
    {listed.FROM} LEFT JOIN funds f ON f.currency = a.currency
     WHERE a.organization_id = :organization_id
"""
_PAGE = """
       AND (CAST(:states AS text[]) IS NULL OR a.state = ANY(CAST(:states AS text[])))
       AND (:include_ended OR a.ended_at IS NULL) AND a.seq < :before
     ORDER BY a.seq DESC LIMIT :limit
"""
_LIST = Read(f"{_MINE} {_PAGE}")
_LIST_ALL = Read(f"{listed.COLUMNS} {listed.FROM} WHERE true {_PAGE}")
_FUNDS = Read(f"SELECT f.currency, {_PURSE} FROM ({in_lists.FUNDS}) f")  # noqa: S608 - only constant expressions
_LASTING, _ENDED_OPERATIONS = Read(listed.LASTING), Read(listed.ENDED_OPERATIONS)
_ONE = {
    "id": text(f"{_MINE} AND a.id = :wanted"),
    "name": text(f"{_MINE} AND a.name = :wanted AND a.ended_at IS NULL"),
}
_ONES_LASTING, _ONES_OPERATION = text(listed.LASTING), text(listed.ENDED_OPERATIONS)

NEWEST = 2**62


@dataclass(frozen=True, slots=True)
class Query:
    """What a list is to hold: some states or all, newest first, below the sequence number `before`."""

    states: Sequence[str] | None
    include_ended: bool
    before: int | None
    limit: int

    def parameters(self) -> dict[str, Parameter]:
        """As parameters of a statement; one row more than asked for says that there is a next page."""
        return {
            "states": None if self.states is None else f"{{{','.join(self.states)}}}",
            "include_ended": self.include_ended or self.states is not None,
            "before": NEWEST if self.before is None else self.before,
            "limit": self.limit + 1,
        }


@dataclass(frozen=True, slots=True)
class _Funds:
    shown: str
    out: bool


_NO_FUNDS = _Funds('{"runway_seconds":null,"warning":null,"suspend_at":null}', out=False)
_FundsOf = Callable[[Columns], _Funds]
"""Finds the funds that a row's allocation lives on."""


async def page(database: Database, actor: Actor, query: Query, *, policy: Policy) -> bytes:
    """A page of the allocations of the actor's organization, as JSON."""
    rows = await database.reads.rows(_LIST, {"organization_id": actor.organization, **query.parameters()})
    shown = await _shown(database, actor, rows[: query.limit], _own_funds(policy))
    return _page(rows, shown, query.limit)


async def page_of_all(database: Database, actor: Actor, query: Query, *, policy: Policy) -> bytes:
    """A page of everybody's allocations, with whose each is, as JSON for operators."""
    rows = await database.reads.rows(_LIST_ALL, query.parameters())
    kept = rows[: query.limit]
    owners = sorted({row[listed.ORGANIZATION] for row in kept})
    carried: dict[tuple[str, str], _Funds] = {}
    for owner in owners:
        for currency, *purse in await database.reads.rows(_FUNDS, {"organization_id": owner}):
            carried[owner, currency] = _funds(owner, currency, purse, policy)
    async with database.reading() as session:
        names = await organizations.names(session, owners)
    shown = await _shown(database, actor, kept, lambda row: carried.get(_wallet(row), _NO_FUNDS))
    for place, row in enumerate(kept):
        owner, state_seconds = row[listed.ORGANIZATION], row[listed.STATE_SECONDS]
        whose = json.dumps({"id": owner, "name": names[owner]})
        shown[place] = shown[place][:-1] + f',"organization":{whose},"state_seconds":{state_seconds}}}'.encode()
    return _page(rows, shown, query.limit)


async def one(session: Session, actor: Actor, id_or_name: str, *, policy: Policy) -> bytes:
    """One allocation of the actor's organization as JSON, by id or by the name of one that has not ended; NotFound.

    It sees what the session's transaction did, so nothing of it is remembered.
    """
    statement = _ONE["id" if "_" in id_or_name else "name"]
    found = (await session.execute(statement, {"organization_id": actor.organization, "wanted": id_or_name})).all()
    if not found:
        raise NotFound("allocation", id_or_name)
    row = tuple(found[0])
    lasting = await _texts(session, _ONES_LASTING, row[listed.ID])
    operations = await _texts(session, _ONES_OPERATION, row[listed.OPERATION_ID])
    return listed.write(row, lasting[row[listed.ID]], operations, _end(actor, row, _own_funds(policy)))


async def _texts(session: Session, statement: TextClause, wanted: str | None) -> dict[str, str]:
    rows = await session.execute(statement, {"ids": json.dumps([wanted])})
    return {row[0]: row[1] for row in rows}


async def _shown(database: Database, actor: Actor, rows: Sequence[Columns], funds_of: _FundsOf) -> list[bytes]:
    lasting = await database.reads.lasting(_LASTING, [row[listed.ID] for row in rows])
    ended = [
        row[listed.OPERATION_ID]
        for row in rows
        if row[listed.RUNNING_OPERATION] is None and row[listed.OPERATION_ID] is not None
    ]
    operations = await database.reads.lasting(_ENDED_OPERATIONS, ended)
    # Rows of one state end alike.
    ends: dict[Columns, str] = {}
    shown = []
    for row in rows:
        alike = row[listed.ORGANIZATION : listed.CURRENCY + 1]
        end = ends.get(alike)
        if end is None:
            end = ends[alike] = _end(actor, row, funds_of)
        shown.append(listed.write(row, lasting[row[listed.ID]], operations, end))
    return shown


def _page(rows: Sequence[Columns], shown: Sequence[bytes], limit: int) -> bytes:
    cursor = encode_cursor([rows[limit - 1][listed.SEQ]]) if len(rows) > limit else None
    return b"".join((b'{"items":[', b",".join(shown), b'],"next_cursor":', json.dumps(cursor).encode(), b"}"))


def _end(actor: Actor, row: Columns, funds_of: _FundsOf) -> str:
    """What follows after all that is stored."""
    organization_id, state, wanted, _ = row[listed.ORGANIZATION : listed.CURRENCY + 1]
    funds = _NO_FUNDS if row[listed.ENDED_AT] else funds_of(row)
    situation = Situation.of(actor, organization_id, state, wanted, out_of_funds=funds.out)
    return f',"funds":{funds.shown},"actions":{_actions(situation)}}}'


def _wallet(row: Columns) -> tuple[str, str]:
    return row[listed.ORGANIZATION], row[listed.CURRENCY]


def _own_funds(policy: Policy) -> _FundsOf:
    """From the columns that each row of `_MINE` brings along."""

    def find(row: Columns) -> _Funds:
        purse = row[listed.WIDTH :]
        return _NO_FUNDS if purse[0] is None else _funds(*_wallet(row), purse, policy)

    return find


def _funds(organization_id: str, currency: str, purse: Sequence[Any], policy: Policy) -> _Funds:
    left, burn, level, grace_ends_at = purse
    lasts = runway_on(organization_id, currency, left=left, burn=burn, policy=policy)
    clock = Clock(level, grace_ends_at)
    shown = {
        "runway_seconds": lasts.seconds,
        "warning": clock.level if clock.blocks_launch else lasts.warning,
        "suspend_at": None if clock.suspend_at is None else clock.suspend_at.isoformat(),
    }
    return _Funds(json.dumps(shown, separators=(",", ":")), clock.blocks_launch)


@lru_cache(maxsize=512)
def _actions(situation: Situation) -> str:
    shown = [{"name": name, "allowed": why is None, "reason": why} for name, why in refusals(situation).items()]
    return json.dumps(shown, separators=(",", ":"))
