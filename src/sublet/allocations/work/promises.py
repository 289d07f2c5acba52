"""Which limits an allocation was promised: those that its node says it enforces, as far as they were sold."""

from collections.abc import Iterable

from sublet.allocations.rows import Allocation
from sublet.fleet.backend import Capability

_LIMIT_OF = {
    "cpu": "cpu",
    "memory": "memory",
    "tasks": "tasks",
    "devices": "devices",
    "disk_quota": "disk",
    "network_rate": "network",
}
"""Which limit of an allocation each capability of a node is about."""


def limits(allocation: Allocation, capabilities: Iterable[Capability]) -> set[str]:
    """The names of the limits. Whoever is sold the node's own network is in it, whatever else the node enforces."""
    found = {_LIMIT_OF[item.name] for item in capabilities if item.enforced and item.name in _LIMIT_OF}
    if not allocation.sku.get("network_mbit"):
        found.discard("network")
    return found | {"node_network"} if allocation.sku.get("node_network") else found
