"""Charges as customers read them: each names its interval, price, evidence and entry in the books."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Row, any_, bindparam, cast, func, select

from sublet.billing.models import meter, usage_charge, usage_record
from sublet.core.db import Session
from sublet.core.errors import NotFound
from sublet.core.money import Money, Rate

FIRST = 2**62


@dataclass(frozen=True, slots=True)
class Charge:
    """One interval that was delivered, proven and charged."""

    id: int
    subject_id: str
    subject_name: str | None
    period_start: datetime
    period_end: datetime
    seconds: int
    rate: Rate
    amount: Money
    kind: str
    meter_kind: str
    price_id: str
    evidence_at: datetime
    ledger_entry_id: int | None
    sku_id: str
    node_id: str | None
    boot_id: str | None
    seen_from: datetime | None
    seen_count: int | None


_CHARGES = (
    select(
        usage_charge,
        meter.c.subject_name,
        usage_record.c.period_end,
        usage_record.c.seconds,
        usage_record.c.kind,
        usage_record.c.evidence_at,
        usage_record.c.sku_id,
        usage_record.c.node_id,
        usage_record.c.boot_id,
        usage_record.c.seen_from,
        usage_record.c.seen_count,
    )
    .join_from(
        usage_charge,
        usage_record,
        (usage_record.c.subject_id == usage_charge.c.subject_id)
        & (usage_record.c.period_start == usage_charge.c.period_start),
    )
    .join(meter, meter.c.subject_id == usage_charge.c.subject_id)
    .where(usage_charge.c.id < bindparam("before"))
    .order_by(usage_charge.c.id.desc())
    .limit(bindparam("limit"))
)
_ONE = _CHARGES.where(usage_charge.c.organization_id == bindparam("owner"), usage_charge.c.id == bindparam("id"))
_OF_SUBJECT = _CHARGES.where(usage_charge.c.subject_id == bindparam("owner"))
_OF_ORGANIZATION = _CHARGES.where(usage_charge.c.organization_id == bindparam("owner"))


def _charge(row: Row[Any]) -> Charge:
    return Charge(
        row.id,
        row.subject_id,
        row.subject_name,
        row.period_start,
        row.period_end,
        row.seconds,
        Rate(row.nano_per_hour, row.currency),
        Money(row.amount, row.currency),
        row.kind,
        row.meter_kind,
        row.price_id,
        row.evidence_at,
        row.ledger_entry_id,
        row.sku_id,
        row.node_id,
        row.boot_id,
        row.seen_from,
        row.seen_count,
    )


async def charges_for(session: Session, subject_id: str, *, limit: int, before: int | None = None) -> list[Charge]:
    """A subject's newest charges first, below the id `before`. The caller has checked whose subject it is."""
    found = await session.execute(_OF_SUBJECT, {"owner": subject_id, "before": before or FIRST, "limit": limit})
    return [_charge(row) for row in found]


async def charges_of(session: Session, organization_id: str, *, limit: int, before: int | None = None) -> list[Charge]:
    """An organization's newest charges first, below the id `before`."""
    found = await session.execute(
        _OF_ORGANIZATION, {"owner": organization_id, "before": before or FIRST, "limit": limit}
    )
    return [_charge(row) for row in found]


async def charge(session: Session, organization_id: str, charge_id: int) -> Charge:
    """One charge of an organization; NotFound for any other."""
    found = await session.execute(_ONE, {"owner": organization_id, "id": charge_id, "before": FIRST, "limit": 1})
    row = found.one_or_none()
    if row is None:
        raise NotFound("charge", str(charge_id))
    return _charge(row)


_IN_ENTRIES = (usage_charge.c.organization_id == bindparam("owner")) & (
    usage_charge.c.ledger_entry_id == any_(cast(bindparam("entries"), ARRAY(BigInteger)))
)
_IN = _CHARGES.where(_IN_ENTRIES)
_COUNT_IN = select(func.count()).select_from(usage_charge).where(_IN_ENTRIES)


async def charges_in(session: Session, organization_id: str, entry_ids: list[int], *, limit: int) -> list[Charge]:
    """An organization's newest charges among those that these entries post."""
    asked = {"owner": organization_id, "entries": entry_ids, "before": FIRST, "limit": limit}
    return [_charge(row) for row in await session.execute(_IN, asked)]


_SUMS_IN = (
    select(
        usage_charge.c.subject_id,
        meter.c.subject_name.label("name"),
        func.count().label("charges"),
        func.min(usage_charge.c.period_start).label("since"),
        func.max(usage_record.c.period_end).label("until"),
        func.sum(usage_record.c.seconds).cast(BigInteger).label("seconds"),
        func.sum(usage_charge.c.amount).cast(BigInteger).label("amount"),
        usage_charge.c.currency,
        func.min(usage_record.c.seen_from).label("seen_from"),
        func.max(usage_record.c.evidence_at).label("seen_until"),
        func.sum(usage_record.c.seen_count).cast(BigInteger).label("seen_count"),
        func.count().over().label("subjects"),
    )
    .join_from(
        usage_charge,
        usage_record,
        (usage_record.c.subject_id == usage_charge.c.subject_id)
        & (usage_record.c.period_start == usage_charge.c.period_start),
    )
    .join(meter, meter.c.subject_id == usage_charge.c.subject_id)
    .where(_IN_ENTRIES)
    .group_by(usage_charge.c.subject_id, meter.c.subject_name, usage_charge.c.currency)
    .order_by(func.sum(usage_charge.c.amount).desc(), usage_charge.c.subject_id)
    .limit(bindparam("limit"))
)


async def sums_in(session: Session, organization_id: str, entry_ids: list[int], *, limit: int) -> Sequence[Row[Any]]:
    """What these entries charge an organization for each subject, all its charges in one line; the dearest first.

    `charges` is how many there are, `seen_count` how often it was seen, `subjects` how many subjects there are in all.
    """
    asked = {"owner": organization_id, "entries": entry_ids, "limit": limit}
    return (await session.execute(_SUMS_IN, asked)).all()


async def count_in(session: Session, organization_id: str, entry_ids: list[int]) -> int:
    """How many charges of an organization these entries post."""
    counted = await session.execute(_COUNT_IN, {"owner": organization_id, "entries": entry_ids})
    found: int = counted.scalar_one()
    return found
