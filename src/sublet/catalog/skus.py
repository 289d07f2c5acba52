"""SKUs: sellable shapes. A shape never changes once made; only its name and whether it is offered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert

from sublet.audit.record import record
from sublet.catalog.audit import SkuRecord
from sublet.catalog.errors import SkuCodeTaken
from sublet.catalog.models import sku
from sublet.core.actions import Refusal
from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.errors import Conflict, NotFound
from sublet.core.ids import new_id


@dataclass(frozen=True, slots=True)
class Sku:
    """What one allocation gets; `gpu_model` None with GPUs means any model, `network_mbit` None no limit.

    With `whole_node` it is alone on its node, whatever more than this the node has; with `node_network` it is in the
    node's own network there.
    """

    id: str
    code: str
    name: str
    vcpu: int
    memory_mib: int
    disk_gib: int
    gpu_model: str | None
    gpu_count: int
    network_mbit: int | None
    node_labels: Mapping[str, str]
    active: bool
    created_at: datetime
    whole_node: bool
    node_network: bool


COLUMNS = [sku.c[name] for name in Sku.__dataclass_fields__]


def _sku(row: Row[Any]) -> Sku:
    return Sku(**row._mapping)


async def get(session: Session, sku_id: str) -> Sku:
    """The SKU, active or not; NotFound."""
    row = (await session.execute(select(*COLUMNS).where(sku.c.id == sku_id))).first()
    if row is None:
        raise NotFound("SKU", sku_id)
    return _sku(row)


async def list_active(session: Session) -> list[Sku]:
    """Every SKU that is offered, oldest first."""
    rows = await session.execute(select(*COLUMNS).where(sku.c.active).order_by(sku.c.seq))
    return [_sku(row) for row in rows]


async def page(session: Session, *, include_inactive: bool, after: int | None, limit: int) -> Sequence[tuple[int, Sku]]:
    """Up to `limit` SKUs behind the sequence number `after`, oldest first, each with its own."""
    statement = select(sku.c.seq, *COLUMNS).order_by(sku.c.seq).limit(limit)
    if not include_inactive:
        statement = statement.where(sku.c.active)
    if after is not None:
        statement = statement.where(sku.c.seq > after)
    rows = await session.execute(statement)
    return [(row.seq, Sku(**{name: value for name, value in row._mapping.items() if name != "seq"})) for row in rows]


async def create(
    session: Session,
    actor: Actor,
    *,
    code: str,
    name: str,
    vcpu: int,
    memory_mib: int,
    disk_gib: int,
    gpu_model: str | None = None,
    gpu_count: int = 0,
    network_mbit: int | None = None,
    whole_node: bool = False,
    node_network: bool = False,
    node_labels: Mapping[str, str] | None = None,
) -> Sku:
    """A new, active SKU without a price; SkuCodeTaken."""
    row = (
        await session.execute(
            insert(sku)
            .values(
                id=new_id("sku"),
                code=code,
                name=name,
                vcpu=vcpu,
                memory_mib=memory_mib,
                disk_gib=disk_gib,
                gpu_model=gpu_model,
                gpu_count=gpu_count,
                network_mbit=network_mbit,
                whole_node=whole_node,
                node_network=node_network,
                node_labels=dict(node_labels or {}),
            )
            .on_conflict_do_nothing(index_elements=[sku.c.code])
            .returning(*COLUMNS)
        )
    ).first()
    if row is None:
        raise SkuCodeTaken(f"There is a SKU with the code {code!r} already. Nothing was created. Choose another code.")
    made = _sku(row)
    await record(session, actor, "sku.created", "sku", made.id, after=SkuRecord.model_validate(made))
    return made


def why_not_activate(found: Sku) -> Refusal | None:
    """Only what is off offer can be put on it."""
    return Refusal(Conflict, "It is on offer already.") if found.active else None


def why_not_deactivate(found: Sku) -> Refusal | None:
    """Only what is on offer can be taken off it."""
    return None if found.active else Refusal(Conflict, "It is off offer already.")


async def change(
    session: Session, actor: Actor, sku_id: str, *, name: str | None = None, active: bool | None = None
) -> Sku:
    """Rename a SKU, offer it or stop offering it; None leaves a value as it is. NotFound, Conflict."""
    row = (await session.execute(select(*COLUMNS).where(sku.c.id == sku_id).with_for_update())).first()
    if row is None:
        raise NotFound("SKU", sku_id)
    before = _sku(row)
    if active is not None and (refusal := (why_not_activate if active else why_not_deactivate)(before)):
        raise refusal.problem
    wanted = {
        "name": before.name if name is None else name,
        "active": before.active if active is None else active,
    }
    changed = (await session.execute(update(sku).where(sku.c.id == sku_id).values(**wanted).returning(*COLUMNS))).one()
    after = _sku(changed)
    if after != before:
        await record(
            session,
            actor,
            "sku.changed",
            "sku",
            sku_id,
            before=SkuRecord.model_validate(before),
            after=SkuRecord.model_validate(after),
        )
    return after
