"""What of allocations goes into the audit trail."""

from typing import Annotated

from sublet.audit.fields import TRACK, Recorded


class LaunchRecord(Recorded):
    """A launch as the trail keeps it."""

    name: Annotated[str, TRACK]
    sku_id: Annotated[str, TRACK]
    price_id: Annotated[str, TRACK]
    node_id: Annotated[str, TRACK]
    gpus: Annotated[list[str], TRACK]
    hold_id: Annotated[int, TRACK]
    labels: Annotated[dict[str, str], TRACK]
    environment: Annotated[list[str], TRACK]
    startup_script_bytes: Annotated[int, TRACK]


class LabelsRecord(Recorded):
    """The labels of an allocation, as the trail keeps them."""

    labels: Annotated[dict[str, str], TRACK]


class PortRecord(Recorded):
    """A published port as the trail keeps it."""

    protocol: Annotated[str, TRACK]
    port: Annotated[int, TRACK]
    node_port: Annotated[int, TRACK]


class WantedRecord(Recorded):
    """What is wanted of an allocation, as the trail keeps it."""

    state: Annotated[str, TRACK]
    wanted: Annotated[str, TRACK]
