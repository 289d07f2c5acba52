"""What happened is not rewritten: not by the application, which may not, and not by the owner, whom a trigger stops.

The ledger's own tables have the same tests in `tests/ledger/test_refusals.py`.
"""

import psycopg
import pytest
from psycopg import errors, sql

APPEND_ONLY = {
    "allocation_history",
    "audit_event",
    "register_seal",
    "card_setup_history",
    "installation",
    "node_history",
    "observation_run",
    "approval_history",
    "price",
    "credit_grant",
    "promo_redemption",
    "signing_key",
    "processor_customer",
    "terms_acceptance",
    "top_up_history",
    "payout_history",
    "refund_history",
    "dispute_history",
    "finding_history",
    "unmetered_interval",
    "usage_charge",
    "usage_record",
}
FORGOTTEN = {"outbox_event"}
"""Never changed; old ones go, once everybody has had them (`tests/entry/test_retention.py`)."""
NEVER_REMOVED = {
    "allocation",
    "allocation_operation",
    "allocation_remnant",
    "approval",
    "claim",
    "finding",
    "gpu_claim",
    "helper_rollout",
    "helper_upgrade",
    "node_drain",
    "node_self_test",
    "node_trial",
    "promo_code",
    "published_port",
    "refund",
    "refund_request",
    "dispute",
    "dispute_answer",
    "payout",
    "stripe_transaction",
}
FIXED_ONCE_MADE = {
    "allocation": {"id", "organization_id", "name", "sku", "price", "currency", "login", "created_at"},
    "node_trial": {"node_id", "allocation_id", "uid"},
    "published_port": {"id", "allocation_id", "node_id", "protocol", "port", "node_port", "slot", "published_at"},
    "join_token": {"token_hash", "node_id", "created_by", "created_at"},
}
"""Columns that keep what they were made with: others have been shown it."""

Connection = psycopg.Connection[tuple[str, ...]]


def refused(owner: Connection, statement: str, table: str) -> bool:
    """Whether a trigger refuses what the owner of the table tries."""
    with pytest.raises(errors.RestrictViolation), owner.transaction():
        owner.execute(sql.SQL(statement).format(sql.Identifier(table)))  # type: ignore[arg-type]  # constants of ours
    return True


@pytest.fixture
def owner(owner_url: str) -> Connection:
    """The role that owns the schema."""
    return psycopg.connect(owner_url, autocommit=True)


class TestTables:
    def test_are_all_known_here(self, owner: Connection) -> None:
        with owner:
            found = owner.execute(
                """
                SELECT tgrelid::regclass::text, (tgtype & 16) > 0 FROM pg_trigger
                 WHERE tgfoid = 'sublet_refuse_change'::regproc AND tgtype & 1 = 0
                """
            ).fetchall()
        assert {table for table, on_update in found if on_update} == APPEND_ONLY | FORGOTTEN
        assert {table for table, on_update in found if not on_update} == NEVER_REMOVED

    def test_refuse_even_their_owner(self, owner: Connection) -> None:
        with owner:
            for table in sorted(APPEND_ONLY | NEVER_REMOVED):
                assert refused(owner, "DELETE FROM {}", table)
                assert refused(owner, "TRUNCATE {} CASCADE", table)
            for table in sorted(APPEND_ONLY):
                column = owner.execute(
                    "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 "
                    "AND attidentity = '' AND NOT attisdropped ORDER BY attnum LIMIT 1",
                    [table],
                ).fetchone()
                assert column is not None
                assert refused(owner, f"UPDATE {{}} SET {column[0]} = {column[0]}", table)

    def test_give_the_application_no_right_to(self, owner: Connection) -> None:
        held = "SELECT has_table_privilege('sublet_app', %s, %s)"
        with owner:
            for table in sorted(APPEND_ONLY | NEVER_REMOVED):
                for right in ("DELETE", "TRUNCATE"):
                    assert owner.execute(held, [table, right]).fetchone() == (False,), (table, right)
            for table in sorted(APPEND_ONLY):
                any_column = "SELECT has_any_column_privilege('sublet_app', %s, 'UPDATE')"
                assert owner.execute(any_column, [table]).fetchone() == (False,), table

    def test_keep_what_was_shown(self, owner: Connection) -> None:
        fixed = """
            SELECT t.tgrelid::regclass::text, array_agg(a.attname::text ORDER BY a.attname)
              FROM pg_trigger t JOIN pg_attribute a ON a.attrelid = t.tgrelid AND a.attnum = ANY (t.tgattr)
             WHERE t.tgfoid = 'sublet_refuse_change'::regproc AND t.tgtype & 1 = 1 AND t.tgqual IS NULL
             GROUP BY 1
            """
        with owner:
            found = {table: set(columns) for table, columns in owner.execute(fixed).fetchall()}
        assert found == FIXED_ONCE_MADE
