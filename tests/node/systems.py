"""The long form: the whole of enrolment, an allocation and leaving, on the systems that servers have.

`make systems` runs it. Each system is built once by mmdebstrap: Debian's from the archive that this machine's own apt
asks. Ubuntu's are tried where SUBLET_UBUNTU_ARCHIVE names an archive and SUBLET_UBUNTU_KEYRING the file of its keys. A
system that cannot be built fails, with the cause.

The last one runs a kernel of its own, in a virtual machine: there the limits are those of version 2 control groups, and
homes are limited by quotas of ext4, neither of which the kernel of a test machine need have.
"""

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from sublet_sandbox.nodes import LocalNode, SystemdNode, rootfs
from sublet_sandbox.nodes.rootfs import Release
from tests.node.conftest import Enrolled
from tests.node.control_plane import Channel, ControlPlane, Tenant
from tests.node.test_cooperating import unclean
from tests.node.test_limits import TestLimits as LimitsOfEveryNode
from tests.node.test_limits import run_as
from tests.node.test_memory import TestMemory as MemoryOfEveryNode
from tests.node.test_real_servers import TREE, Server
from tests.support import virtual
from tests.support.nodes import CACHE

pytestmark = [pytest.mark.anyio, pytest.mark.node]

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
DEBIAN = {"Debian 11": "bullseye", "Debian 12": "bookworm", "Debian 13": "trixie"}
UBUNTU = {"Ubuntu 22.04": "jammy", "Ubuntu 24.04": "noble"}
VIRTUAL = "Debian 13, its own kernel"
WHAT = """(. /etc/os-release; echo $PRETTY_NAME); uname -r; dpkg-query -W -f '${Package} ${Version}\\n' \
openssh-server passwd python3 systemd sudo libpam-modules nftables; grep -E '^(UID_MAX|SUB_UID|HOME_MODE|UMASK)' \
/etc/login.defs"""


def _debian(codename: str, *more: str) -> Release:
    """From where this machine's own apt gets Debian."""
    text = "\n".join(path.read_text() for path in rootfs.apt_sources())
    archive = re.search(r"^(?:URIs: |deb (?:\[.*?\] )?)(\S+)", text, re.MULTILINE)
    assert archive is not None, "this machine's apt names no archive of Debian"
    return Release(codename, (f"{archive[1]} {codename} main",), KEYRING, more)


def _systems() -> dict[str, Release]:
    found = {name: _debian(codename) for name, codename in DEBIAN.items()}
    archive, keyring = os.environ.get("SUBLET_UBUNTU_ARCHIVE"), os.environ.get("SUBLET_UBUNTU_KEYRING")
    if archive and keyring:
        for name, codename in UBUNTU.items():
            suites = (codename, f"{codename}-updates", f"{codename}-security")
            lines = tuple(f"{archive} {suite} main universe" for suite in suites)
            found[name] = Release(codename, lines, Path(keyring))
    return found


@pytest.fixture(params=[*_systems()])
async def server(request: pytest.FixtureRequest, tmp_path: Path, helper: Path) -> AsyncIterator[Server]:
    node = SystemdNode("other", directory=tmp_path / "other", cache=CACHE, other=_systems()[request.param])
    async with _serving(node, helper) as server:
        yield server


@pytest.fixture(scope="module")
async def machine(tmp_path_factory: pytest.TempPathFactory, helper: Path) -> AsyncIterator[Server]:
    """The one with its own kernel."""
    if lacking := virtual.missing():
        pytest.fail(f"a virtual machine cannot run here: {lacking}")
    release = _debian(DEBIAN["Debian 13"], *virtual.PACKAGES)
    node = virtual.VirtualNode(directory=tmp_path_factory.mktemp("machine") / "one", cache=CACHE, release=release)
    async with _serving(cast("LocalNode", node), helper) as server:
        yield server


@asynccontextmanager
async def _serving(node: LocalNode, helper: Path) -> AsyncIterator[Server]:
    """A started node and its control plane, while the block lasts."""
    control = ControlPlane()
    try:
        await node.start()
        await node.write_file("/root/sublet-node.pyz", helper.read_bytes(), mode=0o700)
        control.address, control.told = node.address, {"address": node.address, "port": node.port}
        async with control.serving() as port:
            yield Server(Enrolled(node, control), await node.enrol_url(port))
    finally:
        await node.discard()


