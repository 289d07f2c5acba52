"""No sum of money is the application's to rewrite: where its role may update one, a trigger says which way."""

import psycopg
import pytest

WITHOUT_MONEY = {"gpu_room", "node", "node_room", "outbox_cursor", "work"}
"""Tables of room on nodes, and of what is to be done."""
NO_SUMS = {
    "api_token.seq",
    "allocation.seq",
    "allocation.applied_generation",
    "allocation.disconnect_generation",
    "allocation.hold_id",
    "allocation_operation.seq",
    "membership.seq",
    "meter.hold_id",
    "meter_segment.id",
    "organization.seq",
    "user_session.seq",
    "allocation_startup.output_bytes",
    "published_port.seq",
    "outbox_forgotten.id",
    "gpu_health.record",
    "allocation.oom_kills",
    # What a customer wants to be charged at most: nobody has it.
    *("spending_limit.amount", "spending_limit.seq"),
    *("auto_top_up.threshold", "auto_top_up.amount", "auto_top_up.monthly_cap"),
    *(f"allocation_traffic.{column}" for column in ("in_bytes", "out_bytes", "link_in_bytes", "link_out_bytes")),
}
"""Numbers that are no sums: places in a list, ids, generations, bounds."""
FOUND_BY_CHECKS = {
    "allocation.nano_per_hour": "shown only: the meter has its own, and what is posted names that",
    "allocation.suspended_nano_per_hour": "shown only: the meter has its own, and what is posted names that",
    "allocation.disk_nano_per_hour": "likewise",
    "meter.nano_per_hour": "a check compares it with the price that the meter names (tests/billing/test_checks.py)",
    "meter.suspended_nano_per_hour": "the same check",
    "meter.disk_nano_per_hour": "the same check",
    "meter_segment.nano_per_hour": "the same check",
    "dispute.amount": "what the processor says: what is booked is what it took (tests/payments/test_checks.py)",
    "processor_balance.available": "what the processor says: a check compares it with its transactions",
    "processor_balance.pending": "the same check",
    "dispute.taken": "a check compares it with the entries (tests/payments/test_checks.py)",
}
"""Rates that may be changed, and what finds it when one was."""

# A trigger guards the columns that it names, and all of them if it names none. Rights to a column include the table's.
_WRITABLE = """
    SELECT c.relname || '.' || a.attname
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE c.relkind IN ('r', 'p') AND c.relnamespace IN ('public'::regnamespace, 'ledger'::regnamespace)
       AND a.atttypid IN ('bigint'::regtype, 'numeric'::regtype)
       AND has_column_privilege('sublet_app', c.oid, a.attnum, 'UPDATE')
       AND NOT EXISTS (SELECT FROM pg_trigger t
                        WHERE t.tgrelid = c.oid AND t.tgfoid = 'sublet_refuse_change'::regproc AND t.tgtype & 16 > 0
                          AND (a.attnum = ANY (t.tgattr) OR (t.tgqual IS NULL AND cardinality(t.tgattr::int2[]) = 0)))
"""
Connection = psycopg.Connection[tuple[str]]


def writable(owner: Connection) -> set[str]:
    """The numbers that the application's role may write without a trigger, as TABLE.COLUMN."""
    return {name for (name,) in owner.execute(_WRITABLE).fetchall()}


@pytest.fixture
def owner(owner_url: str) -> Connection:
    """The role that owns the schema."""
    return psycopg.connect(owner_url, autocommit=True)


class TestSums:
    def test_are_not_the_applications_to_rewrite(self, owner: Connection) -> None:
        with owner:
            found = {name for name in writable(owner) if name.split(".")[0] not in WITHOUT_MONEY}
        assert sorted(found - NO_SUMS - FOUND_BY_CHECKS.keys()) == []
        assert sorted((NO_SUMS | FOUND_BY_CHECKS.keys()) - found) == [], "an exception that is not needed any more"

    def test_that_anybody_could_rewrite_are_seen(self, owner: Connection) -> None:
        with owner:
            owner.execute("CREATE TABLE tip (amount bigint, kept numeric, given bigint, note text)")
            assert writable(owner) & {"tip.amount", "tip.kept", "tip.given"} == set()
            owner.execute("GRANT UPDATE (amount, kept, note) ON tip TO sublet_app")
            assert {name for name in writable(owner) if name.startswith("tip.")} == {"tip.amount", "tip.kept"}
            owner.execute(
                "CREATE TRIGGER grows BEFORE UPDATE OF amount ON tip FOR EACH ROW WHEN (NEW.amount < OLD.amount) "
                "EXECUTE FUNCTION sublet_refuse_change()"
            )
            assert {name for name in writable(owner) if name.startswith("tip.")} == {"tip.kept"}
