"""The database of `sublet up`, as an earlier start that was killed may have left it."""

import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from sublet.demo.progress import Progress
from sublet.entry.database_process import DatabaseProcess
from sublet.entry.demo_files import DemoFiles
from sublet.entry.prepare import allow_login
from sublet.migrations.run import migrate
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
        owner_url = embedded.environment["DATABASE_OWNER_URL"]
        assert not await embedded.is_prepared()
        migrate(owner_url)
        assert not await embedded.is_prepared()  # a start that was killed here must not be the last word
        allow_login(owner_url)
        assert await embedded.is_prepared()
        with psycopg.connect(embedded.environment["DATABASE_URL"]) as connection:
            assert connection.execute("SELECT current_user").fetchone() == ("sublet_app",)
