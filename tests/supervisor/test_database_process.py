"""The database of `sublet up`: its own, as an earlier start that was killed may have left it, or one that is given."""

import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from sublet.migrations.run import migrate
from sublet.supervisor.database_process import DatabaseProcess
from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from sublet.supervisor.files import DemoFiles
from sublet.supervisor.prepare import allow_login
from sublet.supervisor.progress import Progress
from tests.support.app import settings_for

pytestmark = pytest.mark.anyio


@pytest.fixture
async def embedded() -> AsyncIterator[DatabaseProcess]:
    """An embedded database that runs, with nothing in it."""
    root = Path(tempfile.mkdtemp(prefix="sublet-test-"))
    root.chmod(0o711)  # its account must be able to enter
    files = DemoFiles(root)
    files.prepare()
    database = DatabaseProcess(settings_for(root, database_url=None), files, Progress())
    try:
        await database.start()
        yield database
    finally:
        await database.stop()
        shutil.rmtree(root, ignore_errors=True)


class TestAnEmbeddedDatabase:
    async def test_is_prepared_when_the_application_can_use_it(self, embedded: DatabaseProcess) -> None:
        owner_url = embedded.owner_environment["DATABASE_OWNER_URL"]
        assert not await embedded.is_prepared()
        migrate(owner_url)
        assert not await embedded.is_prepared()  # a start that was killed here must not be the last word
        allow_login(owner_url)
        assert await embedded.is_prepared()
        with psycopg.connect(embedded.environment["DATABASE_URL"]) as connection:
            assert connection.execute("SELECT current_user").fetchone() == ("sublet_app",)


class TestAGivenDatabase:
    async def test_is_prepared_when_it_has_the_schema_whoever_may_log_in(
        self, postgres: EmbeddedPostgres, database_name: str, tmp_path: Path
    ) -> None:
        url = postgres.url("sublet_owner", f"{database_name}_given")
        postgres.sql(f"CREATE DATABASE {database_name}_given TEMPLATE template0")
        database = given(tmp_path, database_url=url)
        try:
            assert not await database.is_prepared()
            migrate(url)
            assert await database.is_prepared()
        finally:
            await database.stop()
            postgres.sql(f"DROP DATABASE {database_name}_given WITH (FORCE)")

    async def test_is_neither_started_nor_stopped(self, app_url: str, owner_url: str, tmp_path: Path) -> None:
        database = given(tmp_path, database_url=app_url, database_owner_url=owner_url)
        assert not database.embedded
        assert database.environment == {"DATABASE_URL": app_url}
        assert database.owner_environment == {"DATABASE_URL": app_url, "DATABASE_OWNER_URL": owner_url}
        await database.start()
        await database.stop()
        assert list(tmp_path.iterdir()) == []
        with psycopg.connect(owner_url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def given(directory: Path, **addresses: str) -> DatabaseProcess:
    """The database of an `up` that was given addresses."""
    return DatabaseProcess(settings_for(directory, **addresses), DemoFiles(directory), Progress())
