"""Functions, triggers, views and grants are made anew when their files have changed, with the books in use."""

import psycopg
import pytest

from sublet.core.db import Database
from sublet.migrations.run import head, migrate
from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.ledger.books import assert_books_are_sound, new_hold, new_wallet
from tests.support.schema import dump

pytestmark = pytest.mark.anyio

VERSIONS = "SELECT oid, xmin::text FROM pg_proc WHERE pronamespace = 'ledger'::regnamespace ORDER BY oid"


class TestRoutines:
    async def test_are_made_anew_with_money_in_the_books(
        self, database: Database, postgres: EmbeddedPostgres, database_name: str, owner_url: str
    ) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
        before = dump(postgres, database_name)
        with psycopg.connect(owner_url, autocommit=True) as connection:
            for change in (
                "CREATE OR REPLACE FUNCTION ledger.hash_of(VARIADIC _parts text[]) RETURNS bytea LANGUAGE sql "
                "IMMUTABLE AS $$ SELECT ''::bytea $$",
                "DROP TRIGGER whole ON ledger.posting",
                "DROP VIEW ledger.funds",
                "REVOKE EXECUTE ON FUNCTION ledger.place_hold FROM sublet_app",
                "COMMENT ON SCHEMA ledger IS 'made of other files'",
            ):
                connection.execute(change.encode())
        assert dump(postgres, database_name) != before
        assert migrate(owner_url) == (head(), head())
        assert dump(postgres, database_name) == before
        async with database.transaction() as session:
            await new_hold(session, organization, "5")
            await assert_books_are_sound(session)

    def test_of_the_same_files_are_left_alone(self, owner_url: str) -> None:
        with psycopg.connect(owner_url, autocommit=True) as connection:
            before = connection.execute(VERSIONS).fetchall()
            migrate(owner_url)
            assert connection.execute(VERSIONS).fetchall() == before
            connection.execute("COMMENT ON SCHEMA ledger IS NULL")
            migrate(owner_url)
            after = connection.execute(VERSIONS).fetchall()
        assert len(before) == len(after) > 20
        assert [oid for oid, _ in before] == [oid for oid, _ in after]
        assert not set(before) & set(after)
