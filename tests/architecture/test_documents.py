"""A document that names a file is believed, so the file is there."""

import re
from pathlib import Path

import pytest

from tests.architecture.documents import files_gone, misnumbered
from tests.architecture.source import ROOT, files
from tests.node import systems


def planted(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "planted.md").write_text(text)
    return [violation.what for violation in files_gone([tmp_path / "planted.md"])]


class TestDocuments:
    def test_name_files_that_are_there(self) -> None:
        documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *files(ROOT / "docs", ".md")]
        assert len(documents) > 19
        assert files_gone(documents) == []

    @pytest.mark.parametrize(
        ("text", "gone"),
        [
            ("See `src/sublet/core/gone.py`.", "src/sublet/core/gone.py"),
            ("See `core/db.py` and `core/gone.py`.", "core/gone.py"),
            ("See `node/sublet_node/mounts.py`, `gone.py`, `wall.py`.", "gone.py"),
            ("See `src/sublet/gone/`.", "src/sublet/gone/"),
            ("See [that](gone.md#part).", "gone.md"),
        ],
    )
    def test_that_name_what_is_gone_are_caught(self, tmp_path: Path, text: str, gone: str) -> None:
        assert planted(tmp_path, text) == [f"names {gone}, which is not there; name what took its place"]

    def test_may_speak_of_what_was_once_another_superseded_them(self, tmp_path: Path) -> None:
        assert planted(tmp_path, "# 1\n\n*Superseded by [15](0015-x.md).*\n\n`src/sublet/core/gone.py`") == []


class TestThePageOfSystems:
    def test_lists_just_those_that_are_run_and_the_tests_that_are_there(self) -> None:
        page, tests = (ROOT / "docs/systems.md").read_text(), ROOT / "tests/node"
        listed = re.findall(r"^\| (Debian [^|]*?) \|", page, re.MULTILINE)
        assert listed == [*systems.DEBIAN, systems.VIRTUAL]
        assert all(name.removeprefix("Ubuntu ") in page for name in systems.UBUNTU)
        named = re.findall(r"`(Test\w+)`", page)
        written = "".join(path.read_text() for path in tests.glob("test_*.py"))
        assert named
        assert [name for name in named if f"class {name}:" not in written] == []


class TestDecisions:
    def test_are_numbered_one_after_the_other(self) -> None:
        assert misnumbered(files(ROOT / "docs/decisions", ".md")) == []

    @pytest.mark.parametrize(
        ("names", "wrong"),
        [
            ({"0001-a.md": "# 1. A", "0001-b.md": "# 1. B"}, "0001-b.md"),
            ({"0002-a.md": "# 2. A"}, "0002-a.md"),
            ({"0001-a.md": "# 2. A"}, "0001-a.md"),
        ],
    )
    def test_that_are_not_are_caught(self, tmp_path: Path, names: dict[str, str], wrong: str) -> None:
        for name, text in names.items():
            (tmp_path / name).write_text(text)
        assert [Path(violation.path).name for violation in misnumbered(tmp_path.iterdir())] == [wrong]
