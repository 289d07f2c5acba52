"""Where something can go: filter the nodes that fit, then score them. And how many of each shape could go now."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Text, bindparam, text

from sublet.core.db import Session


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
    def node_labels(self) -> Mapping[str, str]:
        """Labels that the node must have."""


@dataclass(frozen=True, slots=True)
class Availability:
    """How many of a shape could be claimed now, and whether every node that may take it enforces its limits."""

    available: int
    limits_enforced: bool


# Best fit. A shape with GPUs goes where the fewest stay free, which keeps whole groups together for larger shapes; one
# without goes where it blocks the fewest free GPUs. Then the tightest memory and CPU; the name makes it repeatable.
_CANDIDATES = text(
    """
    SELECT f.node_id
      FROM node_free f
      LEFT JOIN LATERAL (
             SELECT count(*) AS free, count(*) FILTER (WHERE :any_model OR g.model = :gpu_model) AS fitting
               FROM gpu_free g WHERE g.node_id = f.node_id
           ) g ON true
     WHERE f.state = 'ready'
       AND f.labels @> CAST(:node_labels AS jsonb)
       AND f.vcpu >= :vcpu AND f.memory_mib >= :memory_mib AND f.disk_gib >= :disk_gib
       AND g.fitting >= :gpu_count
     ORDER BY g.free - :gpu_count, f.memory_mib - :memory_mib, f.vcpu - :vcpu, f.name
     LIMIT :limit
    """
).bindparams(bindparam("gpu_model", type_=Text))

_AVAILABLE = text(
    """
    SELECT s.id,
           coalesce(sum(greatest(least(f.vcpu / s.vcpu, f.memory_mib / s.memory_mib, f.disk_gib / s.disk_gib,
                                       g.fitting / nullif(s.gpu_count, 0)), 0)), 0)::integer AS available,
           coalesce(bool_and(f.limits_enforced), true) AS limits_enforced
      FROM jsonb_to_recordset(CAST(:shapes AS jsonb))
           AS s(id text, vcpu integer, memory_mib bigint, disk_gib bigint, gpu_model text, gpu_count integer,
                node_labels jsonb)
      LEFT JOIN (node_free f
                 LEFT JOIN LATERAL (SELECT array_agg(g.model) AS models FROM gpu_free g WHERE g.node_id = f.node_id) m
                        ON true)
             ON f.state = 'ready' AND f.labels @> s.node_labels
      LEFT JOIN LATERAL (
             SELECT count(*) AS fitting FROM unnest(m.models) AS model WHERE s.gpu_model IS NULL OR model = s.gpu_model
           ) g ON true
     GROUP BY s.id
    """
)


def shape_parameters(shape: Shape) -> dict[str, object]:
    """The shape as parameters of a statement."""
    return {
        "vcpu": shape.vcpu,
        "memory_mib": shape.memory_mib,
        "disk_gib": shape.disk_gib,
        "gpu_count": shape.gpu_count,
        "gpu_model": shape.gpu_model,
        "any_model": shape.gpu_model is None,
        "node_labels": json.dumps(dict(shape.node_labels)),
    }


async def candidates(session: Session, shape: Shape, *, limit: int) -> list[str]:
    """Ids of the nodes that fit the shape at this moment, best first; nothing is claimed or locked."""
    rows = await session.execute(_CANDIDATES, {**shape_parameters(shape), "limit": limit})
    return [row.node_id for row in rows]


async def availability(session: Session, shapes: Sequence[Shape]) -> dict[str, Availability]:
    """How many of each shape could be claimed now, each counted alone; by the shape's id, in one query."""
    described = [
        {
            "id": shape.id,
            "vcpu": shape.vcpu,
            "memory_mib": shape.memory_mib,
            "disk_gib": shape.disk_gib,
            "gpu_model": shape.gpu_model,
            "gpu_count": shape.gpu_count,
            "node_labels": dict(shape.node_labels),
        }
        for shape in shapes
    ]
    rows = await session.execute(_AVAILABLE, {"shapes": json.dumps(described)})
    return {row.id: Availability(row.available, row.limits_enforced) for row in rows}
