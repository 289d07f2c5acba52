"""A mutant: one file with one place of it changed."""

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Change:
    """The characters from `start` to `end` of a text become `new`."""

    start: int
    end: int
    new: str


@dataclass(frozen=True)
class Mutant:
    """A change of a file; `was` and `becomes` are the lines that it touches, as one line each.

    `around` is the changed paragraph: what stands at the margin after an empty line, and all up to the next such.
    """

    file: str
    line: int
    was: str
    becomes: str
    around: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}\n    {self.was}\n  → {self.becomes}"

    @property
    def name(self) -> tuple[str, str, str]:
        """What it is known by, wherever the line moves."""
        return self.file, self.was, self.becomes


def paragraph(text: str, start: int, end: int, *, margin: int = 0) -> tuple[int, int]:
    """Where the paragraph begins and ends that a place of a text is in; what stands at the margin begins a new one."""
    borders = [found.end() - len(found[1]) for found in re.finditer(rf"\n\n+( {{0,{margin}}})(?=\S)", text)]
    begins = max((border for border in borders if border <= start), default=0)
    return begins, min((border for border in borders if border >= end), default=len(text))


def mutant_of(file: str, text: str, change: Change) -> Mutant:
    """The mutant of a file's text that a change makes."""
    first = text.rfind("\n", 0, change.start) + 1
    after = text.find("\n", change.end)
    last = len(text) if after < 0 else after
    changed = text[: change.start] + change.new + text[change.end :]
    begins, ends = paragraph(text, change.start, change.end)
    return Mutant(
        file=file,
        line=text.count("\n", 0, change.start) + 1,
        was=_one_line(text[first:last]),
        becomes=_one_line(changed[first : last + len(changed) - len(text)]),
        around=changed[begins : ends + len(changed) - len(text)],
        text=changed,
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def mutants_of(root: Path, file: str, changes: list[Change]) -> list[Mutant]:
    """Every mutant of a file, each once, in the order of their places."""
    text = (root / file).read_text(encoding="utf-8")
    found: dict[str, Mutant] = {}
    for change in sorted(changes, key=lambda change: (change.start, change.end, change.new)):
        mutant = mutant_of(file, text, change)
        found.setdefault(mutant.text, mutant)
    return list(found.values())
