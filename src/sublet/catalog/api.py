"""The catalog's routes. Offers (SKU, price and what is free now) are scheduling's."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated

from fastapi import Query

from sublet.catalog import prices, skus
from sublet.catalog.schemas import (
    ListedPriceOut,
    ManagedSkuOut,
    PriceCreate,
    PriceOut,
    SkuChange,
    SkuCreate,
    SkuOut,
)
from sublet.catalog.skus import Sku
from sublet.core.actions import ActionOut, ManagedPage, Refusal, actions_of
from sublet.core.actors import Actor, Permission
from sublet.core.amounts import require_kept
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.errors import InvalidInput
from sublet.core.http import ActorDep, CurrencyDep, SessionDep, SubletRouter
from sublet.core.money import Rate
from sublet.core.pages import Page, PageQueryDep, page_of

FURTHEST_AHEAD = timedelta(days=5 * 366)

router = SubletRouter(prefix="/api/v1", tags=["catalog"])


@router.get("/skus", permission=Permission.CATALOG_READ)
async def list_skus(session: SessionDep, page: PageQueryDep) -> Page[SkuOut]:
    """Every SKU that is offered, oldest first."""
    (after,) = page.position(int) or (None,)
    rows = await skus.page(session, include_inactive=False, after=after, limit=page.limit + 1)
    return page_of(rows, page.limit, lambda row: SkuOut.of(row[1]), lambda row: [row[0]])


@router.get("/admin/skus", permission=Permission.ADMIN_CATALOG_READ)
async def list_all_skus(
    actor: ActorDep, session: SessionDep, currency: CurrencyDep, page: PageQueryDep
) -> ManagedPage[ManagedSkuOut]:
    """Every SKU, also those no longer offered, with its price in force, oldest first."""
    (after,) = page.position(int) or (None,)
    rows = await skus.page(session, include_inactive=True, after=after, limit=page.limit + 1)
    shown = {sku.id: sku for sku in await _managed(session, actor, [row[1] for row in rows], currency=currency)}
    found = page_of(rows, page.limit, lambda row: shown[row[1].id], lambda row: [row[0]])
    return ManagedPage(items=found.items, next_cursor=found.next_cursor, actions=_actions(actor, {"create": None}))


@router.post("/admin/skus", permission=Permission.ADMIN_CATALOG_MANAGE, creates=True, status_code=201)
async def create_sku(actor: ActorDep, session: SessionDep, currency: CurrencyDep, body: SkuCreate) -> ManagedSkuOut:
    """Add a SKU."""
    made = await skus.create(session, actor, **body.model_dump())
    return (await _managed(session, actor, [made], currency=currency))[0]


@router.get("/admin/skus/{sku_id}", permission=Permission.ADMIN_CATALOG_READ)
async def show_sku(actor: ActorDep, session: SessionDep, currency: CurrencyDep, sku_id: str) -> ManagedSkuOut:
    """One SKU, on offer or not."""
    return (await _managed(session, actor, [await skus.get(session, sku_id)], currency=currency))[0]


@router.patch("/admin/skus/{sku_id}", permission=Permission.ADMIN_CATALOG_MANAGE)
async def change_sku(
    actor: ActorDep, session: SessionDep, currency: CurrencyDep, sku_id: str, body: SkuChange
) -> ManagedSkuOut:
    """Rename a SKU, offer it, or stop offering it; what runs already is not touched."""
    changed = await skus.change(session, actor, sku_id, name=body.name, active=body.active)
    return (await _managed(session, actor, [changed], currency=currency))[0]


@router.get("/admin/prices", permission=Permission.ADMIN_CATALOG_READ)
async def list_prices(
    session: SessionDep, page: PageQueryDep, sku_id: Annotated[str | None, Query(max_length=64)] = None
) -> Page[ListedPriceOut]:
    """Every version of every price, or of one SKU's, newest first."""
    (before,) = page.position(int) or (None,)
    rows = await prices.page(session, sku_id=sku_id, before=before, limit=page.limit + 1)
    return page_of(rows, page.limit, ListedPriceOut.listed, lambda row: [row.seq])