async def _lives_as_a_node(server: Server) -> None:
    """From an ordinary server to a node with a customer, and back to the byte."""
    node, control, tenant = server.enrolled.node, server.enrolled.control, Tenant()
    print((await server.run(WHAT, check=False)).text)
    before = (await server.run(TREE)).text.splitlines()
    print((await server.enrol(check=True)).text)
    async with control.protocol(node) as channel:
        seen = await channel.ask("probe")
        print({one["name"]: one["enforced"] for one in seen["capabilities"]})
        assert seen["limits_enforced"]
        observed = await channel.ask("apply", tenant.desired(), generation=1)
        assert [entry for entry in observed["enforced"] if not entry["enforced"]] == []
        assert await run_as(server.enrolled, tenant, "whoami; ls /home") == (f"{tenant.login}\n{tenant.login}\n", 0)
        said = (await run_as(server.enrolled, tenant, "cat /proc/self/cgroup"))[0]
        assert f"/user-{tenant.uid}.slice/" in said
        assert (await run_as(server.enrolled, tenant, "python3 -Sc \"b'x' * (1 << 28)\""))[1] != 0, "128 MiB are its"
        entries = (await server.run("cat /etc/subuid /etc/subgid", check=False)).text
        assert tenant.login not in entries
        assert unclean(await channel.ask("release", tenant.subject, generation=2)) == []
    await node.run_as_root("/usr/local/sbin/sublet-node", "unenrol")
    assert (await server.run(TREE)).text.splitlines() == before


class TestASystem:
    async def test_becomes_a_node_holds_an_allocation_and_is_left_as_it_was(self, server: Server) -> None:
        await _lives_as_a_node(server)

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


class TestASystemWithItsOwnKernel:
    async def test_becomes_a_node_holds_an_allocation_and_is_left_as_it_was(self, machine: Server) -> None:
        await _lives_as_a_node(machine)


class OnItsOwnKernel:
    """The same fixtures as every node's tests have, for the virtual machine."""

    @pytest.fixture
    async def north(self, machine: Server) -> Enrolled:
        """The virtual machine, enrolled."""
        if (await machine.run("test -e /etc/sublet/node.json", check=False)).status:
            await machine.enrol("--io-mib", "8", check=True)
        return machine.enrolled

    @pytest.fixture
    async def channel(self, north: Enrolled) -> AsyncIterator[Channel]:
        """The node protocol there."""
        async with north.control.protocol(north.node) as channel:
            yield channel


class TestLimitsOfVersion2(OnItsOwnKernel, LimitsOfEveryNode):
    """What breaks limits elsewhere, against version 2 control groups, and bpf in place of lists of devices."""

    test_apply_is_quick = None  # type: ignore[assignment]  (an emulated processor is slow)

    async def test_they_are_what_is_tried(self, north: Enrolled, channel: Channel) -> None:
        kinds = (await north.node.run_as_root("stat", "-f", "-c", "%T", "/sys/fs/cgroup")).text
        assert kinds == "cgroup2fs"
        found = {one["name"]: one for one in (await channel.ask("probe"))["capabilities"]}
        assert [name for name, one in found.items() if not one["enforced"]] == []
        assert "user quotas" in found["disk_quota"]["detail"]

    async def test_the_kernel_shows_what_was_asked_for(self, channel: Channel, tenant: Tenant) -> None:
        observed = await channel.ask("apply", tenant.desired(), generation=1)
        enforced = {entry["limit"]: entry["enforced"] for entry in observed["enforced"]}
        wanted = ("cpu", "memory", "tasks", "devices", "io", "disk")
        assert enforced == dict.fromkeys(wanted, True)

    async def test_what_is_written_without_asking_for_direct_writes_is_limited_too(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        writes = "s=$(date +%s%N); head -c 50331648 /dev/zero > f; sync f; echo $((($(date +%s%N) - s) / 1000000))"
        said, status = await run_as(north, tenant, writes)
        assert status == 0, said
        assert int(said) / 1000 > 48 / 8 * 0.6, "48 MiB at 8 MiB/s"

    async def test_what_it_stores_ends_at_its_quota_and_is_given_back(
        self, north: Enrolled, channel: Channel, tenant: Tenant
    ) -> None:
        await channel.ask("apply", tenant.desired(), generation=1)
        said, status = await run_as(north, tenant, "fallocate -l 600M a && fallocate -l 600M b")
        assert status != 0
        assert "Disk quota exceeded" in said
        mine = [one for one in (await channel.ask("usage"))["allocations"] if one["allocation"] == tenant.allocation]
        assert 600 << 20 <= mine[0]["disk_bytes"] <= 1 << 30


class TestMemoryOfVersion2(OnItsOwnKernel, MemoryOfEveryNode):
    """What of a login's memory somebody else holds, as version 2 control groups count it."""

    test_is_counted_likewise_in_the_unified_hierarchy = None  # type: ignore[assignment]  (it is this one)
    test_that_only_copies_a_file_is_nobodys_though_somebody_keeps_it_there = None  # type: ignore[assignment]
