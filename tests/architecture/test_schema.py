"""docs/schema.sql is what the migrations make, and a migration stays what it was: `make schema` writes both anew."""

import re
import shutil
from pathlib import Path

import psycopg

from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.support.schema import CHECKSUMS, SCHEMA, VERSIONS, Kept, checksums, dump

VIEWS = re.compile(r"^CREATE VIEW .*?;\n", re.MULTILINE | re.DOTALL)
"""PostgreSQL 15 writes some names in views with their table, and 18 does not."""


def _comparable(text: str, server: EmbeddedPostgres) -> str:
    with psycopg.connect(server.owner_url) as connection:
        return text if connection.info.server_version >= 180_000 else VIEWS.sub("", text)


class TestSchemaFile:
    def test_is_what_the_migrations_make(self, postgres: EmbeddedPostgres) -> None:
        kept = SCHEMA.read_text(encoding="utf-8")
        assert _comparable(dump(postgres), postgres) == _comparable(kept, postgres), "run `make schema`"

    def test_a_change_is_caught(self, postgres: EmbeddedPostgres, database_name: str, owner_url: str) -> None:
        kept = _comparable(SCHEMA.read_text(encoding="utf-8"), postgres)
        for change in (
            "ALTER TABLE sku ADD COLUMN planted text",
            "ALTER TABLE sku DROP COLUMN planted, DROP CONSTRAINT sku_vcpu_check",
            "CREATE OR REPLACE FUNCTION ledger.hash_of(VARIADIC _parts text[]) RETURNS bytea LANGUAGE sql IMMUTABLE "
            "AS 'SELECT ''''::bytea'",
            "DROP TRIGGER append_only ON ledger.posting",
            "GRANT DELETE ON sku TO sublet_app",
        ):
            before = _comparable(dump(postgres, database_name), postgres)
            with psycopg.connect(owner_url, autocommit=True) as connection:
                connection.execute(change.encode())
            after = _comparable(dump(postgres, database_name), postgres)
            assert after not in {before, kept}, change


class TestMigrations:
    def test_are_what_they_were(self) -> None:
        assert Kept(CHECKSUMS).faults(VERSIONS) == [], "run `make schema`; a migration that is final never changes"

    def test_that_change_come_or_go_are_caught(self, tmp_path: Path) -> None:
        versions = tmp_path / "versions"
        shutil.copytree(VERSIONS, versions)
        file = tmp_path / "checksums"
        file.write_text(checksums(versions), encoding="utf-8")
        kept = Kept(file)
        assert kept.faults(versions) == []
        first, *_, last = sorted(path.name for path in versions.glob("0*.py"))
        with (versions / first).open("a", encoding="utf-8") as file:
            file.write("# changed\n")
        (versions / last).rename(versions / "9999_planted.py")
        assert kept.faults(versions) == [f"{first} has changed", f"{last} is gone", "9999_planted.py is not in it"]

    def test_of_a_release_are_not_written_anew(self, tmp_path: Path) -> None:
        file = tmp_path / "checksums"
        text = checksums(VERSIONS)
        first, second = [line.partition("  ")[2] for line in text.splitlines()[:2]]
        file.write_text(text.replace(text[:64], "0" * 64, 1), encoding="utf-8")
        assert Kept(file, final_up_to=second).refusals(VERSIONS) == [f"{first} has changed"]
        assert Kept(file, final_up_to="").refusals(VERSIONS) == []