@router.post("/admin/prices", permission=Permission.ADMIN_CATALOG_MANAGE, creates=True, status_code=201)
async def create_price(
    actor: ActorDep, session: SessionDep, currency: CurrencyDep, body: PriceCreate
) -> ListedPriceOut:
    """Add a version of a SKU's price, in force from now or from a later moment; running allocations keep theirs.

    Only in the currency that wallets are kept in: nobody could pay another.
    """
    require_kept(
        body.currency, kept=currency, useless="pay a price", instead="the price", nothing="Nothing was created."
    )
    per_hour = Rate.parse(body.per_hour, body.currency)
    disk = None if body.disk_per_hour is None else Rate.parse(body.disk_per_hour, body.currency)
    suspended = disk if body.suspended_per_hour is None else Rate.parse(body.suspended_per_hour, body.currency)
    assert suspended is not None  # whatever its claim, a suspended hour has a price
    _check_rates(per_hour, suspended, disk)
    if body.effective_at is not None and body.effective_at > await database_now(session) + FURTHEST_AHEAD:
        raise InvalidInput("A price can be set at most five years ahead. Nothing was created.", field="effective_at")
    made = await prices.create(
        session,
        actor,
        sku_id=body.sku_id,
        per_hour=per_hour,
        suspended_claim=body.suspended_claim,
        suspended_claim_hours=body.suspended_claim_hours,
        suspended_per_hour=suspended,
        disk_per_hour=disk,
        effective_at=body.effective_at,
    )
    return ListedPriceOut.listed(await prices.listed(session, made.id))


def _check_rates(per_hour: Rate, suspended: Rate, disk: Rate | None) -> None:
    """InvalidInput where less is given for more, or capacity for nothing."""
    if suspended.nano_per_hour > per_hour.nano_per_hour:
        raise InvalidInput(
            "A suspended hour cannot cost more than a running one. Nothing was created.",
            field="suspended_per_hour" if suspended is not disk else "disk_per_hour",
        )
    if disk is not None and disk.nano_per_hour > suspended.nano_per_hour:
        raise InvalidInput(
            "An hour of the disk alone cannot cost more than one with the claim beside it. Nothing was created.",
            field="disk_per_hour",
        )
    if per_hour.nano_per_hour > 0 and suspended.nano_per_hour == 0:
        raise InvalidInput(
            "What is suspended keeps its place on the node, or its disk there, so anybody could keep a node full for "
            "nothing. Nothing was created. Give a suspended hour a price too.",
            field="suspended_per_hour" if suspended is not disk else "disk_per_hour",
        )
    if per_hour.nano_per_hour > 0 and disk is not None and disk.nano_per_hour == 0:
        raise InvalidInput(
            "What has no claim any more keeps its disk on the node, so anybody could keep a node's disk full for "
            "nothing. Nothing was created. Give an hour of the disk a price too.",
            field="disk_per_hour",
        )


async def _managed(session: Session, actor: Actor, found: Sequence[Sku], *, currency: str) -> list[ManagedSkuOut]:
    priced = await prices.in_force(session, [sku.id for sku in found], currency=currency)
    return [
        ManagedSkuOut(
            **SkuOut.of(sku).model_dump(),
            price=PriceOut.of(priced[sku.id]) if sku.id in priced else None,
            actions=_actions(actor, _why_not(sku)),
        )
        for sku in found
    ]


def _why_not(sku: Sku) -> dict[str, Refusal | None]:
    return {
        "rename": None,
        "activate": skus.why_not_activate(sku),
        "deactivate": skus.why_not_deactivate(sku),
        "set_price": None,
    }


def _actions(actor: Actor, why_not: Mapping[str, Refusal | None]) -> list[ActionOut]:
    denied = "Only the platform roles finance and admin may change SKUs and prices."
    return actions_of(actor, Permission.ADMIN_CATALOG_MANAGE, denied, why_not)
