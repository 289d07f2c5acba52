"""What files are called, and how long they are."""

from collections.abc import Iterable
from pathlib import Path

from tests.architecture.source import Violation

LONGEST_FILE = 400
LONGEST_CONSOLE_FILE = 250
NAMES_THAT_SAY_NOTHING = frozenset({"utils", "util", "helpers", "helper", "manager", "common", "service", "misc"})


def names_that_say_nothing(paths: Iterable[Path]) -> list[Violation]:
    """Files are named for the question they answer."""
    what = "a name that says nothing; name the file for the question that it answers"
    return [Violation(str(path), 0, what) for path in paths if path.stem in NAMES_THAT_SAY_NOTHING]


def files_too_long(paths: Iterable[Path], longest: int) -> list[Violation]:
    """Split by noun before a file grows past what one can read at once."""
    lengths = ((path, len(path.read_text(encoding="utf-8").splitlines())) for path in paths)
    what = f"longer than {longest} lines; split it by noun, not by layer"
    return [Violation(str(path), length, what) for path, length in lengths if length > longest]
