"""What can be launched: SKUs that are offered, with their price in force and what is free at this moment."""

from dataclasses import dataclass

from sublet.billing import funds
from sublet.billing.policy import DEFAULT_POLICY, Policy
from sublet.catalog import prices, skus
from sublet.catalog.prices import Price
from sublet.catalog.skus import Sku
from sublet.core.access import Actor, Permission
from sublet.core.db import Session
from sublet.core.errors import NotFound
from sublet.core.money import Money
from sublet.ledger import accounts
from sublet.scheduling.placement import Availability, availability
from sublet.scheduling.schemas import RefusalCode
from sublet.scheduling.windows import FROM_NOW_ON


@dataclass(frozen=True, slots=True)
class Offer:
    """A SKU with its price in force, what a launch sets aside, and how many could be launched now."""

    sku: Sku
    price: Price
    hold: Money
    availability: Availability


@dataclass(frozen=True, slots=True)
class Means:
    """What an organization could set aside now; `blocked` while its money has run out for what runs already."""

    available: Money
    blocked: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a launch would be refused: the code of the problem, and a sentence."""

    code: RefusalCode
    reason: str


async def list_offers(session: Session, *, policy: Policy = DEFAULT_POLICY) -> list[Offer]:
    """Every active SKU that has a price, oldest first; three statements, however many there are."""
    offered = await skus.list_active(session)
    priced = await prices.in_force(session, [sku.id for sku in offered])
    sold = [sku for sku in offered if sku.id in priced]
    free = await availability(session, sold, during=FROM_NOW_ON)
    return [Offer(sku, priced[sku.id], policy.hold_for(priced[sku.id].per_hour), free[sku.id]) for sku in sold]


async def means_of(session: Session, actor: Actor) -> Means | None:
    """What the actor could launch with, in two statements; None for who launches nothing anyway."""
    if actor.organization_id is None or not actor.can(Permission.ALLOCATION_LAUNCH):
        return None
    try:
        available = (await accounts.wallet(session, actor.organization_id)).available
    except NotFound:
        return Means(Money.zero(), blocked=False)
    clock = await funds.clock(session, actor.organization_id, currency=available.currency)
    return Means(available, clock.blocks_launch)


def launch_refusal(actor: Actor, offer: Offer, means: Means | None) -> Refusal | None:
    """Why the actor cannot launch the offer now, or None if nothing stands in the way."""
    if not actor.can(Permission.ALLOCATION_LAUNCH):
        return Refusal("permission_denied", "Your role or token does not include launching.")
    if means is None:
        return Refusal("permission_denied", "Launching needs an organization, and you are not in one.")
    if offer.availability.available == 0:
        return Refusal("no_capacity", "Nothing of this kind is free now.")
    if means.blocked:
        return Refusal("insufficient_funds", "Your money has run out for what runs already, so nothing new can start.")
    # The balance itself is not said: a token that may launch need not be one that may read the wallet.
    if means.available < offer.hold:
        return Refusal("insufficient_funds", f"A launch sets {offer.hold} aside, and less is available in your wallet.")
    return None
