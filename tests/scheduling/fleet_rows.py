"""Nodes and GPUs as rows, without a machine behind them: for what is decided in the database alone."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text

from sublet.core.db import Database
from sublet.core.ids import new_id

_NODE = text(
    """
    INSERT INTO node (id, kind, name, address, port, labels, state, host_public_key, inventory, limits_enforced,
                      boot_id, last_seen_at, observed_at, fresh_until, disk_free_gib, inodes_free, entered_at)
    VALUES (:id, :kind, :name, :address, 22, CAST(:labels AS jsonb), 'enrolling', :id, CAST(:inventory AS jsonb),
            :enforced, 'boot-1', clock_timestamp(), clock_timestamp(), clock_timestamp() + interval '1 day', :disk_free,
            :inodes_free, clock_timestamp())
    """
)
_STATE = text("UPDATE node SET state = :state WHERE id = :id")
_GPU = text("INSERT INTO gpu (uuid, node_id, model, memory_mib, state) VALUES (:uuid, :node_id, :model, 24576, :state)")


async def add_node(
    database: Database,
    name: str,
    *,
    vcpu: int = 8,
    memory_mib: int = 16384,
    disk_gib: int = 200,
    gpus: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
    state: str = "ready",
    enforced: bool = True,
    kind: str = "ssh",
    disk_free_gib: int | None = None,
    inodes_free: int | None = None,
) -> str:
    """A node with GPUs of the given models, named `NAME-0`, `NAME-1` and so on; returns its id."""
    node_id = new_id("nd")
    inventory = {
        "vcpu": vcpu,
        "memory_mib": memory_mib,
        "disk_gib": disk_gib,
        "kernel": "6.1",
        "os": "Debian",
        "gpus": [],
    }
    async with database.transaction() as session:
        await session.execute(
            _NODE,
            {
                "id": node_id,
                "kind": kind,
                "disk_free": disk_free_gib,
                "inodes_free": inodes_free,
                "name": name,
                "address": f"{name}.node.example",
                "labels": json.dumps(dict(labels or {})),
                "inventory": json.dumps(inventory),
                "enforced": enforced,
            },
        )
        await session.execute(_STATE, {"id": node_id, "state": state})
        for index, model in enumerate(gpus):
            await session.execute(
                _GPU, {"uuid": f"GPU-{name}-{index}", "node_id": node_id, "model": model, "state": "available"}
            )
    return node_id


async def set_gpu_state(database: Database, uuid: str, state: str) -> None:
    """Change a GPU's state directly."""
    async with database.transaction() as session:
        await session.execute(text("UPDATE gpu SET state = :state WHERE uuid = :uuid"), {"state": state, "uuid": uuid})


async def look(database: Database, node_id: str, *, disk_free_gib: int | None, fresh_for: str = "15 s") -> None:
    """A look at the node has just succeeded, and found so much disk free; it is believed for so long."""
    async with database.transaction() as session:
        await session.execute(
            text(
                "UPDATE node SET disk_free_gib = :free, last_seen_at = clock_timestamp(), "
                "fresh_until = clock_timestamp() + CAST(:fresh_for AS interval) WHERE id = :id"
            ),
            {"id": node_id, "free": disk_free_gib, "fresh_for": fresh_for},
        )


async def change(database: Database, statement: str, **parameters: Any) -> None:
    """Change anything, behind everybody's back."""
    async with database.transaction() as session:
        await session.execute(text(statement), parameters)
