"""Offers as the API shows them, and what it takes to give a GPU out again."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

from sublet.catalog.schemas import PriceOut, SkuOut
from sublet.core.actions import ActionOut
from sublet.core.money import MoneyField

RefusalCode = Literal["permission_denied", "no_capacity", "insufficient_funds", "launches_stopped"]


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


class ClearGpu(BaseModel):
    """Why an operator says that a quarantined GPU is clean; kept in the audit trail."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$"),
    ]
