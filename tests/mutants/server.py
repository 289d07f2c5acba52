"""The PostgreSQL that a worker's tests share. Only children of the worker load this: it loads what mutants change."""

import contextlib
import os
from pathlib import Path

from sublet.migrations.run import migrate
from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.support.database import new_server

PRISTINE = "pristine"
"""The database that is as everything should be."""


def hold(directory: Path, tells: int, waits: int) -> None:
    """Start the server, tell so, and stop it once the other end of `waits` is closed."""
    server = new_server(directory)
    try:
        server.start()
        migrate(server.owner_url)
        server.create_login()
        server.sql("SELECT ledger.keep_calendar('UTC')", database="sublet")
        server.sql(f"CREATE DATABASE {PRISTINE} TEMPLATE sublet")
        os.write(tells, b"1")
        os.read(waits, 1)
    finally:
        with contextlib.suppress(Exception):
            server.discard()


def migrate_anew(directory: Path) -> None:
    """Make the tests' template by the migrations as they are now."""
    running = EmbeddedPostgres(directory)
    running.sql("DROP DATABASE IF EXISTS sublet WITH (FORCE)")
    running.sql("CREATE DATABASE sublet")
    migrate(running.owner_url)
    running.sql("SELECT ledger.keep_calendar('UTC')", database="sublet")


def restore(directory: Path) -> None:
    """Make the tests' template as everything should be."""
    running = EmbeddedPostgres(directory)
    running.sql("DROP DATABASE IF EXISTS sublet WITH (FORCE)")
    running.sql(f"CREATE DATABASE sublet TEMPLATE {PRISTINE} STRATEGY file_copy")
