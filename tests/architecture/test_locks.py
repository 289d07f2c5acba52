"""Two things that lock by the same number would wait for each other, and nobody would know why."""

import pytest

from sublet.core.locks import MIGRATION, Space
from tests.architecture.locks import BY_THEMSELVES, locked, raw_locks
from tests.architecture.source import broken, planted, sources, with_sql


class TestAdvisoryLocks:
    def test_are_taken_in_one_place(self) -> None:
        assert broken(raw_locks, with_sql()) == []

    def test_are_taken_elsewhere_where_an_exception_says_so(self) -> None:
        by_path = {source.path: source for source in with_sql()}
        assert [path for path in BY_THEMSELVES if not locked(by_path[path])] == []

    def test_have_a_number_of_their_own_each(self) -> None:
        numbers = [space.value for space in Space.__members__.values()]
        assert len(set(numbers)) == len(numbers)
        assert MIGRATION not in numbers

    def test_are_all_taken_by_somebody(self) -> None:
        code = "".join(source.text for source in sources())
        assert [space for space in Space if f"Space.{space.name}" not in code] == []

    @pytest.mark.parametrize(
        "text",
        [
            '_ALONE = text("SELECT pg_advisory_xact_lock(7351903)")',
            'session.execute(text("SELECT pg_try_advisory_lock(:x)"), {"x": 1})',
            "PERFORM pg_advisory_lock_shared(1);",
        ],
    )
    def test_are_caught_when_taken_by_hand(self, text: str) -> None:
        assert raw_locks(planted(text))
        assert raw_locks(planted(text, "ledger/sql/9_planted.sql"))
