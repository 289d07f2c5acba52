"""What came of each mutant in earlier runs, so that the next one goes on where they ended.

An outcome holds as long as the changed file and the tests that spoke stand as they did: of what was noticed, the file
of the test that noticed it; of what survived, all that were run.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from tests.mutants.mutant import Mutant
from tests.mutants.worker import Outcome

FEW = 5
_FILE = re.compile(r"tests/[^ :]+\.py")


class Memory:
    """Outcomes in a file, one a line; it is written to after each trial, so an interrupted run loses nothing."""

    def __init__(self, root: Path, path: Path) -> None:
        self._root, self._path = root, path
        self._digests: dict[str, str] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._noticed: defaultdict[str, dict[int, str]] = defaultdict(dict)
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                key, what, by = json.loads(line)
                self._outcomes[key] = Outcome(what, by)

    def outcome(self, mutant: Mutant, tests: Sequence[str]) -> Outcome | None:
        """What came of a mutant, if that still holds for these files of tests."""
        for spoke in (*([test] for test in tests), tests):
            if (known := self._outcomes.get(self._key(mutant, spoke))) is not None:
                self._note(mutant, known)
                return known
        return None

    def keep(self, mutant: Mutant, tests: Sequence[str], outcome: Outcome) -> None:
        """Remember what came of it."""
        self._note(mutant, outcome)
        found = _FILE.search(outcome.by)
        spoke = tests if found is None else [found.group()]
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([self._key(mutant, spoke), outcome.what, outcome.by]) + "\n")

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

    def _key(self, mutant: Mutant, tests: Sequence[str]) -> str:
        parts = (mutant.file, mutant.text, *map(self._digest, sorted(tests)))
        return sha256("\0".join(parts).encode()).hexdigest()

    def _digest(self, file: str) -> str:
        if file not in self._digests:
            self._digests[file] = sha256(file.encode() + b"\0" + (self._root / file).read_bytes()).hexdigest()
        return self._digests[file]
