"""What is sold: shapes, prices, offers."""

from typing import TypedDict

from sublet.client.shapes.amounts import Action, Money, Rate


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
    """A version of a SKU's price, in force from `effective_at`.

    `suspended_claim` is `none`, `hours` or `always`: how long what is suspended keeps its place, for
    `suspended_per_hour`. After that `disk_per_hour` applies, which is None where it is always.
    """

    id: str
    sku_id: str
    currency: str
    per_hour: Rate
    suspended_per_hour: Rate
    suspended_claim: str
    suspended_claim_hours: int | None
    disk_per_hour: Rate | None
    effective_at: str
    created_at: str


class ListedPrice(Price):
    """A version among all others; `standing` is `planned`, `in_force` or `past`."""

    in_force: bool
    standing: str


class ManagedSku(Sku):
    """A SKU as operators see it: with its price in force, if there is one."""

    price: Price | None
    actions: list[Action]


class LaunchAction(Action):
    """Whether a launch would go through now, and if not, the code, HTTP status and words of its refusal."""

    code: str | None
    status: int | None
    detail: str | None


class Offer(TypedDict):
    """A SKU, its price now, what a launch sets aside and how many are free; `id` is the SKU's."""

    id: str
    sku: Sku
    price: Price
    hold: Money
    available: int
    limits_enforced: bool
    actions: list[LaunchAction]
