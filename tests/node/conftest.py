"""Nodes enrolled with the tests' own control plane."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sublet_sandbox.nodes import LocalNode
from tests.node.control_plane import Channel, ControlPlane, Tenant
from tests.support.nodes import build_helper, namespace_node, systemd_node_pair

__all__ = ["namespace_node", "systemd_node_pair"]


@dataclass
class Enrolled:
    """A node and the control plane it believes."""

    node: LocalNode
    control: ControlPlane


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """One event loop for nodes and tests."""
    return "asyncio"


@pytest.fixture(scope="session")
def helper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The node helper."""
    return build_helper(tmp_path_factory.mktemp("helper") / "sublet-node.pyz")


@pytest.fixture(scope="session")
async def pair(systemd_node_pair: tuple[LocalNode, LocalNode], helper: Path) -> tuple[Enrolled, Enrolled]:
    """Two nodes with enforced limits, each enrolled with a control plane of its own."""
    enrolled = []
    for node in systemd_node_pair:
        control = ControlPlane()
        await control.enrol(node, helper, deny=("127.0.0.1:18080", "127.0.0.1:18443"))
        enrolled.append(Enrolled(node, control))
    return enrolled[0], enrolled[1]


@pytest.fixture(scope="session")
async def plain(namespace_node: LocalNode, helper: Path) -> Enrolled:
    """A node without limits, enrolled."""
    control = ControlPlane()
    await control.enrol(namespace_node, helper)
    return Enrolled(namespace_node, control)


@pytest.fixture
def north(pair: tuple[Enrolled, Enrolled]) -> Enrolled:
    """The first node."""
    return pair[0]


@pytest.fixture
async def channel(north: Enrolled) -> AsyncIterator[Channel]:
    """The node protocol on the first node."""
    async with north.control.protocol(north.node) as channel:
        yield channel


@pytest.fixture
async def tenant(channel: Channel) -> AsyncIterator[Tenant]:
    """An allocation not applied yet, released at the end."""
    made = Tenant()
    yield made
    evidence = await channel.ask("release", made.subject, generation=1_000_000)
    assert [check for check in evidence["checks"] if not check["clean"]] == []
