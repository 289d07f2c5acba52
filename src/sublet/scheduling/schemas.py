"""Offers as the API shows them."""

from pydantic import BaseModel

from sublet.catalog.schemas import PriceOut, SkuOut


class ActionOut(BaseModel):
    """What the caller may do now, or why not."""

    name: str
    allowed: bool
    reason: str | None


class OfferOut(BaseModel):
    """A SKU, its price in force and how many could be launched now; `id` is the SKU's."""

    id: str
    sku: SkuOut
    price: PriceOut
    available: int
    limits_enforced: bool
    actions: list[ActionOut]
