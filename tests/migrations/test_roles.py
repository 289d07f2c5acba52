"""The roles that docs/operations.md has an operator make, on a server where nothing else was arranged."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from sublet.core.db import Database
from sublet.ledger import wallets
from sublet.migrations.roles import GRANTED_BY_ITS_MAKER_ALONE, ROLES
from sublet.migrations.run import head
from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.ledger.books import assert_books_are_sound, new_hold, new_wallet, usd
from tests.support.database import new_server
from tests.support.demo import ROOT, SUBLET

pytestmark = pytest.mark.anyio

OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
ADMINISTRATOR = "dba"


def documented(pattern: str) -> list[str]:
    """The statements of the operator's manual that match."""
    return [statement.rstrip(";") for statement in re.findall(pattern, OPERATIONS)]


def sublet_migrate(**environment: str) -> subprocess.CompletedProcess[str]:
    """Run `sublet migrate` with nothing configured but what is given."""
    inherited = {name: value for name, value in os.environ.items() if not re.match("SUBLET_|DATABASE_|PG", name)}
    return subprocess.run(
        [SUBLET, "migrate"], env={**inherited, **environment}, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    """A server as an operator gets it: an administrator, and nothing of ours."""
    directory = Path(tempfile.mkdtemp(prefix="sublet-test-"))
    directory.chmod(0o711)  # its account must be able to enter; nothing in it is readable
    server = new_server(directory)
    try:
        server.start()
        server.sql("DROP DATABASE sublet")
        server.sql(f"CREATE ROLE {ADMINISTRATOR} SUPERUSER LOGIN")
        with psycopg.connect(server.url(ADMINISTRATOR, "postgres"), autocommit=True) as connection:
            connection.execute("ALTER ROLE sublet_owner RENAME TO postgres")
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def migrated(server: EmbeddedPostgres) -> subprocess.CompletedProcess[str]:
    """The first `sublet migrate`, after what the manual says to do before it."""
    with psycopg.connect(server.url(ADMINISTRATOR, "postgres"), autocommit=True) as connection:
        for statement in documented(r"CREATE ROLE sublet_owner .*;|CREATE DATABASE .*;"):
            connection.execute(statement.encode())
    return sublet_migrate(DATABASE_OWNER_URL=server.owner_url)


@pytest.fixture(scope="module")
def web_url(server: EmbeddedPostgres, migrated: subprocess.CompletedProcess[str]) -> str:
    """DATABASE_URL of web and worker, after what the manual says to do after the first migration."""
    assert migrated.returncode == 0, migrated.stderr
    with psycopg.connect(server.owner_url, autocommit=True) as connection:
        (statement,) = documented(r"CREATE ROLE sublet_web [^`]*")
        connection.execute(statement.encode())
    return server.url("sublet_web")


class TestMigrate:
    def test_says_from_where_to_where(self, migrated: subprocess.CompletedProcess[str]) -> None:
        assert (migrated.returncode, migrated.stderr) == (0, "")
        assert migrated.stdout == f"Migrated from nothing to {head()}.\n"

    def test_again_says_that_the_schema_is_in_place(
        self, server: EmbeddedPostgres, migrated: subprocess.CompletedProcess[str]
    ) -> None:
        assert migrated.returncode == 0
        again = sublet_migrate(DATABASE_OWNER_URL=server.owner_url)
        assert (again.returncode, again.stdout) == (0, f"Schema {head()} is in place.\n")

    def test_without_an_address_says_what_to_set(self) -> None:
        done = sublet_migrate()
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("DATABASE_URL is not set. Nothing was changed.")

    def test_of_a_server_that_is_not_there_says_so_in_one_line(self) -> None:
        done = sublet_migrate(DATABASE_URL="postgresql://sublet_owner@/sublet?host=/nonexistent")
        assert done.returncode == 1
        assert done.stderr.startswith("The database could not be used: ")
        assert len(done.stderr.splitlines()) == 1

    def test_by_a_role_that_may_not_is_refused_in_words(self, server: EmbeddedPostgres, web_url: str) -> None:
        with psycopg.connect(server.url(ADMINISTRATOR, "postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE of_another")
        done = sublet_migrate(DATABASE_URL=server.url("sublet_web", "of_another"))
        assert done.returncode == 1
        assert "permission denied" in done.stderr
        assert "Set DATABASE_OWNER_URL to the role that owns the database" in done.stderr
        assert len(done.stderr.splitlines()) == 1


class TestASecondOwner:
    @pytest.fixture
    def second(self, server: EmbeddedPostgres, web_url: str) -> Iterator[str]:
        """The address of a database whose owner came after the roles were made, as the manual has it made."""
        with psycopg.connect(server.url(ADMINISTRATOR, "postgres"), autocommit=True) as administrator:
            administrator.execute("CREATE ROLE staging_owner LOGIN CREATEROLE")
            administrator.execute("CREATE DATABASE staging OWNER staging_owner")
            yield server.url("staging_owner", "staging")
            administrator.execute("DROP DATABASE staging WITH (FORCE)")
            administrator.execute("REVOKE sublet_app, sublet_ledger FROM staging_owner CASCADE")
            administrator.execute("DROP OWNED BY staging_owner CASCADE")
            administrator.execute("DROP ROLE staging_owner")

    def version(self, address: str) -> int:
        with psycopg.connect(address) as connection:
            return connection.info.server_version

    def test_is_told_what_to_run_and_as_whom_and_then_migrates(self, server: EmbeddedPostgres, second: str) -> None:
        if self.version(second) >= GRANTED_BY_ITS_MAKER_ALONE:
            refused = sublet_migrate(DATABASE_OWNER_URL=second)
            assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)
            said = re.search(r"Nothing was changed\. As (\w+) or a superuser, run `(GRANT [^`]*)`", refused.stderr)
            assert said is not None, refused.stderr
            assert said[2] in OPERATIONS
            with psycopg.connect(second) as connection:
                assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (
                    0,
                )
            with psycopg.connect(server.url(said[1]), autocommit=True) as whoever_was_named:
                whoever_was_named.execute(said[2].encode())
        done = sublet_migrate(DATABASE_OWNER_URL=second)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"Migrated from nothing to {head()}.\n"

    @pytest.mark.parametrize("role", ROLES)
    def test_is_told_of_the_one_role_that_is_lacking(self, server: EmbeddedPostgres, second: str, role: str) -> None:
        (other,) = set(ROLES) - {role}
        with psycopg.connect(server.owner_url, autocommit=True) as first:
            first.execute(f"GRANT {other} TO staging_owner WITH ADMIN OPTION".encode())
        refused = sublet_migrate(DATABASE_OWNER_URL=second)
        if self.version(second) < GRANTED_BY_ITS_MAKER_ALONE:
            assert refused.returncode == 0, "whoever may create roles grants all of them there"
            return
        assert refused.returncode == 1
        assert f"`GRANT {role} TO staging_owner WITH ADMIN OPTION`" in refused.stderr


class TestOwner:
    def test_is_no_superuser_and_owns_all_but_the_books(self, server: EmbeddedPostgres, web_url: str) -> None:
        with psycopg.connect(server.owner_url) as connection:
            role = connection.execute("SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = current_user")
            assert role.fetchone() == (False, False)
            owners = connection.execute(
                "SELECT DISTINCT schemaname, tableowner FROM pg_tables "
                "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
            ).fetchall()
        assert set(owners) == {("public", "sublet_owner"), ("ledger", "sublet_ledger")}


class TestApplication:
    async def test_posts_through_the_ledgers_functions(self, web_url: str) -> None:
        database = Database(web_url)
        try:
            async with database.transaction() as session:
                organization = await new_wallet(session, "20")
                await new_hold(session, organization, "5")
            async with database.transaction() as session:
                wallet = await wallets.wallet(session, organization, currency="USD")
                assert (wallet.balance, wallet.available) == (usd("20"), usd("15"))
                await assert_books_are_sound(session)
        finally:
            await database.close()

    @pytest.mark.parametrize("options", ["", "-c role=sublet_app"], ids=["as_itself", "as_the_application"])
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE ledger.posting SET amount = 1",
            "UPDATE ledger.balance SET balance = 1",
            "DELETE FROM ledger.ledger_entry",
            "TRUNCATE ledger.posting",
            "UPDATE outbox_event SET type = ''",
            "SET ROLE sublet_ledger",
            "SET ROLE sublet_owner",
            "CREATE TABLE public.mine (id int)",
            "CREATE ROLE another",
            "ALTER TABLE ledger.posting DISABLE TRIGGER ALL",
        ],
    )
    def test_may_not_change_the_books_or_become_who_may(self, web_url: str, statement: str, options: str) -> None:
        with (
            psycopg.connect(web_url, autocommit=True, options=options) as connection,
            pytest.raises(InsufficientPrivilege),
        ):
            connection.execute(statement.encode())
