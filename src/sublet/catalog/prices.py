"""Prices: append-only versions, each in force from a moment that was not yet past when it was made."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Row, Select, bindparam, case, exists, func, select
from sqlalchemy.dialects.postgresql import distinct_on, insert

from sublet.audit.record import record
from sublet.catalog import skus
from sublet.catalog.audit import PriceRecord
from sublet.catalog.errors import PriceBackdated, PriceExists
from sublet.catalog.models import price
from sublet.core.actors import Actor
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.errors import NotFound
from sublet.core.ids import new_id
from sublet.core.money import Rate

SuspendedClaim = Literal["none", "hours", "always"]
"""How long what is suspended keeps its claim: not at all, for so many hours, or until it is released."""


@dataclass(frozen=True, slots=True)
class Price:
    """A version of a SKU's price, in billionths of `currency` for each hour, with the terms of suspension.

    What was launched at a version keeps all of it: a later one changes nothing for it.
    """

    id: str
    sku_id: str
    currency: str
    nano_per_hour: int
    suspended_nano_per_hour: int
    suspended_claim: SuspendedClaim
    suspended_claim_hours: int | None
    disk_nano_per_hour: int | None
    effective_at: datetime
    created_at: datetime

    @property
    def per_hour(self) -> Rate:
        """What a running hour costs."""
        return Rate(self.nano_per_hour, self.currency)

    @property
    def suspended_per_hour(self) -> Rate:
        """What a suspended hour costs while the claim is kept; where none is, from the beginning."""
        return Rate(self.suspended_nano_per_hour, self.currency)

    @property
    def disk_per_hour(self) -> Rate | None:
        """What a suspended hour costs once the claim is gone; None where it is kept always."""
        return None if self.disk_nano_per_hour is None else Rate(self.disk_nano_per_hour, self.currency)

    @property
    def claim_kept_for(self) -> timedelta | None:
        """How long suspension keeps the claim; None: always."""
        return None if self.suspended_claim == "always" else timedelta(hours=self.suspended_claim_hours or 0)


Standing = Literal["planned", "in_force", "past"]


@dataclass(frozen=True, slots=True)
class ListedPrice:
    """A version, its place in the list, and how it stands by the database's clock."""

    seq: int
    price: Price
    standing: Standing


COLUMNS = [price.c[name] for name in Price.__dataclass_fields__]

_IN_FORCE = (
    select(*COLUMNS)
    .ext(distinct_on(price.c.sku_id))
    .where(
        price.c.sku_id.in_(bindparam("sku_ids", expanding=True)),
        price.c.currency == bindparam("currency"),
        price.c.effective_at <= func.coalesce(bindparam("at", type_=price.c.effective_at.type), func.clock_timestamp()),
    )
    .order_by(price.c.sku_id, price.c.effective_at.desc())
)


_later = price.alias("later")
# One moment for the whole statement, so that never two versions are in force, nor none.
_NOW = func.statement_timestamp()
_STANDING = case(
    (price.c.effective_at > _NOW, "planned"),
    (
        exists().where(
            _later.c.sku_id == price.c.sku_id,
            _later.c.currency == price.c.currency,
            _later.c.effective_at > price.c.effective_at,
            _later.c.effective_at <= _NOW,
        ),
        "past",
    ),
    else_="in_force",
).label("standing")


def _price(row: Row[Any]) -> Price:
    return Price(**row._mapping)


async def _listed(session: Session, statement: Select[Any]) -> list[ListedPrice]:
    rows = await session.execute(statement)
    return [
        ListedPrice(row.seq, Price(**{name: row._mapping[name] for name in Price.__dataclass_fields__}), row.standing)
        for row in rows
    ]


async def in_force(
    session: Session, sku_ids: Collection[str], at: datetime | None = None, *, currency: str
) -> dict[str, Price]:
    """The price of each SKU at a moment (the database's now by default), by SKU id; SKUs without one are left out."""
    rows = await session.execute(_IN_FORCE, {"sku_ids": list(sku_ids), "currency": currency, "at": at})
    return {row.sku_id: _price(row) for row in rows}


async def listed(session: Session, price_id: str) -> ListedPrice:
    """The price version and how it stands; NotFound."""
    found = await _listed(session, select(price.c.seq, *COLUMNS, _STANDING).where(price.c.id == price_id))
    if not found:
        raise NotFound("price", price_id)
    return found[0]


async def get(session: Session, price_id: str) -> Price:
    """The price version; NotFound."""
    row = (await session.execute(select(*COLUMNS).where(price.c.id == price_id))).first()
    if row is None:
        raise NotFound("price", price_id)
    return _price(row)


async def page(session: Session, *, sku_id: str | None, before: int | None, limit: int) -> Sequence[ListedPrice]:
    """Up to `limit` versions older than the sequence number `before`, newest first."""
    statement = select(price.c.seq, *COLUMNS, _STANDING).order_by(price.c.seq.desc()).limit(limit)
    if sku_id is not None:
        statement = statement.where(price.c.sku_id == sku_id)
    if before is not None:
        statement = statement.where(price.c.seq < before)
    return await _listed(session, statement)


async def create(
    session: Session,
    actor: Actor,
    *,
    sku_id: str,
    per_hour: Rate,
    suspended_claim: SuspendedClaim,
    suspended_claim_hours: int | None = None,
    suspended_per_hour: Rate,
    disk_per_hour: Rate | None = None,
    effective_at: datetime | None = None,
) -> Price:
    """A new version, in force from `effective_at` (now by default); PriceBackdated, PriceExists, NotFound.

    `suspended_claim_hours` is for `hours`, and `disk_per_hour` for all but `always`; where no claim is kept it is
    `suspended_per_hour` too.
    """
    await skus.get(session, sku_id)
    now = await database_now(session)
    if effective_at is not None and effective_at < now:
        raise PriceBackdated(
            f"A price cannot take effect in the past, and it is {now.isoformat()} now. Nothing was created, and no "
            "bill changes. Leave the time out to price from now on.",
            field="effective_at",
        )
    row = (
        await session.execute(
            insert(price)
            .values(
                id=new_id("prc"),
                sku_id=sku_id,
                currency=per_hour.currency,
                nano_per_hour=per_hour.nano_per_hour,
                suspended_nano_per_hour=suspended_per_hour.nano_per_hour,
                suspended_claim=suspended_claim,
                suspended_claim_hours=suspended_claim_hours,
                disk_nano_per_hour=None if disk_per_hour is None else disk_per_hour.nano_per_hour,
                effective_at=now if effective_at is None else effective_at,
            )
            .on_conflict_do_nothing()
            .returning(*COLUMNS)
        )
    ).first()
    if row is None:
        raise PriceExists(
            "This SKU has a price from that very moment already, and prices are never changed. Nothing was created. "
            "Choose another time."
        )
    made = _price(row)
    await record(session, actor, "price.created", "price", made.id, after=PriceRecord.model_validate(made))
    return made
