"""`up serve worker migrate` and `demo info` go to the server by name."""

import importlib.metadata
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from sublet.cli.main import cli

SERVER = """
import json, sys

def main(arguments):
    print(json.dumps(arguments))
    return 7 if "fail" in arguments else 0
"""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed distribution that offers the entry points, before any other on the path."""
    info = tmp_path / "stand_in-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stand-in\nVersion: 1\n")
    (tmp_path / "stand_in_server.py").write_text(SERVER)
    monkeypatch.syspath_prepend(str(tmp_path))
    return info


def offer(info: Path, monkeypatch: pytest.MonkeyPatch, **entries: str) -> None:
    lines = "".join(f"{name} = {target}\n" for name, target in entries.items())
    (info / "entry_points.txt").write_text(f"[sublet.server]\n{lines}")
    # The real entry points are left out, so that the test says what is installed.
    stand_in = importlib.metadata.PathDistribution(info)
    monkeypatch.setattr(importlib.metadata, "distributions", lambda **_: iter([stand_in]))


class TestDispatch:
    @pytest.mark.parametrize("name", ["up", "serve", "worker", "migrate", "operator", "verify"])
    def test_passes_every_argument_on(self, name: str, server: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        offer(server, monkeypatch, **{name: "stand_in_server:main"})
        result = CliRunner().invoke(cli, [name, "--port", "1", "--help", "-x", "--", "y"])
        assert result.exit_code == 0, result.stderr
        assert result.stdout == '["--port", "1", "--help", "-x", "--", "y"]\n'

    @pytest.mark.parametrize("name", ["info", "delete"])
    def test_those_of_the_demo_are_among_them(self, name: str, server: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        offer(server, monkeypatch, **{f"demo-{name}": "stand_in_server:main"})
        assert CliRunner().invoke(cli, ["demo", name, "--json"]).stdout == '["--json"]\n'

    def test_passes_the_exit_code_back(self, server: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        offer(server, monkeypatch, up="stand_in_server:main")
        assert CliRunner().invoke(cli, ["up", "fail"]).exit_code == 7

    def test_says_how_to_install_the_server(self, server: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        offer(server, monkeypatch, worker="stand_in_missing:main", up="stand_in_missing:main")
        needed = {"worker": "server", "serve": "server", "up": "demo", "demo info": "demo", "demo delete": "demo"}
        for command, extra in needed.items():
            result = CliRunner().invoke(cli, command.split())
            assert result.exit_code == 1
            assert f"pip install 'sublet[{extra}]'" in result.stderr
        assert "stand_in_missing" not in sys.modules
