"""Real PostgreSQL for tests: one server a run, one freshly cloned database a test.

`SUBLET_TEST_POSTGRES=debian` runs the same tests on Debian's PostgreSQL 15 instead of the embedded 18, and
`SUBLET_TEST_SERVER=DIRECTORY` on an embedded one that runs already and whose database `sublet` is migrated.
"""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from uuid import uuid4

import pytest

from sublet.core.db import Database
from sublet.migrations.run import migrate
from sublet.supervisor.embedded_postgres import EmbeddedPostgres

DEBIAN_INSTALL = Path("/usr/lib/postgresql/15")
MEMORY_NEEDED = 4 << 30
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}


def new_server(directory: Path, *, environment: Mapping[str, str] | None = None, **options: str) -> EmbeddedPostgres:
    """A server in its own directory, of the version that this run is for."""
    install = DEBIAN_INSTALL if os.environ.get("SUBLET_TEST_POSTGRES") == "debian" else None
    return EmbeddedPostgres(directory, install=install, options={**FAST, **options}, environment=environment or {})


def _fastest_directory() -> str | None:
    """Memory where there is plenty: a database is cloned for each test, and thrown away with it."""
    memory = Path("/dev/shm")
    enough = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > MEMORY_NEEDED
    return str(memory) if enough else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A running server whose database `sublet` is migrated and used as the template of the tests' databases."""
    if running := os.environ.get("SUBLET_TEST_SERVER"):
        yield EmbeddedPostgres(Path(running))
        return
    directory = Path(tempfile.mkdtemp(prefix="sublet-test-", dir=_fastest_directory()))
    directory.chmod(0o711)  # its account must be able to enter; nothing in it is readable
    server = new_server(directory)
    try:
        server.start()
        migrate(server.owner_url)
        server.create_login()
        server.sql("SELECT ledger.keep_calendar('UTC')", database="sublet")
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def database_name(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The name of an empty, migrated database that lives as long as the test."""
    name = f"t_{uuid4().hex[:16]}"
    postgres.sql(f"CREATE DATABASE {name} TEMPLATE sublet STRATEGY file_copy")
    try:
        yield name
    finally:
        postgres.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def app_url(postgres: EmbeddedPostgres, database_name: str) -> str:
    """URL of the test's database for the application's role."""
    return postgres.url("sublet_app", database_name)


@pytest.fixture
def owner_url(postgres: EmbeddedPostgres, database_name: str) -> str:
    """URL of the test's database for the role that owns the schema."""
    return postgres.url("sublet_owner", database_name)


@pytest.fixture
async def database(app_url: str) -> AsyncIterator[Database]:
    """The application's pool on the test's database."""
    database = Database(app_url, pool_size=20)
    yield database
    await database.close()
