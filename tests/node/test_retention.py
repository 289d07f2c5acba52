"""What the node stores does not grow for ever."""

import pytest

from tests.node.conftest import Enrolled
from tests.node.control_plane import Channel, Tenant

pytestmark = [pytest.mark.anyio, pytest.mark.node]

STATE = "/var/lib/sublet"
LISTED = (
    "PYTHONPATH=/usr/local/sbin/sublet-node python3 -c "
    "'from sublet_node import retention; print(*sorted(retention.FOLDERS))'"
)


async def test_released_allocations_are_forgotten_after_a_month(north: Enrolled, channel: Channel) -> None:
    old, young = Tenant(), Tenant()
    for tenant in (old, young):
        assert (await channel.ask("release", tenant.subject, generation=1))["clean"] is True
    find = f"find {STATE} -name '*{{0}}*' | sort"
    kept = (await north.node.run_as_root("sh", "-c", find.format(young.token))).text
    assert kept.count(young.token) == 2, "a record and its lock"
    age = f"touch -d '31 days ago' $(find {STATE} -name '{old.allocation}.json')"
    await north.node.run_as_root("sh", "-c", age)
    key = (await north.node.run_as_root("cat", "/etc/ssh/ssh_host_ed25519_key.pub")).text
    await channel.ask("trust", north.control.trust(" ".join(key.split()[:2])))
    assert (await north.node.run_as_root("sh", "-c", find.format(old.token))).text == ""
    assert (await north.node.run_as_root("sh", "-c", find.format(young.token))).text == kept


async def test_each_folder_says_how_long_it_keeps_what(north: Enrolled, channel: Channel, tenant: Tenant) -> None:
    await channel.ask("apply", tenant.desired(environment={"A": "1"}), generation=1)
    listed = (await north.node.run_as_root("sh", "-c", LISTED)).text.split()
    there = (await north.node.run_as_root("ls", STATE)).text.split()
    assert set(there) - set(listed) == set(), "say it in retention.py"
