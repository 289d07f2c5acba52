"""What came of each mutant in earlier runs, so that the next one goes on where they ended.

An outcome holds as long as the paragraph around the change stands, and the tests that spoke: of what was noticed, the
paragraph of the test that noticed it; of what survived, all files of tests that were run.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from tests.mutants.mutant import Mutant, paragraph
from tests.mutants.worker import Outcome

FEW = 5
METHOD = 4
"""The margin of a class's methods."""
_TEST = re.compile(r"(tests/[^ :]+\.py)(?:[^[]*::(\w+))?")


class Memory:
    """Outcomes in a file, one a line; it is written to after each trial, so an interrupted run loses nothing."""

    def __init__(self, root: Path, path: Path) -> None:
        self._root, self._path = root, path
        self._texts: dict[str, str] = {}
        self._outcomes: dict[str, tuple[Outcome, str]] = {}
        self._noticed: defaultdict[str, dict[int, str]] = defaultdict(dict)
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                key, what, by, spoke = json.loads(line)
                self._outcomes[key] = Outcome(what, by), spoke

    def outcome(self, mutant: Mutant, tests: Sequence[str]) -> Outcome | None:
        """What came of a mutant, if that still holds for these files of tests."""
        outcome, spoke = self._outcomes.get(_key(mutant), (None, ""))
        if outcome is None or spoke != self._spoke(outcome, tests):
            return None
        self._note(mutant, outcome)
        return outcome

    def keep(self, mutant: Mutant, tests: Sequence[str], outcome: Outcome) -> None:
        """Remember what came of it."""
        self._note(mutant, outcome)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([_key(mutant), outcome.what, outcome.by, self._spoke(outcome, tests)]) + "\n")

    def likely(self, mutant: Mutant) -> tuple[str, ...]:
        """The few tests that noticed the changes nearest to this one."""
        near = sorted(self._noticed[mutant.file].items(), key=lambda noticed: abs(noticed[0] - mutant.line))
        return tuple(dict.fromkeys(by for _, by in near))[:FEW]

    def in_order(self, mutant: Mutant, tests: Sequence[str]) -> tuple[str, ...]:
        """The files of tests, those first that noticed most of what was changed in the same file."""
        often = Counter(by.partition("::")[0] for by in self._noticed[mutant.file].values())
        return tuple(sorted(tests, key=lambda test: -often[test]))

    def _note(self, mutant: Mutant, outcome: Outcome) -> None:
        if outcome.by.startswith("tests/"):
            self._noticed[mutant.file][mutant.line] = outcome.by

    def _spoke(self, outcome: Outcome, tests: Sequence[str]) -> str:
        """A digest of the tests that made the outcome; empty if the one that noticed is not among them any more."""
        found = _TEST.search(outcome.by)
        if found is None:
            return _digest(*(test + self._text(test) for test in sorted(tests)))
        file, test = found.groups()
        text = self._text(file) if file in tests else ""
        defined = re.search(rf"def {test}\(", text)
        if defined is None:
            return _digest("" if test else text)
        begins, ends = paragraph(text, *defined.span(), margin=METHOD)
        return _digest(text[begins:ends])

    def _text(self, file: str) -> str:
        if file not in self._texts:
            self._texts[file] = (self._root / file).read_text(encoding="utf-8")
        return self._texts[file]


def _key(mutant: Mutant) -> str:
    return _digest(mutant.file, mutant.around)


def _digest(*parts: str) -> str:
    return sha256("\0".join(part.rstrip() for part in parts).encode()).hexdigest() if any(parts) else ""
