"""The schema's history: linear, forward only, safe to run twice and at once, and what the code believes it to be."""

import importlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import psycopg
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ENUM

import sublet
from sublet.core.db import metadata
from sublet.core.locks import MIGRATION
from sublet.migrations.run import DatabaseUnsuitable, configuration, head, migrate
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


COLUMNS = """
SELECT CASE WHEN c.relnamespace <> 'public'::regnamespace THEN c.relnamespace::regnamespace || '.' ELSE '' END
         || c.relname,
       a.attname,
       format_type(a.atttypid, a.atttypmod)
         || coalesce((SELECT ' of ' || string_agg(enumlabel, ' ' ORDER BY enumsortorder) FROM pg_enum
                       WHERE enumtypid = a.atttypid), ''),
       a.attnotnull,
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND a.attnum = ANY(i.indkey))
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relkind IN ('r', 'p')
"""
Columns = dict[str, tuple[str, bool, bool]]


def believed_columns() -> dict[str, Columns]:
    """Each table of the domains' models: its columns with their type, whether they are NOT NULL, and in the key."""
    for path in SOURCE.glob("*/models.py"):
        importlib.import_module(f"sublet.{path.parent.name}.models")
    dialect = postgresql.dialect()
    found: dict[str, Columns] = {}
    for name, table in metadata.tables.items():
        for column in table.columns:
            kind = column.type.compile(dialect).lower()
            if isinstance(column.type, ENUM):
                kind += f" of {' '.join(column.type.enums)}"
            found.setdefault(name, {})[column.name] = (kind, not column.nullable, column.primary_key)
    return found


def actual_columns(owner_url: str) -> dict[str, Columns]:
    """The same of every table in the database."""
    found: dict[str, Columns] = {}
    with psycopg.connect(owner_url) as connection:
        for table, column, kind, not_null, key in connection.execute(COLUMNS):
            found.setdefault(table, {})[column] = (kind, not_null, key)
    return found


def differences(believed: dict[str, Columns], actual: dict[str, Columns]) -> dict[str, tuple[Columns, Columns]]:
    """Each table that is not what its model says, both sides as far as they differ."""
    found = {}
    for table, model in believed.items():
        rows = actual.get(table, {})
        ours = {name: column for name, column in model.items() if rows.get(name) != column}
        theirs = {name: column for name, column in rows.items() if model.get(name) != column}
        if ours or theirs:
            found[table] = (ours, theirs)
    return found


def revisions() -> list[ModuleType]:
    return [
        importlib.import_module(f"sublet.migrations.versions.{path.stem}")
        for path in sorted((SOURCE / "migrations" / "versions").glob("0*.py"))
    ]


def installations(owner_url: str) -> list[tuple[str, ...]]:
    with psycopg.connect(owner_url) as connection:
        return connection.execute("SELECT id FROM installation").fetchall()


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

    def test_each_database_is_an_installation_of_its_own_and_stays_it(self, empty: str, owner_url: str) -> None:
        migrate(empty)
        drawn = installations(empty)
        migrate(empty)
        assert installations(empty) == drawn
        assert len(drawn) == 1
        assert drawn != installations(owner_url)

    def test_several_processes_at_once_do_it_once(self, empty: str) -> None:
        with ThreadPoolExecutor(4) as pool:
            outcomes = list(pool.map(lambda _: migrate(empty), range(4)))
        assert {after for _, after in outcomes} == {head()}
        assert sum(before is None for before, _ in outcomes) == 1

    def test_another_migration_is_waited_for_however_long_it_takes(self, empty: str) -> None:
        with ThreadPoolExecutor(1) as pool, psycopg.connect(empty, autocommit=True) as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", (MIGRATION,))
            waiting = pool.submit(migrate, empty, lock_seconds=0.05)
            with pytest.raises(TimeoutError):
                waiting.result(1)
            connection.execute("SELECT pg_advisory_unlock(%s)", (MIGRATION,))
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
        believed, actual = believed_columns(), actual_columns(owner_url)
        assert len(believed) > 20
        assert differences(believed, actual) == {}

    @pytest.mark.parametrize(
        "change",
        [
            "ALTER TABLE sku ADD COLUMN planted text",
            "ALTER TABLE sku ALTER COLUMN name DROP NOT NULL",
            "ALTER TABLE sku ALTER COLUMN gpu_model SET NOT NULL",
            "ALTER TABLE sku ALTER COLUMN vcpu TYPE bigint",
            "ALTER TABLE sku RENAME COLUMN name TO planted",
            "ALTER TABLE sku DROP CONSTRAINT sku_pkey CASCADE",
            "ALTER TYPE ledger.entry_kind ADD VALUE 'planted'",
        ],
    )
    def test_that_differ_are_caught(self, owner_url: str, change: str) -> None:
        with psycopg.connect(owner_url, autocommit=True) as connection:
            connection.execute(change.encode())
        believed, actual = believed_columns(), actual_columns(owner_url)
        assert differences(believed, actual)

    def test_the_application_owns_nothing_and_cannot_change_what_is_append_only(self, app_url: str) -> None:
        with psycopg.connect(app_url, autocommit=True) as connection:
            owned = connection.execute("SELECT count(*) FROM pg_tables WHERE tableowner = 'sublet_app'").fetchone()
            assert owned == (0,)
            tables = ("audit_event", "ledger.ledger_entry", "ledger.posting", "alembic_version")
            changes = [f"{verb} {table}" for table in tables for verb in ("DELETE FROM", "TRUNCATE")]
            # Which events may go is asked of each of them (tests/entry/test_retention.py).
            for statement in (*changes, "TRUNCATE outbox_event"):
                with pytest.raises(psycopg.Error):
                    connection.execute(statement.encode())
