"""What the documents name: files and folders that are there; and decisions are numbered one after the other."""

import re
from collections.abc import Iterable
from pathlib import Path

from tests.architecture.source import CODE, ROOT, Violation

_SUPERSEDED = re.compile(r"^\*Superseded by ", re.MULTILINE)
_NAMED = re.compile(r"`((?:[\w.-]+/)*[\w.-]+\.(?:py|sql|md|toml|json|diff|ts|tsx|css)|[\w.-]+(?:/[\w.-]+)+/)`")
_STANDS_FOR_ANY = re.compile(r"(^|/)(NAME|X)([/.]|$)")
_LINKED = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def files_gone(documents: Iterable[Path]) -> list[Violation]:
    """Names in backquotes, below the repository, the package, a domain, the console or beside the name before; links.

    A decision that another one superseded speaks of what was.
    """
    found = []
    for document in documents:
        text = document.read_text(encoding="utf-8")
        if _SUPERSEDED.search(text):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            gone = [
                *_names_gone(line),
                *(name for name in _LINKED.findall(line) if not (document.parent / name).exists()),
            ]
            what = "names {}, which is not there; name what took its place"
            found += [Violation(str(document), number, what.format(name)) for name in gone]
    return found


def _names_gone(line: str) -> list[str]:
    gone, beside = [], ROOT
    for name in _NAMED.findall(line):
        if _STANDS_FOR_ANY.search(name):
            continue
        folders = (ROOT, CODE, ROOT / "console", beside, *CODE.iterdir(), *(ROOT / "tests").iterdir())
        there = next((folder / name for folder in folders if (folder / name).exists()), None)
        if there is None:
            gone.append(name)
        else:
            beside = there.parent
    return gone


def misnumbered(decisions: Iterable[Path]) -> list[Violation]:
    """Decisions that do not have the number after the one before, or whose heading says another."""
    found = []
    for due, document in enumerate(sorted(decisions), 1):
        heading = document.read_text(encoding="utf-8").partition("\n")[0]
        if not document.name.startswith(f"{due:04}-") or not heading.startswith(f"# {due}. "):
            found.append(Violation(str(document), 1, f"is decision {due} by its place; number file and heading so"))
    return found
