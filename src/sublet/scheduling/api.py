"""Offers. They sit here, and not with the catalog, because what is available depends on the fleet."""

from sublet.catalog.schemas import PriceOut, SkuOut
from sublet.core.access import Actor, Permission
from sublet.core.http import ActorDep, SessionDep, SubletRouter
from sublet.core.pages import Page
from sublet.scheduling.offers import Offer, launch_refusal, list_offers
from sublet.scheduling.schemas import ActionOut, OfferOut

router = SubletRouter(prefix="/api/v1", tags=["offers"])


@router.get("/offers", permission=Permission.CATALOG_READ)
async def offers(actor: ActorDep, session: SessionDep) -> Page[OfferOut]:
    """Everything that is sold, with its price now and how many could be launched; always one page."""
    return Page(items=[_shown(actor, offer) for offer in await list_offers(session)])


def _shown(actor: Actor, offer: Offer) -> OfferOut:
    refusal = launch_refusal(actor, offer)
    return OfferOut(
        id=offer.sku.id,
        sku=SkuOut.of(offer.sku),
        price=PriceOut.of(offer.price),
        available=offer.availability.available,
        limits_enforced=offer.availability.limits_enforced,
        actions=[ActionOut(name="launch", allowed=refusal is None, reason=refusal)],
    )
