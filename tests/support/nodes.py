"""Real Linux nodes for tests. A machine that cannot run them skips with the cause, or fails where all is required."""

import importlib.util
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sublet_sandbox import nodes
from sublet_sandbox.nodes import LocalNode, NamespaceNode, SystemdNode

# Shared by every run and every demo of this user, so that the root filesystem is built once.
CACHE = Path(
    os.environ.get("SUBLET_TEST_CACHE", "/var/tmp/sublet-test-cache" if os.geteuid() == 0 else "~/.cache/sublet-test")
).expanduser()


def require(kind: nodes.NodeKind) -> None:
    """Skip, saying why, when nodes of this kind cannot run here; fail instead with SUBLET_TEST_REQUIRE_ALL=1."""
    can = nodes.availability(kind)
    if can.available:
        return
    if os.environ.get("SUBLET_TEST_REQUIRE_ALL") == "1":
        pytest.fail(f"SUBLET_TEST_REQUIRE_ALL=1, but {can}")
    pytest.skip(str(can))


def build_helper(target: Path) -> Path:
    """The node's helper, built from its sources."""
    source = Path(__file__).resolve().parents[2] / "node" / "build.py"
    spec = importlib.util.spec_from_file_location(f"build_{uuid.uuid4().hex}", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    built: Path = module.build(target)
    return built


@pytest.fixture(scope="session")
async def systemd_node_pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[LocalNode, LocalNode]]:
    """Two running nodes with enforced limits, not enrolled anywhere yet."""
    require("systemd")
    folder = tmp_path_factory.mktemp("nodes")
    first = SystemdNode("north", directory=folder / "north", cache=CACHE)
    second = SystemdNode("south", directory=folder / "south", cache=CACHE)
    try:
        await first.start()
        await second.start()
        yield first, second
    finally:
        await first.discard()
        await second.discard()


@pytest.fixture(scope="session")
async def namespace_node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalNode]:
    """One running node without root and without limits, not enrolled anywhere yet."""
    require("namespace")
    node = NamespaceNode("west", directory=tmp_path_factory.mktemp("nodes") / "west")
    try:
        await node.start()
        yield node
    finally:
        await node.discard()
