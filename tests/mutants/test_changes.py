"""What counts as a change, and that the list of survivors is about the code as it is."""

import pytest

from tests.mutants import python, sql
from tests.mutants.__main__ import ROOT, listed
from tests.mutants.mutant import Change, mutant_of
from tests.mutants.targets import TARGETS


def becomes(kind: str, text: str) -> set[str]:
    """Every text that a text is changed into, as one line."""
    changes = python.changes(text) if kind == "python" else sql.changes(text)
    return {" ".join(mutant_of("x", text, change).text.split()) for change in changes}


class TestPython:
    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("if a == b: raise E", {"if False: raise E"}),
            ("x = a <= b", {"x = (a < b)"}),
            ("x = a and not b", {"x = (not b)", "x = (a)", "x = a and (b)"}),
            ("x = {A, B}", {"x = {B}", "x = {A}"}),
            ("x = a - b", {"x = (a + b)"}),
            ("x = max(a, b)", {"x = min(a, b)"}),
            ("f(a)", {"pass"}),
            ("x = [('a', lambda: look())]", {"x = [('a', lambda: [])]"}),
            ('x = "SELECT 1 WHERE a AND b"', {'x = "SELECT 1 WHERE true AND b"', 'x = "SELECT 1 WHERE a AND true "'}),
        ],
    )
    def test_changes(self, source: str, expected: set[str]) -> None:
        assert becomes("python", source) == expected

    @pytest.mark.parametrize(
        "source",
        ['"""Said: a == b."""', "log.info('x', a == b)", "def f(a: int | None) -> str | None: ...", "x = 'a < b'"],
    )
    def test_leaves_alone_what_only_says_something(self, source: str) -> None:
        assert becomes("python", source) == set()


class TestSql:
    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("DELETE FROM t WHERE id = 1;", {"DELETE FROM t WHERE true ;"}),
            ("SELECT 1 WHERE a OR b", {"SELECT 1 WHERE false OR b", "SELECT 1 WHERE a OR false "}),
            ("SELECT 1 WHERE (a AND b)", {"SELECT 1 WHERE true ", "SELECT 1 WHERE (a AND true )"}),
            (
                "SELECT 1 FROM a JOIN b ON i AND c LEFT JOIN d ON k",
                {"SELECT 1 FROM a JOIN b ON i AND true LEFT JOIN d ON k"},
            ),
            ("SELECT a AND b AS c FROM t", {"SELECT a AND true AS c FROM t"}),
            ("AS $$ DELETE FROM t WHERE a $$;", {"AS $$ DELETE FROM t WHERE true $$;"}),
            ("IF a THEN b; END IF;", {"IF false THEN b; END IF;"}),
            ("x int CHECK (x > 0)", {"x int CHECK (true) ", "x int CHECK (x >= 0)"}),
            ("SELECT least(a, b - c)", {"SELECT greatest(a, b - c)", "SELECT least(a, b + c)"}),
            ("CREATE TRIGGER t BEFORE UPDATE OR DELETE ON x EXECUTE FUNCTION f();", {""}),
            ("a text UNIQUE", {"a text"}),
        ],
    )
    def test_changes(self, source: str, expected: set[str]) -> None:
        assert becomes("sql", source) == {" ".join(text.split()) for text in expected}

    @pytest.mark.parametrize(
        "source",
        [
            "-- WHERE a AND b",
            "SELECT 'WHERE a AND b'",
            "SELECT a BETWEEN b AND c",
            "CREATE INDEX i ON t (a) WHERE a > 0;",
            "CREATE OR REPLACE FUNCTION f() RETURNS int",
            "DROP TABLE IF EXISTS t;",
        ],
    )
    def test_leaves_alone_what_is_no_condition(self, source: str) -> None:
        assert becomes("sql", source) == set()

    def test_leaves_alone_whether_a_moment_counts_that_is_never_met(self) -> None:
        assert becomes("sql", "SELECT a <= clock_timestamp()") == set()


class TestAround:
    def test_is_the_paragraph_that_is_changed(self) -> None:
        text = "a = 1\n\n\ndef f():\n    if a:\n        b()\n\n    c()\n\n\nd()\n"
        for old, around in (
            ("a = 1", "X\n\n\n"),
            ("if a", "def f():\n    X:\n        b()\n\n    c()\n\n\n"),
            ("d()", "X\n"),
        ):
            start = text.index(old)
            assert mutant_of("x", text, Change(start, start + len(old), "X")).around == around


class TestTargets:
    def test_are_all_there_with_their_tests(self) -> None:
        for target in TARGETS:
            assert target.mutants(ROOT), target.name
            assert all((ROOT / test).exists() for test in target.tests), target.name

    def test_have_all_the_survivors_that_are_listed_each_with_a_reason(self) -> None:
        known = {mutant.name for target in TARGETS for mutant in target.mutants(ROOT)}
        assert set(listed()) - known == set()
        assert all(reason.strip().endswith(".") for reason in listed().values())
