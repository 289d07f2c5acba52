"""What can be launched: SKUs that are offered, with their price in force and what is free at this moment."""

from dataclasses import dataclass

from sublet.catalog import prices, skus
from sublet.catalog.prices import Price
from sublet.catalog.skus import Sku
from sublet.core.access import Actor, Permission
from sublet.core.db import Session
from sublet.scheduling.placement import Availability, availability


@dataclass(frozen=True, slots=True)
class Offer:
    """A SKU with its price in force and how many could be launched now."""

    sku: Sku
    price: Price
    availability: Availability


async def list_offers(session: Session) -> list[Offer]:
    """Every active SKU that has a price, oldest first; three statements, however many there are."""
    offered = await skus.list_active(session)
    priced = await prices.in_force(session, [sku.id for sku in offered])
    sold = [sku for sku in offered if sku.id in priced]
    free = await availability(session, sold)
    return [Offer(sku, priced[sku.id], free[sku.id]) for sku in sold]


def launch_refusal(actor: Actor, offer: Offer) -> str | None:
    """Why the actor cannot launch the offer now, or None if nothing but funds can stand in the way."""
    if not actor.can(Permission.ALLOCATION_LAUNCH):
        return "Your role or token does not include launching."
    if actor.organization_id is None:
        return "Launching needs an organization, and you are not in one."
    if offer.availability.available == 0:
        return "Nothing of this kind is free now."
    return None
