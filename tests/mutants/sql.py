"""Changes of SQL: a condition that no longer counts, a bound that is off by one, a guard that is gone."""

import re
from collections.abc import Iterator

from tests.mutants.mutant import Change

# What a condition follows, and what ends it outside of parentheses.
_OPENS = re.compile(r"\b(WHERE|AND|OR|HAVING|IF|ELSIF|WHEN|CHECK)\b")
_ENDS = re.compile(
    r"(?<!\w)(AND|OR|THEN|ORDER|GROUP|LIMIT|RETURNING|FOR|UNION|WINDOW|WHERE|HAVING|ON CONFLICT|EXECUTE|SET|DO)\b"
    r"|(?<!\w)(AS|JOIN|LEFT|RIGHT|FULL|CROSS|OFFSET)\b|;|\$\$"
)
_NO_CONDITION = re.compile(
    r"\bIF (NOT )?EXISTS\b(?=\s+\w)|\bBETWEEN\s+[^\s()]+\s+AND\b|\bCREATE INDEX\b[^;]*;|\bCREATE OR REPLACE\b"
    r"|\b(BEFORE|AFTER)\s+(INSERT|UPDATE|DELETE)\b[^;]*?\bON\b"
)
_QUIET = re.compile(r"--[^\n]*|'(?:[^']|'')*'")
_BOUNDS = ((" <= ", " < "), (" >= ", " > "), (" < ", " <= "), (" > ", " >= "))
_NEVER_MET = "clock_timestamp()"
"""A moment that nothing else is ever equal to, so that a bound there may be either."""
_SIGNS = ((" + ", " - "), (" - ", " + "))
_CALLS = (("least(", "greatest("), ("greatest(", "least("))
_GUARDS = re.compile(r"CREATE (?:OR REPLACE )?TRIGGER\b[^;]*;|\bUNIQUE\b(?! INDEX)")


def changes(text: str) -> Iterator[Change]:
    """Every change of a text that is SQL throughout."""
    quiet = _silenced(text)
    for guard in _GUARDS.finditer(quiet):
        yield Change(guard.start(), guard.end(), "")
    quiet = _NO_CONDITION.sub(lambda found: " " * len(found.group()), quiet)
    yield from _conditions(quiet)
    for pairs in (_BOUNDS, _SIGNS, _CALLS):
        for old, new in pairs:
            for place in _places(quiet, old):
                if pairs is not _BOUNDS or not quiet.startswith(_NEVER_MET, place + len(old)):
                    yield Change(place, place + len(old), new)


def _silenced(text: str) -> str:
    """The text with its comments and literals blanked out, each character in its place."""
    return _QUIET.sub(lambda found: "'" + " " * (len(found.group()) - 2) + "'", text)


def _places(text: str, word: str) -> Iterator[int]:
    at = text.find(word)
    while at >= 0:
        yield at
        at = text.find(word, at + len(word) - 1)


def _conditions(quiet: str) -> Iterator[Change]:
    for opening in _OPENS.finditer(quiet):
        start, word = opening.end(), opening.group()
        end, closed_by = _end_of_condition(quiet, start)
        if not quiet[start:end].strip():
            continue
        neutral = "false" if "OR" in (word, closed_by) else "true"
        if word in ("IF", "ELSIF", "WHEN"):
            whole = _end_of_condition(quiet, start, over=("AND", "OR"))[0]
            yield Change(start, whole, " false ")
            if closed_by not in ("AND", "OR"):
                continue
        if word == "CHECK":
            neutral = "(true)"
        yield Change(start, end, f" {neutral} ")


def _end_of_condition(text: str, start: int, *, over: tuple[str, ...] = ()) -> tuple[int, str]:
    """Where a condition ends, and the word that ends it; words in `over` do not."""
    depth = 0
    for at in range(start, len(text)):
        if text[at] in "([":
            depth += 1
        elif text[at] in ")]":
            depth -= 1
            if depth < 0:
                return _trimmed(text, start, at), ")"
        elif depth == 0 and text[at] == ",":
            return _trimmed(text, start, at), ","
        elif depth == 0 and (ended := _ENDS.match(text, at)) and ended.group() not in over:
            return _trimmed(text, start, at), ended.group()
    return _trimmed(text, start, len(text)), ""


def _trimmed(text: str, start: int, end: int) -> int:
    while end > start and text[end - 1].isspace():
        end -= 1
    return end
