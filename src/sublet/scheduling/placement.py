"""Where something can go, and when: filter the nodes that fit, then score them. And how many of each shape could go."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from sqlalchemy import ARRAY, DateTime, Text, TextClause, bindparam, text

from sublet.core.db import Session
from sublet.scheduling.windows import Window, refuse_past


class Shape(Protocol):
    """What is asked of a node; a SKU is one."""

    @property
    def id(self) -> str:
        """Which SKU this is."""

    @property
    def vcpu(self) -> int:
        """Virtual CPUs."""

    @property
    def memory_mib(self) -> int:
        """Memory."""

    @property
    def disk_gib(self) -> int:
        """Disk."""

    @property
    def gpu_model(self) -> str | None:
        """The model of its GPUs; None takes any."""

    @property
    def gpu_count(self) -> int:
        """How many whole GPUs."""

    @property
    def whole_node(self) -> bool:
        """Whether it goes where nobody else is, and nobody else comes."""

    @property
    def node_labels(self) -> Mapping[str, str]:
        """Labels that the node must have."""


@dataclass(frozen=True, slots=True)
class Availability:
    """How many of a shape could be claimed, and whether every node that may take it enforces its limits."""

    available: int
    limits_enforced: bool


_WINDOW = "tstzrange(greatest(:start, statement_timestamp()), :end)"

# How many of a shape go into a room `r` beside the GPUs that are left there: what is offered, placed and admitted.
_FITTING = """shapes_fitting(r.vcpu_free, r.memory_free_mib, r.disk_free_gib, {gpus}, r.empty,
                       {s}vcpu, {s}memory_mib, {s}disk_gib, {s}gpu_count, {s}whole_node)"""

# Rooms that are alike are counted once: in a big fleet there are far fewer kinds of them than nodes.
_AVAILABLE = """
    WITH shape AS (
      SELECT * FROM jsonb_to_recordset(CAST(:shapes AS jsonb))
                 AS s(id text, vcpu bigint, memory_mib bigint, disk_gib bigint, gpu_model text, gpu_count bigint,
                      whole_node boolean, node_labels jsonb)
    ), room AS MATERIALIZED (
      SELECT CASE WHEN (SELECT bool_or(node_labels <> '{{}}') FROM shape) THEN r.labels END AS labels,
             r.vcpu_free, r.memory_free_mib, r.disk_free_gib, r.empty, NULL AS model, NULL::bigint AS free,
             count(*) AS nodes, bool_and(r.limits_enforced) AS limits_enforced
        FROM {rooms} r
       GROUP BY 1, 2, 3, 4, 5
      UNION ALL
      SELECT CASE WHEN (SELECT bool_or(node_labels <> '{{}}') FROM shape) THEN r.labels END,
             r.vcpu_free, r.memory_free_mib, r.disk_free_gib, r.empty, g.model, g.free, count(*),
             bool_and(r.limits_enforced)
        FROM {gpu_rooms} g JOIN {rooms} r USING (node_id)
       WHERE g.model IN (SELECT coalesce(gpu_model, '') FROM shape WHERE gpu_count > 0)
       GROUP BY 1, 2, 3, 4, 5, 6, 7
    )
    SELECT s.id, coalesce(sum(r.nodes * {fitting}), 0)::bigint AS available,
           coalesce(bool_and(r.limits_enforced), true) AS limits_enforced
      FROM shape s
      LEFT JOIN room r ON (s.node_labels = '{{}}' OR r.labels @> s.node_labels)
                      AND r.model IS NOT DISTINCT FROM CASE WHEN s.gpu_count > 0 THEN coalesce(s.gpu_model, '') END
     GROUP BY s.id
