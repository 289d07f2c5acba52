"""What a login has to come through is another text after each change of it, and the same while nothing changes."""

import time

import pytest
from node.sublet_node import doors

from tests.node.conftest import Enrolled
from tests.node.control_plane import Channel, Tenant

pytestmark = pytest.mark.anyio

CHANGES = {
    # What is done, and how it is undone.
    "a drop-in of sshd": ("echo '# x' > /etc/ssh/sshd_config.d/zz.conf", "rm /etc/ssh/sshd_config.d/zz.conf"),
    "sshd that has read its configuration": ("systemctl reload ssh", "true"),
    "PAM": ("echo '# x' >> /etc/pam.d/common-session", "sed -i '$d' /etc/pam.d/common-session"),
    "what PAM's modules read": ("echo '# x' >> /etc/security/access.conf", "sed -i '$d' /etc/security/access.conf"),
    "PAM's modules": ("d=$(echo /lib/*/security) && touch $d/x", "rm /lib/*/security/x"),
    "the session step": ("touch /usr/local/lib/sublet/pam_sublet.so", "true"),
    "the helper": ("touch /usr/local/sbin/sublet-node", "true"),
    "nologin": ("touch /etc/nologin", "rm /etc/nologin"),
}
MOST_SECONDS = 0.003


async def seen(channel: Channel) -> str:
    return str((await channel.ask("observe"))["doors"])


@pytest.mark.node
class TestDoors:
    async def test_stay_the_same_whatever_becomes_of_allocations(self, channel: Channel, tenant: Tenant) -> None:
        before = await seen(channel)
        await channel.ask("apply", tenant.desired(), generation=1)
        assert await seen(channel) == before
        await channel.ask("release", tenant.subject, generation=2)
        assert await seen(channel) == before
        assert (await channel.ask("probe"))["doors"] == before

    async def test_are_others_after_any_change(self, north: Enrolled, channel: Channel) -> None:
        for name, (doing, undoing) in CHANGES.items():
            before = await seen(channel)
            try:
                done = await north.node.run_as_root("sh", "-c", doing)
                assert done.status == 0, done
                assert await seen(channel) != before, name
            finally:
                await north.node.run_as_root("sh", "-c", undoing)


class TestLooking:
    def test_costs_next_to_nothing(self) -> None:
        """The quickest of many: others have the processor too."""
        took = []
        for _ in range(50):
            began = time.perf_counter()
            doors.fingerprint()
            took.append(time.perf_counter() - began)
        assert min(took) < MOST_SECONDS
