"""A run goes on where the last one ended, and tries again only what could come out otherwise."""

from pathlib import Path

import pytest

from tests.mutants.memory import Memory
from tests.mutants.mutant import Mutant
from tests.mutants.worker import Outcome

TESTS = ("tests/test_a.py", "tests/test_b.py")
NOTICED = Outcome("killed", "tests/test_b.py::TestB::test_says_no[x.py]")
SURVIVED = Outcome("survived")


SAYS_NO = "class TestB:\n    def test_says_no(self):\n        ...\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with two files of tests."""
    (tmp_path / "tests").mkdir()
    (tmp_path / TESTS[0]).write_text("def test(): ...\n")
    (tmp_path / TESTS[1]).write_text(SAYS_NO)
    return tmp_path


def mutant(around: str = "if False: ...", *, line: int = 1) -> Mutant:
    return Mutant("src/x.py", line, "if a: ...", "if False: ...", around, around)


def later(root: Path) -> Memory:
    """What the next run remembers."""
    return Memory(root, root / "remembered")


class TestOutcome:
    @pytest.mark.parametrize("outcome", [NOTICED, SURVIVED, Outcome("killed", "migrating: SyntaxError")])
    def test_is_remembered(self, root: Path, outcome: Outcome) -> None:
        later(root).keep(mutant(), TESTS, outcome)
        assert later(root).outcome(mutant(), TESTS) == outcome
        assert later(root).outcome(mutant("if False: ...\nb()"), TESTS) is None

    def test_holds_while_the_test_that_noticed_stands(self, root: Path) -> None:
        later(root).keep(mutant(), TESTS, NOTICED)
        (root / TESTS[0]).write_text("")
        (root / TESTS[1]).write_text(f"{SAYS_NO}\n    def test_of_something_else(self): ...\n")
        assert later(root).outcome(mutant(), TESTS) == NOTICED
        (root / TESTS[1]).write_text(SAYS_NO.replace("...", "pass"))
        assert later(root).outcome(mutant(), TESTS) is None

    @pytest.mark.parametrize("test", TESTS)
    def test_of_a_survivor_holds_until_any_test_changes(self, root: Path, test: str) -> None:
        later(root).keep(mutant(), TESTS, SURVIVED)
        (root / test).write_text("def test_better(): ...")
        assert later(root).outcome(mutant(), TESTS) is None

    def test_of_a_test_that_is_no_longer_run_is_forgotten(self, root: Path) -> None:
        later(root).keep(mutant(), TESTS, NOTICED)
        assert later(root).outcome(mutant(), TESTS[:1]) is None


class TestLikely:
    def test_are_the_tests_that_noticed_the_nearest_changes(self, root: Path) -> None:
        memory = later(root)
        assert memory.likely(mutant()) == ()
        memory.keep(mutant("1", line=10), TESTS, NOTICED)
        memory.keep(mutant("2", line=20), TESTS, Outcome("killed", "tests/test_a.py::test"))
        memory.keep(mutant("3", line=12), TESTS, SURVIVED)
        memory.keep(mutant("4", line=12), TESTS, Outcome("killed", "the process"))
        memory.keep(mutant("5", line=30), TESTS, NOTICED)
        assert memory.likely(mutant(line=12)) == (NOTICED.by, "tests/test_a.py::test")
        assert memory.likely(mutant(line=16)) == ("tests/test_a.py::test", NOTICED.by)

    def test_files_are_those_that_noticed_most(self, root: Path) -> None:
        memory = later(root)
        assert memory.in_order(mutant(), TESTS) == TESTS
        memory.keep(mutant(), TESTS, NOTICED)
        assert memory.in_order(mutant(), TESTS) == TESTS[::-1]