"""


def _rooms(*, from_now_on: bool) -> tuple[str, str]:
    """What is left of nodes, and of their GPUs: counts that are kept, or looked up in the claims for a window."""
    if from_now_on:
        return "room_from_now", "gpu_room"
    return f"room_in({_WINDOW})", f"gpu_room_in({_WINDOW})"


@lru_cache
def _where_it_fits(*, gpus: bool, labels: bool, from_now_on: bool, one: bool, avoid: bool) -> TextClause:
    """The statement that finds the nodes where a shape fits, best first, or says of `one` node whether it does.

    A shape with GPUs goes where the fewest stay free, which keeps whole groups together for larger shapes, and then
    where memory and CPU are tightest. One without goes where it blocks the fewest GPUs, and then where least is taken.
    """
    rooms, gpu_rooms = _rooms(from_now_on=from_now_on)
    tightest = "g" if gpus else "r"
    found = f"{rooms} r"
    if gpus and from_now_on:
        found = f"{gpu_rooms} g JOIN {found} USING (node_id)"
    elif gpus:  # OFFSET keeps it a look at one node after another, which ends when enough were found
        one_room = f"SELECT * FROM {found} WHERE r.node_id = g.node_id OFFSET 0"  # noqa: S608 - constants
        found = f"{gpu_rooms} g CROSS JOIN LATERAL ({one_room}) r"
    wanted = [_FITTING.format(gpus="g.free" if gpus else "NULL", s=":") + " >= 1"]
    if gpus:
        wanted.append("g.model = :gpu_model")
    if from_now_on:  # the same once more, as an index can look for it
        wanted += ["g.free >= :gpu_count"] if gpus else []
        wanted += [f"{tightest}.memory_free_mib >= :memory_mib", f"{tightest}.vcpu_free >= :vcpu"]
    if labels:
        wanted.append("r.labels @> CAST(:node_labels AS jsonb)")
    if avoid:
        wanted.append("r.node_id <> ALL(:avoid)")
    # Windows are looked up node by node until there are enough: no order is known before.
    order = ""
    if one:
        wanted.append(f"{tightest}.node_id = :node_id")
    elif from_now_on:
        order = "ORDER BY g.free" if gpus else "ORDER BY r.gpus_free, r.load"
        order += f", {tightest}.memory_free_mib, {tightest}.vcpu_free, {tightest}.node_id"
    statement = text(
        f"""
        SELECT r.node_id
          FROM {found}
         WHERE {" AND ".join(wanted)}
        {order}
         LIMIT :limit
        """  # noqa: S608 - put together from constants
    )
    typed: list[Any] = [] if from_now_on else [_START, _END]
    return statement.bindparams(*typed, *([_AVOID] if avoid else []))


ANY_MODEL = ""
"""The class of GPUs that a shape takes which names no model."""

_START = bindparam("start", type_=DateTime(timezone=True))
_END = bindparam("end", type_=DateTime(timezone=True))
_AVOID = bindparam("avoid", type_=ARRAY(Text))


def shape_parameters(shape: Shape) -> dict[str, Any]:
    """What is asked for, as parameters of a statement."""
    asked: dict[str, Any] = {
        "vcpu": shape.vcpu,
        "memory_mib": shape.memory_mib,
        "disk_gib": shape.disk_gib,
        "gpu_count": shape.gpu_count,
        "whole_node": shape.whole_node,
    }
    if shape.gpu_count:
        asked["gpu_model"] = shape.gpu_model or ANY_MODEL
    if shape.node_labels:
        asked["node_labels"] = json.dumps(dict(shape.node_labels))
    return asked


def _window(during: Window) -> dict[str, Any]:
    return {} if during.from_now_on else {"start": during.start, "end": during.end}


async def candidates(
    session: Session, shape: Shape, *, during: Window, limit: int, avoid: Collection[str] = ()
) -> list[str]:
    """Ids of nodes that fit the shape in a window, best first, but for those to avoid; nothing is claimed or locked.

    What is free from now on is free in any window, and found by an index. Only where nothing is, a window is looked for
    between the claims.
    """
    for from_now_on in (True,) if during.from_now_on else (True, False):
        statement, asked = search(shape, during=during, limit=limit, avoid=avoid, from_now_on=from_now_on)
        found = [row.node_id for row in await session.execute(statement, asked)]
        if found:
            return found
    return []


def search(
    shape: Shape, *, during: Window, limit: int, avoid: Collection[str], from_now_on: bool = True
) -> tuple[TextClause, dict[str, Any]]:
    """The statement that `candidates` asks, and its parameters: for all the time from now on, or for the window."""
    statement = _where_it_fits(
        gpus=shape.gpu_count > 0,
        labels=bool(shape.node_labels),
        from_now_on=from_now_on,
        one=False,
        avoid=bool(avoid),
    )
    asked = shape_parameters(shape) | {"limit": limit} | ({"avoid": list(avoid)} if avoid else {})
    return statement, asked if from_now_on else asked | _window(during)


async def fits(session: Session, shape: Shape, node_id: str, *, during: Window) -> bool:
    """Whether the shape fits on one node in a window; whoever then claims has the lock on its room."""
    statement = _where_it_fits(
        gpus=shape.gpu_count > 0,
        labels=bool(shape.node_labels),
        from_now_on=during.from_now_on,
        one=True,
        avoid=False,
    )
    asked = shape_parameters(shape) | _window(during) | {"node_id": node_id, "limit": 1}
    return (await session.execute(statement, asked)).first() is not None


_FITS_AGAIN = text(
    f"""
    SELECT {_FITTING.format(gpus="coalesce(g.free, 0)", s=":")} >= 1 AS fits
      FROM node_room n
     CROSS JOIN LATERAL (SELECT n.vcpu_free, n.memory_free_mib, NULL::bigint AS disk_free_gib,
                                n.taken_vcpu = 0 AS empty) r
      LEFT JOIN gpu_room g ON g.node_id = n.node_id AND g.model = :gpu_model
     WHERE n.node_id = :node_id
    """  # noqa: S608 - put together from constants
)


async def fits_again(session: Session, shape: Shape, node_id: str) -> bool:
    """Whether a shape fits where its disk is claimed already, from now on: whether or not the node takes anything new.

    Whoever then claims has the lock on the node's room.
    """
    asked = {"gpu_model": ANY_MODEL, **shape_parameters(shape), "node_id": node_id}
    asked.pop("node_labels", None)
    return bool((await session.execute(_FITS_AGAIN, asked)).scalar_one())


async def availability(session: Session, shapes: Sequence[Shape], *, during: Window) -> dict[str, Availability]:
    """How many of each shape could be claimed in a window, each counted alone; by the shape's id, in one query."""
    described = [
        {
            "id": shape.id,
            "vcpu": shape.vcpu,
            "memory_mib": shape.memory_mib,
            "disk_gib": shape.disk_gib,
            "gpu_model": shape.gpu_model,
            "gpu_count": shape.gpu_count,
            "whole_node": shape.whole_node,
            "node_labels": dict(shape.node_labels),
        }
        for shape in shapes
    ]
    await refuse_past(session, during)
    statement = _available(from_now_on=during.from_now_on)
    rows = await session.execute(statement, {"shapes": json.dumps(described)} | _window(during))
    return {row.id: Availability(row.available, row.limits_enforced) for row in rows}


@lru_cache
def _available(*, from_now_on: bool) -> TextClause:
    rooms, gpu_rooms = _rooms(from_now_on=from_now_on)
    statement = text(
        _AVAILABLE.format(
            rooms=rooms,
            gpu_rooms=gpu_rooms,
            fitting=_FITTING.format(gpus="r.free", s="s."),
        )
    )
    return statement if from_now_on else statement.bindparams(_START, _END)
