"""What is sold: shapes, prices, offers."""

from typing import TypedDict

from sublet.client.shapes.amounts import Action, Rate


class Sku(TypedDict):
    """A sellable shape."""

    id: str
    code: str
    name: str
    vcpu: int
    memory_mib: int
    disk_gib: int
    gpu_model: str | None
    gpu_count: int
    node_labels: dict[str, str]
    active: bool
    created_at: str


class Price(TypedDict):
    """A version of a SKU's price, in force from `effective_at`."""

    id: str
    sku_id: str
    currency: str
    per_hour: Rate
    suspended_per_hour: Rate
    effective_at: str
    created_at: str


class Offer(TypedDict):
    """A SKU, its price now, and how many could be launched now; `id` is the SKU's."""

    id: str
    sku: Sku
    price: Price
    available: int
    limits_enforced: bool
    actions: list[Action]
