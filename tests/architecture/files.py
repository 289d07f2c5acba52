"""What files are called, and how long they are."""

import re
from collections.abc import Iterable
from pathlib import Path

from tests.architecture.source import Violation

LONGEST_FILE = 400
LONGEST_CONSOLE_FILE = 250
NAMES_THAT_SAY_NOTHING = frozenset({"utils", "util", "helpers", "helper", "manager", "common", "service", "misc"})
NAMES_THAT_SAY_TOO_MUCH = {
    "account": "an account is the ledger's: say user, wallet or login",
    "accounts": "an account is the ledger's: say user, wallet or login",
    "access": "say who has access to what: actors, permissions, authorized keys",
    "limit": "a limit is what a kernel enforces: an operator's settings are a policy",
    "limits": "a limit is what a kernel enforces: an operator's settings are a policy",
    "records": "say records of what",
    "sealing": "the books are sealed: a value is encrypted, a folder is walled off",
    "money": "`core/money.py` has amounts: say wallet, books, charges",
}
"""Words that meant several things; docs/words.md says which is which."""

MEANT = frozenset({"src/sublet/core/money.py", "node/sublet_node/limits.py"})
NOUNS_LIKE_PARTICIPLES = frozenset({"billing", "keyring", "pricing", "scheduling", "seed", "standing", "tracing"})
PARTICIPLE = re.compile(r"(^|_)[a-z]{2,}(ed|ing)$|^(held|shown|set_aside)$")


def names_that_say_too_much(paths: Iterable[Path]) -> list[Violation]:
    """A file's name has one meaning, and is a noun or a verb: it is the question that the file answers."""
    found = []
    for path in paths:
        why = NAMES_THAT_SAY_TOO_MUCH.get(path.stem)
        if why is None and PARTICIPLE.search(path.stem) and path.stem.rpartition("_")[2] not in NOUNS_LIKE_PARTICIPLES:
            why = "a participle; name the file by the noun or verb that one would look for"
        if why is not None and str(path) not in MEANT:
            found.append(Violation(str(path), 0, why))
    return found


def names_that_say_nothing(paths: Iterable[Path]) -> list[Violation]:
    """Files are named for the question they answer."""
    what = "a name that says nothing; name the file for the question that it answers"
    return [Violation(str(path), 0, what) for path in paths if path.stem in NAMES_THAT_SAY_NOTHING]


def files_too_long(paths: Iterable[Path], longest: int) -> list[Violation]:
    """Split by noun before a file grows past what one can read at once."""
    lengths = ((path, len(path.read_text(encoding="utf-8").splitlines())) for path in paths)
    what = f"longer than {longest} lines; split it by noun, not by layer"
    return [Violation(str(path), length, what) for path, length in lengths if length > longest]
