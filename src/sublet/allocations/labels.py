"""Labels: what a customer sorts allocations by, as keys with values; changed at any time, and asked for in lists."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from sublet.allocations import rows
from sublet.allocations.audit import LabelsRecord
from sublet.allocations.models import label
from sublet.audit.record import record
from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.errors import InvalidInput

MOST_LABELS = 32
VALUE_LENGTH = 128
_KEY = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?")
_KEY_RULE = (
    "A label's key has 1 to 63 letters, digits, dots, slashes, underscores and hyphens, and begins and ends with a "
    "letter or digit."
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One label that a list asks for: with this value, or with any."""

    key: str
    value: str | None


def checked(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels as they are stored; InvalidInput says what is wrong with which."""
    found = {_checked_key(key): _checked_value(key, value) for key, value in labels.items()}
    if len(found) > MOST_LABELS:
        raise InvalidInput(f"An allocation has at most {MOST_LABELS} labels.", field="labels")
    return found


def wanted(asked: Sequence[str]) -> list[Wanted]:
    """What `label=key=value` and `label=key` in an address ask for; InvalidInput."""
    found = []
    for one in asked:
        key, separator, value = one.partition("=")
        if not _KEY.fullmatch(key):
            raise InvalidInput(
                f"{_KEY_RULE} Ask for one as label=key=value, or label=key for any value.", field="label"
            )
        found.append(Wanted(key, value if separator else None))
    return found


async def put(session: Session, allocation_id: str, organization_id: str, labels: Mapping[str, str]) -> None:
    """Give a new allocation labels that are `checked`."""
    if labels:
        given = {"allocation_id": allocation_id, "organization_id": organization_id}
        await session.execute(insert(label), [{**given, "key": key, "value": labels[key]} for key in sorted(labels)])


async def of(session: Session, allocation_id: str) -> dict[str, str]:
    """Its labels, by key."""
    found = await session.execute(
        select(label.c.key, label.c.value).where(label.c.allocation_id == allocation_id).order_by(label.c.key)
    )
    return {row.key: row.value for row in found}


async def change(session: Session, actor: Actor, id_or_name: str, changes: Mapping[str, str | None]) -> str:
    """Set labels, and take away those whose value is null; all others stay. Returns the allocation's id; NotFound,
    InvalidInput."""
    allocation = await rows.lock_of(session, actor, id_or_name)
    setting = checked({key: value for key, value in changes.items() if value is not None})
    removing = [_checked_key(key) for key, value in changes.items() if value is None]
    before = await of(session, allocation.id)
    after = {key: value for key, value in {**before, **setting}.items() if key not in removing}
    if after == before:
        return allocation.id
    checked(after)
    await session.execute(
        delete(label).where(label.c.allocation_id == allocation.id, label.c.key.in_(before.keys() - after.keys()))
    )
    changed = {key: value for key, value in after.items() if before.get(key) != value}
    if changed:
        given = {"allocation_id": allocation.id, "organization_id": allocation.organization_id}
        adding = insert(label).values([{**given, "key": key, "value": changed[key]} for key in sorted(changed)])
        same = [label.c.allocation_id, label.c.key]
        await session.execute(
            adding.on_conflict_do_update(index_elements=same, set_={"value": func.coalesce(adding.excluded.value)})
        )
    await record(
        session,
        actor,
        "allocation.labelled",
        "allocation",
        allocation.id,
        before=LabelsRecord(labels=before),
        after=LabelsRecord(labels=after),
    )
    return allocation.id


def _checked_key(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise InvalidInput(f"{_KEY_RULE} This one does not: {key[:80]!r}.", field="labels")
    return key


def _checked_value(key: str, value: str) -> str:
    if len(value) > VALUE_LENGTH or any(unicodedata.category(character).startswith("C") for character in value):
        raise InvalidInput(
            f"The value of the label {key} has at most {VALUE_LENGTH} characters, none of them invisible.",
            field="labels",
        )
    return value
