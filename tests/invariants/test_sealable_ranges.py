"""Whatever can be sealed in ranges: below the oldest running transaction, no range gains a row any more."""

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

AUDIT = (
    "INSERT INTO audit_event (id, actor_kind, actor_name, action, target_type, target_id) "
    "VALUES (gen_random_uuid()::text, 'system', 'sublet', 'thing.done', 'thing', '1')"
)
OUTBOX = (
    "INSERT INTO outbox_event (event_id, type, subject, data) VALUES (gen_random_uuid()::text, 'thing.done', 'x', '{}')"
)
ENTRY = (
    "INSERT INTO ledger.ledger_entry (kind, idempotency_key, request_hash, description, effective_at) "
    "VALUES ('credit', gen_random_uuid()::text, '', 'x', now())"
)
BELOW_THE_OLDEST = (
    "SELECT {id}, xid::text FROM {table} WHERE xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY {id}"
)

KINDS = [
    pytest.param("audit_event", "seq", "audit_event_seq", AUDIT, id="audit"),
    pytest.param("outbox_event", "id", "outbox_event_id", OUTBOX, id="outbox"),
]


class TestRanges:
    @pytest.mark.parametrize(("table", "column", "sequence", "insert"), KINDS)
    def test_below_the_oldest_transaction_gain_nothing(
        self, app_url: str, table: str, column: str, sequence: str, insert: str
    ) -> None:
        below = BELOW_THE_OLDEST.format(id=column, table=table).encode()
        with (
            psycopg.connect(app_url) as slow,
            psycopg.connect(app_url) as giving_up,
            psycopg.connect(app_url, autocommit=True) as fast,
        ):
            fast.execute(insert.encode())
            slow.execute(insert.encode())
            giving_up.execute(insert.encode())
            for _ in range(3):
                fast.execute(insert.encode())
            first = fast.execute(below).fetchall()
            giving_up.rollback()
            still = fast.execute(below).fetchall()
            slow.commit()
            later = fast.execute(below).fetchall()
            everything = fast.execute(f"SELECT {column} FROM {table} ORDER BY xid, {column}".encode()).fetchall()
        assert [number for number, _ in first] == [1]  # what came after it began is not final while it runs
        assert still == first
        assert later[:1] == first
        assert [number for number, _ in later] == [1, 2, 4, 5, 6]
        assert everything == [(number,) for number, _ in later]

    @pytest.mark.parametrize(
        ("sequence", "insert"),
        [
            *(pytest.param(kind.values[2], kind.values[3], id=kind.id) for kind in KINDS),
            pytest.param("ledger.entry_id", ENTRY, id="ledger"),
        ],
    )
    def test_have_ids_that_are_drawn_after_the_transactions(self, owner_url: str, sequence: str, insert: str) -> None:
        """Where the row's id cannot be drawn, the transaction has its own by then."""
        with psycopg.connect(owner_url) as connection:
            connection.execute(f"ALTER SEQUENCE {sequence} MAXVALUE 2".encode())
            connection.execute(f"SELECT setval('{sequence}', 2)".encode())
            connection.commit()
            connection.execute(
                f"""
                DO $$ BEGIN
                  BEGIN
                    {insert};
                  EXCEPTION WHEN sequence_generator_limit_exceeded THEN
                    RETURN;
                  END;
                  RAISE 'an id was drawn';
                END $$
                """.encode()
            )
            drawn = connection.execute("SELECT pg_current_xact_id_if_assigned() IS NOT NULL").fetchone()
        assert drawn == (True,)

    @pytest.mark.parametrize(("table", "column", "sequence", "insert"), KINDS)
    @pytest.mark.parametrize("given", ["xid", "id"])
    def test_cannot_be_entered_by_saying_so(
        self, app_url: str, table: str, column: str, sequence: str, insert: str, given: str
    ) -> None:
        named = column if given == "id" else "xid"
        value = "0" if given == "id" else "'3'"
        forged = insert.replace(f"{table} (", f"{table} ({named}, ").replace("VALUES (", f"VALUES ({value}, ")
        with psycopg.connect(app_url) as connection, pytest.raises(InsufficientPrivilege):
            connection.execute(forged.encode())
