"""What a connection asks for holds, whatever the database, its owner or a pooler would have instead."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from sublet.core.db import Database
from sublet.core.runtime import NotConfigured, require_our_settings
from sublet.core.settings import Settings
from sublet.entry.worker import Worker
from sublet.migrations.run import head, migrate
from sublet.supervisor.embedded_postgres import EmbeddedPostgres

pytestmark = pytest.mark.anyio

OTHERWISE = ["default_transaction_isolation = 'serializable'", "default_transaction_read_only = on"]
IN_FORCE = "SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')"


class Forgetful(Database):
    """Connections through a pooler that drops one of the options."""

    dropped = ""

    def options(self) -> str:
        """All but one."""
        given = super().options()
        assert self.dropped in given
        return given.replace(self.dropped, "")


@pytest.fixture(params=OTHERWISE)
def set_otherwise(request: pytest.FixtureRequest, postgres: EmbeddedPostgres, database_name: str) -> str:
    """A database that is set otherwise."""
    postgres.sql(f"ALTER DATABASE {database_name} SET {request.param}")
    return database_name


TRANSACTION = text("SELECT pg_current_xact_id()::text")


class TestSessions:
    async def test_for_reads_are_no_transaction_after_one_that_was(self, database: Database) -> None:
        for _ in range(2):
            async with database.reading() as session:
                first, second = [(await session.execute(TRANSACTION)).scalar_one() for _ in range(2)]
                assert first != second
            async with database.transaction() as session:
                first, second = [(await session.execute(TRANSACTION)).scalar_one() for _ in range(2)]
                assert first == second


class TestConnections:
    async def test_are_read_committed_and_may_write_whatever_the_database_says(
        self, set_otherwise: str, database: Database
    ) -> None:
        async with database.transaction() as session:
            assert (await session.execute(text(IN_FORCE))).one() == ("read committed", "off")
        await require_our_settings(database)

    @pytest.mark.parametrize(
        ("dropped", "said"),
        [
            ("-c role=sublet_app", "role is none and not sublet_app"),
            (r"-c default_transaction_isolation=read\ committed", "transaction_isolation is serializable"),
            ("-c default_transaction_read_only=off", "transaction_read_only is on"),
        ],
    )
    async def test_that_were_given_something_else_are_refused_at_start(
        self, postgres: EmbeddedPostgres, database_name: str, app_url: str, dropped: str, said: str
    ) -> None:
        for setting in OTHERWISE:
            postgres.sql(f"ALTER DATABASE {database_name} SET {setting}")
        Forgetful.dropped = dropped
        database = Forgetful(app_url)
        try:
            with pytest.raises(NotConfigured, match=said):
                await require_our_settings(database)
        finally:
            await database.close()

    async def test_ask_for_read_committed_with_each_transaction_too(
        self, postgres: EmbeddedPostgres, database_name: str, app_url: str
    ) -> None:
        postgres.sql(f"ALTER DATABASE {database_name} SET default_transaction_isolation = 'serializable'")
        Forgetful.dropped = r"-c default_transaction_isolation=read\ committed"
        database = Forgetful(app_url)
        try:
            async with database.transaction() as session:
                assert (await session.execute(text(IN_FORCE))).one() == ("read committed", "off")
        finally:
            await database.close()

    async def test_of_a_snapshot_are_its_own_and_end_with_it(self, app_url: str) -> None:
        database = Database(app_url, pool_size=1)
        try:
            async with database.snapshot() as session:
                assert (await session.execute(text(IN_FORCE))).one() == ("repeatable read", "on")
            async with database.transaction() as session:
                assert (await session.execute(text(IN_FORCE))).one() == ("read committed", "off")
        finally:
            await database.close()

    async def test_of_a_worker_are_asked_before_it_works(
        self, app_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        worker = Worker(
            Settings(database_url=app_url, currency="USD", time_zone="UTC", data_directory=tmp_path / "data")
        )
        monkeypatch.setattr(worker.database, "role", "another")
        try:
            with pytest.raises(NotConfigured, match="role is sublet_app and not another"):
                await worker.run()
            async with worker.database.transaction() as session:
                assert (await session.execute(text("SELECT count(*) FROM work"))).scalar_one() == 0
        finally:
            await worker.close()


class TestMigrations:
    @pytest.fixture
    def empty(self, postgres: EmbeddedPostgres, database_name: str) -> Iterator[str]:
        """The name of a database without any table."""
        name = f"{database_name}_empty"
        postgres.sql(f"CREATE DATABASE {name} TEMPLATE template0")
        yield name
        postgres.sql(f"DROP DATABASE {name} WITH (FORCE)")

    @pytest.mark.parametrize("setting", OTHERWISE)
    def test_are_read_committed_and_may_write_whatever_the_database_says(
        self, postgres: EmbeddedPostgres, empty: str, setting: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        postgres.sql(f"ALTER DATABASE {empty} SET {setting}")
        with psycopg.connect(postgres.url("sublet_owner", empty)) as owner:
            assert owner.execute(IN_FORCE).fetchone() != ("read committed", "off")
        isolation: list[object] = []
        monkeypatch.setattr(
            "sublet.migrations.run.command.upgrade",
            lambda config, _target: isolation.append(
                tuple(config.attributes["connection"].execute(text(IN_FORCE)).one())
            ),
        )
        migrate(postgres.url("sublet_owner", empty))
        assert isolation == [("read committed", "off")]
        monkeypatch.undo()
        assert migrate(postgres.url("sublet_owner", empty)) == (None, head())
