"""Which node the demo has, when it is found again as it joined, and when it has to join anew."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from sublet.supervisor import local_node
from sublet.supervisor.local_node import DemoNodeHost, NodeChoice
from sublet.supervisor.progress import Progress
from sublet_sandbox.nodes import Availability, LocalNode, NodeKind


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

    def test_joins_again_after_one_of_another_kind_took_its_place(self, host: DemoNodeHost, tmp_path: Path) -> None:
        systemd = host.node
        (tmp_path / "nodes" / "namespace").mkdir()
        host.node = cast(LocalNode, Placed("127.0.0.1", kind="namespace"))
        host.note_enrolled("nd_1", "helper-1")
        assert host.enrolled_as("helper-1") == "nd_1"
        host.node = systemd
        assert host.enrolled_as("helper-1") is None


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[NodeKind]:
    """The kinds that were looked at, on a machine that can run none."""
    looked_at: list[NodeKind] = []

    def cannot(kind: NodeKind) -> Availability:
        looked_at.append(kind)
        return Availability(kind, False, f"no {kind} here", "Use another machine.")

    async def installed(*_: object, **__: object) -> bool:
        return True

    monkeypatch.setattr(local_node, "availability", cannot)
    monkeypatch.setattr(local_node, "install_requirements", installed)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return looked_at


@pytest.mark.anyio
class TestAMachineThatCanRunNone:
    @pytest.mark.parametrize(
        ("wanted", "kinds"),
        [
            ("best", ["systemd", "namespace"]),
            ("systemd", ["systemd"]),
            ("namespace", ["namespace"]),
            ("none", []),
        ],
    )
    async def test_is_asked_for_the_wanted_kinds_only_and_says_why(
        self, tmp_path: Path, tried: list[NodeKind], wanted: NodeChoice, kinds: list[NodeKind]
    ) -> None:
        host = DemoNodeHost(tmp_path / "nodes", tmp_path / "cache", Progress(), wanted=wanted)
        await host.start()
        assert tried == kinds
        assert host.description.kind == "none"
        for kind in kinds:
            assert f"no {kind} here. Use another machine." in host.description.problem
        assert ("--node none" in host.description.problem) == (wanted == "none")
