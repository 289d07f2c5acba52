"""Each foreign key has an index, or a reason why not; and a key without either is caught."""

import psycopg

from tests.architecture.foreign_keys import judge


class TestForeignKeys:
    def test_have_an_index_or_a_reason(self, owner_url: str) -> None:
        with psycopg.connect(owner_url) as connection:
            missing, unneeded = judge(connection)
        assert missing == set(), "make an index in the table's migration, or say in foreign_keys.py why none is needed"
        assert unneeded == set(), "these have an index by now, or are gone: take them off the list"

    def test_without_either_are_caught(self, owner_url: str) -> None:
        with psycopg.connect(owner_url) as connection:
            for index in ("ON planted (one) WHERE one > 0", "ON planted (other, one)"):
                connection.execute("DROP TABLE IF EXISTS planted")
                connection.execute("CREATE TABLE planted (one bigint REFERENCES ledger.account, other int)")
                connection.execute(f"CREATE INDEX {index}".encode())
                assert judge(connection).missing == {"planted.one"}
            connection.execute("CREATE INDEX ON planted (one, other)")
            assert judge(connection).missing == set()

    def test_with_a_reason_too_many_are_caught(self, owner_url: str) -> None:
        with psycopg.connect(owner_url) as connection:
            connection.execute("CREATE INDEX ON claim (sku_id)")
            assert judge(connection).unneeded == {"claim.sku_id"}
