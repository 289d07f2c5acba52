"""Leases are one mechanism: their SQL is in `core/work`, and nowhere else."""

import re

import pytest

from tests.architecture.source import Source, Violation, broken, planted

LEASES = re.compile(r"\blease_(token|expires_at|holder)\b|\bnext_attempt_at\b")


def leases_of_ones_own(source: Source) -> list[Violation]:
    """Text that looks after a lease anywhere but in the engine."""
    if source.parts[:2] == ("core", "work") or source.parts[0] == "migrations":
        return []
    what = "a lease of its own; declare a kind of work instead (core/work)"
    return [Violation(source.path, line, what) for line, text in source.strings if LEASES.search(text)]


class TestLeases:
    def test_are_kept_by_the_engine_alone(self) -> None:
        assert broken(leases_of_ones_own) == []

    @pytest.mark.parametrize(
        "sql",
        [
            "UPDATE thing SET lease_expires_at = now() + interval '6 s' WHERE id = :id",
            "SELECT id FROM thing WHERE next_attempt_at <= now()",
            "UPDATE thing SET busy = true WHERE lease_token = :token",
        ],
    )
    def test_of_ones_own_are_caught(self, sql: str) -> None:
        assert leases_of_ones_own(planted(f"text({sql!r})"))
