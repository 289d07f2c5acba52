"""Offers, and giving a quarantined GPU out again.

Offers sit here, and not with the catalog, because what is available depends on the fleet.
"""

from typing import Annotated

from fastapi import Depends

from sublet.audit.record import record
from sublet.billing.api import PolicyDep
from sublet.catalog.schemas import PriceOut, SkuOut
from sublet.core.actors import Actor, Permission
from sublet.core.app import Slot
from sublet.core.http import ActorDep, CurrencyDep, SessionDep, SubletRouter
from sublet.core.pages import Page
from sublet.fleet import nodes
from sublet.fleet.audit import GpuRecord
from sublet.fleet.schemas import Because, GpuOut
from sublet.scheduling import claims
from sublet.scheduling.offers import Launches, Means, Offer, list_offers, means_of, why_not_launch
from sublet.scheduling.schemas import LaunchActionOut, OfferOut

router = SubletRouter(prefix="/api/v1", tags=["offers"])


LAUNCHES: Slot[Launches] = Slot("how many launches an organization may have under way")
LaunchesDep = Annotated[Launches, Depends(LAUNCHES)]


@router.get("/offers", permission=Permission.CATALOG_READ)
async def offers(
    actor: ActorDep, session: SessionDep, policy: PolicyDep, currency: CurrencyDep, launches: LaunchesDep
) -> Page[OfferOut]:
    """Everything that is sold, with its price now and whether the caller could launch it; always one page."""
    found = await list_offers(session, currency=currency, policy=policy)
    means = await means_of(session, actor, currency=currency, policy=policy, launches=launches)
    return Page(items=[_shown(actor, offer, means) for offer in found])


@router.post("/admin/nodes/{node_id}/gpus/{gpu_uuid}/clear", permission=Permission.ADMIN_NODE_MANAGE, tags=["operator"])
async def clear_gpu(actor: ActorDep, session: SessionDep, node_id: str, gpu_uuid: str, body: Because) -> GpuOut:
    """End a GPU's quarantine on the operator's word that nothing of a customer is left on it."""
    await claims.clear_gpu(session, node_id, gpu_uuid)
    await record(
        session,
        actor,
        "gpu.cleared",
        "gpu",
        gpu_uuid,
        before=GpuRecord(node_id=node_id, state="quarantined"),
        after=GpuRecord(node_id=node_id, state="available", reason=body.reason),
    )
    gpu = next(one for one in (await nodes.get(session, node_id)).gpus if one.uuid == gpu_uuid)
    return GpuOut.of(gpu)


def _shown(actor: Actor, offer: Offer, means: Means | None) -> OfferOut:
    refusal = why_not_launch(actor, offer.hold, means, is_free=offer.availability.available > 0)
    launch = LaunchActionOut(
        name="launch",
        allowed=refusal is None,
        reason=None if refusal is None else refusal.reason,
        code=None if refusal is None else refusal.error.code,
        status=None if refusal is None else refusal.error.status,
        detail=None if refusal is None else refusal.problem.detail,
    )
    return OfferOut(
        id=offer.sku.id,
        sku=SkuOut.of(offer.sku),
        price=PriceOut.of(offer.price),
        hold=offer.hold.field(),
        available=offer.availability.available,
        limits_enforced=offer.availability.limits_enforced,
        actions=[launch],
    )
