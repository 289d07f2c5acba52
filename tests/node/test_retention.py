"""What the node stores does not grow for ever."""

import pytest

from tests.node.conftest import Enrolled
from tests.node.control_plane import Channel, Tenant

pytestmark = [pytest.mark.anyio, pytest.mark.node]

STATE = "/var/lib/sublet"
FOLDERS = {
    "allocations": "a record for each allocation that is here; released ones are pruned after 30 days",
    "locks": "a lock for each record, gone with it, and a few for the node itself",
    "marks": "what a release looks for, gone when it is proven",
    "starts": "variables and script of each allocation, gone with its release",
    "private-tmp": "a folder for each login, gone with its release",
    "private-var-tmp": "a folder for each login, gone with its release",
    "helper": "the helper before this one, for going back, and how far an upgrade has come",
    "before": "what the machine was like before it became a node, for leaving it so; gone with unenrolment",
    "gpus.json": "one file: which GPUs are here",
}
"""What is in /var/lib/sublet, and for how long. Operations, evidence and observations are not stored on nodes."""


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
    there = (await north.node.run_as_root("ls", STATE)).text.split()
    assert set(there) - FOLDERS.keys() == set(), "say for how long"
