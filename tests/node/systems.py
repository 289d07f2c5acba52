"""The long form: the whole of enrolment, an allocation and leaving, on the systems that servers have.

`make systems` runs it. Each system is built once by mmdebstrap from its own archive. Ubuntu's needs its keyring, which
is in its package ubuntu-keyring; SUBLET_UBUNTU_KEYRING names the file. A system that cannot be built fails, with the
cause.
"""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sublet_sandbox.nodes import SystemdNode
from sublet_sandbox.nodes.rootfs import Release
from tests.node.conftest import Enrolled
from tests.node.control_plane import ControlPlane, Tenant
from tests.node.test_limits import run_as
from tests.node.test_real_servers import TREE, Server
from tests.support.nodes import CACHE

pytestmark = [pytest.mark.anyio, pytest.mark.node]

DEBIAN = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
UBUNTU = Path(os.environ.get("SUBLET_UBUNTU_KEYRING", "/usr/share/keyrings/ubuntu-archive-keyring.gpg"))


def _ubuntu(codename: str) -> Release:
    archive = "http://archive.ubuntu.com/ubuntu"
    suites = (codename, f"{codename}-updates", f"{codename}-security")
    return Release(codename, tuple(f"{archive} {suite} main universe" for suite in suites), UBUNTU)


SYSTEMS = {
    "Debian 13": Release("trixie", ("http://deb.debian.org/debian trixie main",), DEBIAN),
    "Ubuntu 22.04": _ubuntu("jammy"),
    "Ubuntu 24.04": _ubuntu("noble"),
}


@pytest.fixture(params=SYSTEMS)
async def server(request: pytest.FixtureRequest, tmp_path: Path, helper: Path) -> AsyncIterator[Server]:
    node = SystemdNode("other", directory=tmp_path / "other", cache=CACHE, other=SYSTEMS[request.param])
    control = ControlPlane()
    try:
        await node.start()
        await node.write_file("/root/sublet-node.pyz", helper.read_bytes(), mode=0o700)
        control.address, control.told = node.address, {"address": node.address, "port": node.port}
        async with control.serving() as port:
            yield Server(Enrolled(node, control), await node.enrol_url(port))
    finally:
        await node.discard()


class TestASystem:
    async def test_becomes_a_node_holds_an_allocation_and_is_left_as_it_was(self, server: Server) -> None:
        node, control, tenant = server.enrolled.node, server.enrolled.control, Tenant()
        versions = "(. /etc/os-release; echo $PRETTY_NAME); sshd -V 2>&1 | head -1; python3 -V; systemctl --version"
        print("\n".join((await server.run(versions, check=False)).text.splitlines()[:4]))
        before = (await server.run(TREE)).text.splitlines()
        await server.enrol(check=True)
        async with control.protocol(node) as channel:
            seen = await channel.ask("probe")
            print({one["name"]: one["enforced"] for one in seen["capabilities"]})
            assert seen["limits_enforced"]
            await channel.ask("apply", tenant.desired(), generation=1)
            assert await run_as(server.enrolled, tenant, "whoami; ls /home") == (f"{tenant.login}\n{tenant.login}\n", 0)
            entries = (await server.run("cat /etc/subuid /etc/subgid", check=False)).text
            assert tenant.login not in entries
            evidence = await channel.ask("release", tenant.subject, generation=2)
            assert [check for check in evidence["checks"] if not check["clean"]] == []
        await node.run_as_root("/usr/local/sbin/sublet-node", "unenrol")
        assert (await server.run(TREE)).text.splitlines() == before

    async def test_is_one_by_its_socket_too(self, server: Server) -> None:
        """Ubuntu 24.04 starts sshd by ssh.socket of itself; the others can."""
        tenant, control = Tenant(), server.enrolled.control
        await server.run(
            "systemctl disable -q --now ssh.service; systemctl enable -q --now ssh.socket; rm -rf /run/sshd"
        )
        await server.enrol(check=True)
        async with control.protocol(server.enrolled.node) as channel:
            await channel.ask("apply", tenant.desired(), generation=1)
            assert await run_as(server.enrolled, tenant, "whoami") == (f"{tenant.login}\n", 0)
            assert (await channel.ask("release", tenant.subject, generation=2))["clean"]
