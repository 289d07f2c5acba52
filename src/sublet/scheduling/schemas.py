"""Offers as the API shows them."""

from typing import Literal

from pydantic import BaseModel

from sublet.catalog.schemas import PriceOut, SkuOut
from sublet.core.actions import ActionOut
from sublet.core.money import MoneyField

RefusalCode = Literal[
    "permission_denied",
    "no_capacity",
    "insufficient_funds",
    "launches_stopped",
    "spending_limit_reached",
    "too_many_launches",
]


class LaunchActionOut(ActionOut):
    """Whether the caller could launch now; `code` and `status` are those that a launch would be answered with.

    `detail` adds to the reason what was done, which is nothing, and what to do.
    """

    code: RefusalCode | None
    status: int | None
    detail: str | None


class OfferOut(BaseModel):
    """A SKU, its price in force, what a launch sets aside (`hold`) and how many are free; `id` is the SKU's."""

    id: str
    sku: SkuOut
    price: PriceOut
    hold: MoneyField
    available: int
    limits_enforced: bool
    actions: list[LaunchActionOut]
