"""The schema's history: linear, forward only, safe to run twice and at once, and what the code believes it to be."""

import importlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import psycopg
import pytest
from alembic.script import ScriptDirectory

import sublet
from sublet.core.db import metadata
from sublet.migrations.run import LOCK, DatabaseUnsuitable, configuration, head, migrate
from sublet.supervisor.embedded_postgres import EmbeddedPostgres

SOURCE = Path(sublet.__file__).parent


@pytest.fixture
def empty(postgres: EmbeddedPostgres, database_name: str) -> str:
    """The owner's URL of a database without any table."""
    name = f"{database_name}_empty"
    postgres.sql(f"CREATE DATABASE {name} TEMPLATE template0")
    return postgres.url("sublet_owner", name)


@pytest.fixture(autouse=True)
def drop_empty(postgres: EmbeddedPostgres, database_name: str) -> object:
    """Take the empty database away again."""
    yield
    postgres.sql(f"DROP DATABASE IF EXISTS {database_name}_empty WITH (FORCE)")


def revisions() -> list[ModuleType]:
    return [
        importlib.import_module(f"sublet.migrations.versions.{path.stem}")
        for path in sorted((SOURCE / "migrations" / "versions").glob("0*.py"))
    ]


class TestHistory:
    def test_is_one_line(self) -> None:
        script = ScriptDirectory.from_config(configuration())
        assert script.get_heads() == [head()]
        assert len(script.get_bases()) == 1

    def test_goes_forward_only(self) -> None:
        assert [module.__name__ for module in revisions() if hasattr(module, "downgrade")] == []

    def test_every_step_works_on_the_one_before(self, empty: str) -> None:
        before = None
        for module in revisions():
            assert migrate(empty, target=module.revision) == (before, module.revision)
            before = module.revision
        assert before == head()

    def test_running_it_again_changes_nothing(self, empty: str) -> None:
        migrate(empty)
        assert migrate(empty) == (head(), head())

    def test_several_processes_at_once_do_it_once(self, empty: str) -> None:
        with ThreadPoolExecutor(4) as pool:
            outcomes = list(pool.map(lambda _: migrate(empty), range(4)))
        assert {after for _, after in outcomes} == {head()}
        assert sum(before is None for before, _ in outcomes) == 1

    def test_another_migration_is_waited_for_however_long_it_takes(self, empty: str) -> None:
        with ThreadPoolExecutor(1) as pool, psycopg.connect(empty, autocommit=True) as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
            waiting = pool.submit(migrate, empty, lock_seconds=0.05)
            with pytest.raises(TimeoutError):
                waiting.result(1)
            connection.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
            assert waiting.result(60) == (None, head())

    def test_a_newer_schema_is_refused_and_untouched(self, owner_url: str) -> None:
        with psycopg.connect(owner_url, autocommit=True) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999_future'")
            with pytest.raises(DatabaseUnsuitable, match="comes from a newer"):
                migrate(owner_url)
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        assert row == ("9999_future",)


class TestTables:
    def test_are_what_the_code_believes(self, owner_url: str) -> None:
        for path in SOURCE.glob("*/models.py"):
            importlib.import_module(f"sublet.{path.parent.name}.models")
        with psycopg.connect(owner_url) as connection:
            rows = connection.execute(
                "SELECT table_schema, table_name, column_name FROM information_schema.columns"
            ).fetchall()
        actual = {(schema, table, column) for schema, table, column in rows}
        believed = {
            (table.schema or "public", table.name, column.name)
            for table in metadata.tables.values()
            for column in table.columns
        }
        assert believed
        assert believed - actual == set()

    def test_the_application_owns_nothing_and_cannot_change_what_is_append_only(self, app_url: str) -> None:
        with psycopg.connect(app_url, autocommit=True) as connection:
            owned = connection.execute("SELECT count(*) FROM pg_tables WHERE tableowner = 'sublet_app'").fetchone()
            assert owned == (0,)
            for table in ("outbox_event", "audit_event", "ledger.ledger_entry", "ledger.posting", "alembic_version"):
                for statement in (f"DELETE FROM {table}", f"TRUNCATE {table}"):
                    with pytest.raises(psycopg.Error):
                        connection.execute(statement.encode())
