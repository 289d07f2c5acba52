"""Whatever other modules use says what it promises. Ruff holds it; this shows that it is told to."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import ROOT

RUFF = Path(sys.executable).parent / "ruff"
MODULE = '"""Rates what was metered."""\n\n\n'


def ruff(text: str, path: str = "src/sublet/billing/planted.py") -> str:
    """What ruff says of a file, by the settings of this repository."""
    command = [RUFF, "check", "--no-cache", "--output-format", "concise", "--stdin-filename", path, "-"]
    done = subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True, check=False)
    return done.stdout


class TestDocstrings:
    @pytest.mark.parametrize(
        ("text", "rule"),
        [
            ("RATE = 1\n", "D100"),
            (f"{MODULE}class Rated:\n    amount = 1\n", "D101"),
            (f'{MODULE}class Rated:\n    """A charge."""\n\n    def owed(self) -> int:\n        return 1\n', "D102"),
            (f"{MODULE}def rate() -> int:\n    return 1\n", "D103"),
            (f"{MODULE}async def rate() -> int:\n    return 1\n", "D103"),
        ],
    )
    def test_that_are_missing_are_caught(self, text: str, rule: str) -> None:
        assert rule in ruff(text)

    def test_are_not_asked_of_what_is_private(self) -> None:
        assert "D10" not in ruff(f"{MODULE}def _rate() -> int:\n    return 1\n")
        assert "D104" in ruff("", "src/sublet/planted/__init__.py")
