"""Python and PostgreSQL know the same states."""

from collections.abc import Iterator
from enum import StrEnum

import psycopg
import pytest

from tests.architecture.state_checks import Checked, state_columns, state_enums, states_that_differ


@pytest.fixture
def connection(owner_url: str) -> Iterator[psycopg.Connection[tuple[str, ...]]]:
    """The owner's connection to a migrated database."""
    with psycopg.connect(owner_url) as connection:
        yield connection


class TestStates:
    def test_are_the_same_in_python_and_in_postgresql(self, connection: psycopg.Connection[tuple[str, ...]]) -> None:
        enums, columns = state_enums(), state_columns(connection)
        assert {"allocations", "fleet", "payments"} <= set(enums)
        assert {"allocation", "allocation_operation", "node", "gpu", "top_up"} <= {column.table for column in columns}
        assert states_that_differ(enums, columns) == []

    @pytest.mark.parametrize(
        "change",
        [
            "ALTER TABLE top_up DROP CONSTRAINT top_up_state_check",
            "ALTER TABLE top_up DROP CONSTRAINT top_up_state_check;"
            "ALTER TABLE top_up ADD CHECK (state IN ('pending', 'processing', 'succeeded', 'failed'))",
            "ALTER TABLE top_up DROP CONSTRAINT top_up_state_check;"
            "ALTER TABLE top_up ADD CHECK (state IN ('pending', 'processing', 'succeeded', 'failed', 'expired', 'x'))",
            "ALTER TABLE allocation_history ADD COLUMN state text",
        ],
    )
    def test_that_only_postgresql_knows_are_caught(
        self, connection: psycopg.Connection[tuple[str, ...]], change: str
    ) -> None:
        connection.execute(change)
        assert states_that_differ(state_enums(), state_columns(connection))

    def test_that_only_python_knows_are_caught(self) -> None:
        enum = StrEnum("MeterState", ["RUNNING", "PAUSED"])
        column = Checked("meter", "billing", frozenset({"running", "paused"}))
        assert states_that_differ({"billing": [enum]}, [column]) == []
        assert states_that_differ({"billing": [enum]}, [])
        assert states_that_differ({"billing": [enum]}, [column._replace(domain="fleet")])
        assert states_that_differ({}, [column])
