"""When the demo's node is found again as it joined, and when it has to join anew."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from sublet.demo.local_node import DemoNodeHost
from sublet.demo.nodes import LocalNode
from sublet.demo.progress import Progress


@dataclass
class Placed:
    """A node of which only the place matters."""

    address: str
    kind: str = "systemd"


@pytest.fixture
def host(tmp_path: Path) -> DemoNodeHost:
    """A host whose node has joined."""
    (tmp_path / "nodes" / "systemd").mkdir(parents=True)
    host = DemoNodeHost(tmp_path / "nodes", tmp_path / "cache", Progress())
    host.node = cast(LocalNode, Placed("198.18.0.2"))
    host.note_enrolled("nd_1", "helper-1")
    return host


class TestANodeThatJoined:
    def test_is_the_same_where_it_was(self, host: DemoNodeHost) -> None:
        assert host.enrolled_as("helper-1") == "nd_1"

    def test_joins_again_with_another_helper(self, host: DemoNodeHost) -> None:
        assert host.enrolled_as("helper-2") is None

    def test_joins_again_at_another_address(self, host: DemoNodeHost) -> None:
        host.node = cast(LocalNode, Placed("198.18.0.6"))
        assert host.enrolled_as("helper-1") is None
        host.note_enrolled("nd_1", "helper-1")
        assert host.enrolled_as("helper-1") == "nd_1"

    def test_joins_again_when_its_data_are_gone(self, host: DemoNodeHost, tmp_path: Path) -> None:
        shutil.rmtree(tmp_path / "nodes")
        assert host.enrolled_as("helper-1") is None
