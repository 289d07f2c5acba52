"""Bring a database to the newest schema."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from sublet.core import locks
from sublet.core.db import PLAIN_TRANSACTIONS, driver_url
from sublet.core.errors import SubletError
from sublet.migrations.roles import why_not_granted

MIGRATION_LOCK_SECONDS = 10.0
OLDEST_SERVER = 150_000


class DatabaseUnsuitable(SubletError):
    """The server is too old, the schema is newer than this release, or the server's roles are not the owner's."""

    code = "database_unsuitable"


def configuration() -> Config:
    """Alembic's configuration, without a file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config


def head() -> str:
    """The revision that this release needs."""
    revision = ScriptDirectory.from_config(configuration()).get_current_head()
    assert revision is not None  # there are migrations
    return revision


def migrate(
    owner_url: str, *, target: str = "head", lock_seconds: float = MIGRATION_LOCK_SECONDS
) -> tuple[str | None, str | None]:
    """Run what is missing under an advisory lock; returns the revision before and after.

    It waits for another migration as long as that takes, and no longer than `lock_seconds` for a lock on a table.

    DatabaseUnsuitable if the server is older than PostgreSQL 15, the schema comes from a newer release, or the owner of
    a new database may not grant the roles that the server has already.
    """
    config = configuration()
    options = f"-c timezone=UTC -c lock_timeout={round(lock_seconds * 1000)}ms {PLAIN_TRANSACTIONS}"
    engine = create_engine(driver_url(owner_url), connect_args={"options": options})
    try:
        with engine.connect() as connection:
            version = int(connection.execute(text("SHOW server_version_num")).scalar_one())
            if version < OLDEST_SERVER:
                raise DatabaseUnsuitable(
                    f"This PostgreSQL is version {version // 10000}; Sublet needs 15 or later. Nothing was changed. "
                    "Upgrade the server, or leave DATABASE_URL unset to use the embedded one."
                )
            connection.execute(text("SET LOCAL lock_timeout = 0"))
            with locks.migrating(connection):
                try:
                    before = MigrationContext.configure(connection).get_current_revision()
                    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
                    if before is not None and before not in known:
                        raise DatabaseUnsuitable(
                            f"The database's schema is {before}, which this release does not know: it comes from a "
                            "newer one. Nothing was changed. Run that one, or restore the backup made before it."
                        )
                    if before is None and (reason := why_not_granted(connection, version=version)):
                        raise DatabaseUnsuitable(reason)
                    connection.commit()
                    config.attributes["connection"] = connection
                    command.upgrade(config, target)
                    connection.commit()
                    after = MigrationContext.configure(connection).get_current_revision()
                finally:
                    connection.rollback()
    finally:
        engine.dispose()
    return before, after
