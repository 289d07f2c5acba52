"""What an allocation is to be on its node, as a whole."""

from sublet.allocations.rows import Allocation
from sublet.fleet.backend import DesiredAccount, Limits
from sublet.fleet.led_ports import DesiredPort

PERCENT_FOR_EACH_VCPU = 100
TASKS_FOR_EACH_VCPU = 1024
MOST_KEYS = 256
BITS_IN_MBIT = 1_000_000


def desired_account(
    allocation: Allocation,
    keys: list[str],
    published: tuple[DesiredPort, ...] = (),
    *,
    gives_back: bool = False,
    same_organization: tuple[str, ...] = (),
) -> DesiredAccount:
    """The whole desired state of the allocation on its node.

    With `gives_back` its disk alone stays in use. `same_organization` are the other logins of its organization there,
    for what is suspended.
    """
    return DesiredAccount(
        allocation_id=allocation.id,
        login=allocation.login,
        uid=allocation.uid,
        generation=allocation.generation,
        state="suspended" if allocation.wanted == "suspended" else "active",
        limits=Limits(
            cpu_percent=allocation.sku["vcpu"] * PERCENT_FOR_EACH_VCPU,
            memory_mib=allocation.sku["memory_mib"],
            tasks_max=allocation.sku["vcpu"] * TASKS_FOR_EACH_VCPU,
            disk_gib=allocation.sku["disk_gib"],
            network_bits_per_second=(allocation.sku.get("network_mbit") or 0) * BITS_IN_MBIT,
        ),
        gpus=() if gives_back else tuple(allocation.gpus),
        authorized_keys=tuple(keys[:MOST_KEYS]),
        disconnect_generation=allocation.disconnect_generation,
        ports=published,
        node_network=bool(allocation.sku.get("node_network")),
        gives_back=gives_back,
        same_organization=same_organization,
    )
