"""SKUs and prices as the API takes and shows them; offers and allocations embed `SkuOut` and `PriceOut`."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictBool, StringConstraints, model_validator

from sublet.catalog.prices import ListedPrice, Price, Standing, SuspendedClaim
from sublet.catalog.skus import Sku
from sublet.core.actions import ActionOut
from sublet.core.display_names import DisplayName
from sublet.core.money import CurrencyCode, RateField

MOST_CLAIM_HOURS = 8760
"""A year: who means longer says always."""

SkuCode = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$")]
LabelKey = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9._/-]{0,61}[a-z0-9])?$")]
LabelValue = Annotated[str, StringConstraints(max_length=63, pattern=r"^[A-Za-z0-9._-]*$")]
RateText = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{1,6}(\.[0-9]{1,9})?$"),
    Field(description="A decimal amount for an hour, at most nine places.", examples=["0.3600"]),
]


class SkuOut(BaseModel):
    """A sellable shape. `network_mbit` limits its network, each way, in Mbit a second; null: not at all.

    `whole_node`: nobody else is on the node meanwhile. `node_network`: it is in the node's own network.
    """

    model_config = ConfigDict(from_attributes=True)

    id: str
    code: str
    name: str
    vcpu: int
    memory_mib: int
    disk_gib: int
    gpu_model: str | None
    gpu_count: int
    network_mbit: int | None = None  # what was sold before knows none
    node_labels: dict[str, str]
    active: bool
    created_at: datetime
    whole_node: bool = False
    node_network: bool = False

    @classmethod
    def of(cls, sku: Sku) -> Self:
        """From the catalog's own value."""
        return cls.model_validate(sku)


class PriceOut(BaseModel):
    """A version of a SKU's price, in force from `effective_at` until the next one is, and what suspension means at it.

    What is suspended keeps its claim not at all (`none`), for `suspended_claim_hours`, or `always`. It costs
    `suspended_per_hour` meanwhile, and `disk_per_hour` after that, which is null where the claim is kept always. Where
    none is kept both are the same.
    """

    id: str
    sku_id: str
    currency: str
    per_hour: RateField
    suspended_per_hour: RateField
    suspended_claim: SuspendedClaim
    suspended_claim_hours: int | None
    disk_per_hour: RateField | None
    effective_at: datetime
    created_at: datetime

    @model_validator(mode="before")
    @classmethod
    def _sold_before_prices_said_so(cls, kept: Any) -> Any:
        """What was launched then keeps its claim always."""
        if not isinstance(kept, dict) or "suspended_claim" in kept:
            return kept
        return {**kept, "suspended_claim": "always", "suspended_claim_hours": None, "disk_per_hour": None}

    @classmethod
    def of(cls, price: Price) -> Self:
        """From the catalog's own value."""
        return cls(
            id=price.id,
            sku_id=price.sku_id,
            currency=price.currency,
            per_hour=price.per_hour.field(),
            suspended_per_hour=price.suspended_per_hour.field(),
            suspended_claim=price.suspended_claim,
            suspended_claim_hours=price.suspended_claim_hours,
            disk_per_hour=None if price.disk_per_hour is None else price.disk_per_hour.field(),
            effective_at=price.effective_at,
            created_at=price.created_at,
        )


class ListedPriceOut(PriceOut):
    """A version among all others: `planned` before it takes effect, then `in_force`, `past` once another is."""

    in_force: bool
    standing: Standing

    @classmethod
    def listed(cls, found: ListedPrice) -> Self:
        """From the catalog's own value."""
        shown = PriceOut.of(found.price).model_dump()
        return cls(**shown, in_force=found.standing == "in_force", standing=found.standing)


class ManagedSkuOut(SkuOut):
    """A SKU as operators see it: the price in force, if there is one, and what they may do."""

    price: PriceOut | None
    actions: list[ActionOut]


class SkuCreate(BaseModel):
    """A new shape; it is offered once it has a price. GPUs without a model mean any model."""

    model_config = ConfigDict(extra="forbid")

    code: SkuCode
    name: DisplayName
    vcpu: Annotated[int, Field(ge=1, le=4096)]
    memory_mib: Annotated[int, Field(ge=1, le=2**30)]
    disk_gib: Annotated[int, Field(ge=1, le=2**24)]
    gpu_model: DisplayName | None = None
    gpu_count: Annotated[int, Field(ge=0, le=64)] = 0
    network_mbit: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    whole_node: StrictBool = False
    node_network: StrictBool = False
    node_labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=32)] = {}

    @model_validator(mode="after")
    def _model_needs_gpus(self) -> Self:
        if self.gpu_model is not None and self.gpu_count == 0:
            raise ValueError("gpu_model is given, but gpu_count is 0")
        return self

    @model_validator(mode="after")
    def _node_network_needs_the_node(self) -> Self:
        if self.node_network and not self.whole_node:
            raise ValueError("node_network needs whole_node: a node's own network is for who is alone there")
        if self.node_network and self.network_mbit is not None:
            raise ValueError("network_mbit limits a network of one's own, which there is not with node_network")
        return self


class SkuChange(BaseModel):
    """What may change about a SKU; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    name: DisplayName | None = None
    active: StrictBool | None = None


class PriceCreate(BaseModel):
    """A new version of a SKU's price; without `effective_at` it is in force at once.

    Where a claim is kept for some time or always, `suspended_per_hour` is its price, and where that ends
    `disk_per_hour` is the price after it. Which of them apply follows from `suspended_claim`: no other is taken.
    """

    model_config = ConfigDict(extra="forbid")

    sku_id: Annotated[str, StringConstraints(max_length=64)]
    per_hour: RateText
    suspended_claim: SuspendedClaim
    suspended_claim_hours: Annotated[int, Field(ge=1, le=MOST_CLAIM_HOURS)] | None = None
    suspended_per_hour: RateText | None = None
    disk_per_hour: RateText | None = None
    currency: CurrencyCode
    effective_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _terms_are_whole(self) -> Self:
        """Each price and time that applies is given, and none that does not."""
        claim = self.suspended_claim
        wanted = {
            "suspended_claim_hours": claim == "hours",
            "suspended_per_hour": claim != "none",
            "disk_per_hour": claim != "always",
        }
        for name, applies in wanted.items():
            if applies != (getattr(self, name) is not None):
                raise ValueError(
                    f"{name} is {'needed' if applies else 'not asked for'} where suspended_claim is {claim}"
                )
        return self
