"""What of the catalog goes into the audit trail."""

from datetime import datetime
from typing import Annotated

from sublet.audit.fields import IGNORE, TRACK, Recorded


class SkuRecord(Recorded):
    """A SKU as the trail keeps it."""

    id: Annotated[str, IGNORE]
    code: Annotated[str, TRACK]
    name: Annotated[str, TRACK]
    vcpu: Annotated[int, TRACK]
    memory_mib: Annotated[int, TRACK]
    disk_gib: Annotated[int, TRACK]
    gpu_model: Annotated[str | None, TRACK]
    gpu_count: Annotated[int, TRACK]
    network_mbit: Annotated[int | None, TRACK]
    node_labels: Annotated[dict[str, str], TRACK]
    active: Annotated[bool, TRACK]
    whole_node: Annotated[bool, TRACK]
    node_network: Annotated[bool, TRACK]
    created_at: Annotated[datetime, IGNORE]


class PriceRecord(Recorded):
    """A price as the trail keeps it."""

    id: Annotated[str, IGNORE]
    sku_id: Annotated[str, TRACK]
    currency: Annotated[str, TRACK]
    nano_per_hour: Annotated[int, TRACK]
    suspended_nano_per_hour: Annotated[int, TRACK]
    suspended_claim: Annotated[str, TRACK]
    suspended_claim_hours: Annotated[int | None, TRACK]
    disk_nano_per_hour: Annotated[int | None, TRACK]
    effective_at: Annotated[datetime, TRACK]
    created_at: Annotated[datetime, IGNORE]
