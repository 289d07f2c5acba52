"""Every table is pruned or kept for a reason; what is pruned goes in batches, by an index, and nothing else does."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors
from sqlalchemy import event

from sublet.allocations import release
from sublet.core.db import Database
from sublet.entry import retention
from sublet.entry.retention import KEPT, prunings
from tests.allocations.rental import Rental
from tests.support.app import settings_for

pytestmark = pytest.mark.anyio

AGES = {"event_days": 30, "terminal_session_days": 60, "startup_output_days": 70}

OLD_AND_NEW: dict[str, tuple[str, str]] = {
    "public.idempotency_key": (
        "INSERT INTO idempotency_key (actor, key, request_hash, created_at) "
        "SELECT 'a', n::text, '', clock_timestamp() - interval '47 hours' - n * interval '1 hour' "
        "FROM generate_series(0, 5) n",
        "SELECT key FROM idempotency_key",
    ),
    "public.throttle": (
        "INSERT INTO throttle (bucket, attempts, window_ends_at) "
        "SELECT int4send(n), 1, clock_timestamp() + interval '30 minutes' - n * interval '1 hour' "
        "FROM generate_series(0, 5) n",
        "SELECT get_byte(bucket, 3)::text FROM throttle",
    ),
    "public.work_crash": (
        "INSERT INTO work_crash (number, holder, noticed_at) OVERRIDING SYSTEM VALUE "
        "SELECT n, n, clock_timestamp() - interval '29.5 days' - n * interval '1 day' FROM generate_series(0, 5) n",
        "SELECT number::text FROM work_crash",
    ),
    "public.issued_certificate": (
        "INSERT INTO issued_certificate (serial, kind, ca_public_key, key_id, principals, fingerprint, subject, "
        "valid_after, valid_before) SELECT n, 'customer', 'x', 'x', '{x}', 'x', 'x', "
        "clock_timestamp() - interval '89.9 days' - n * interval '1 day', "
        "clock_timestamp() - interval '89.9 days' - n * interval '1 day' + interval '1 hour' "
        "FROM generate_series(0, 5) n",
        "SELECT serial::text FROM issued_certificate",
    ),
    "public.outbox_event": (
        "ALTER TABLE outbox_event DISABLE TRIGGER USER; "
        "INSERT INTO outbox_event (id, xid, event_id, type, subject, data, occurred_at) "
        "SELECT n, '9'::xid8, n::text, 'x.y', 'x', '{}', "
        "clock_timestamp() - interval '29.5 days' - (5 - n) * interval '1 day' FROM generate_series(0, 5) n; "
        "ALTER TABLE outbox_event ENABLE TRIGGER USER; "
        "INSERT INTO outbox_cursor VALUES ('one', '9', 99), ('two', '10', 1)",
        "SELECT (5 - id)::text FROM outbox_event",
    ),
    "public.terminal_session": (
        "INSERT INTO terminal_session (id, allocation_id, alive_until) "
        "SELECT n::text, 'x', clock_timestamp() - interval '59.5 days' - n * interval '1 day' "
        "FROM generate_series(0, 5) n",
        "SELECT id FROM terminal_session",
    ),
}
"""For each table six rows, of which all but the first are older than is kept; and which are there."""


@pytest.fixture
def owner(owner_url: str) -> Iterator[psycopg.Connection[Any]]:
    """The role that owns the schema."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        yield connection


async def forget(database: Database, tmp_path: Path, *, batch: int = 2) -> dict[str, int]:
    """Prune as a worker does, in small batches."""
    return await retention.forget(database, settings_for(tmp_path, **AGES), batch=batch)


@asynccontextmanager
async def statements(database: Database) -> AsyncIterator[list[tuple[str, Any]]]:
    """What is asked of the database meanwhile."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    engine = database.pool.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(engine, "before_cursor_execute", note)


class TestEveryTable:
    def test_is_pruned_or_kept_for_a_reason(self, owner: psycopg.Connection[Any], tmp_path: Path) -> None:
        there = owner.execute(
            "SELECT schemaname || '.' || tablename FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        pruned = prunings(settings_for(tmp_path)).keys()
        assert sorted({name for (name,) in there} ^ (pruned | KEPT.keys())) == [], "say it in entry/retention.py"
        assert pruned & KEPT.keys() == set()
        assert all(KEPT.values())


class TestPruning:
    @pytest.mark.parametrize("table", OLD_AND_NEW)
    async def test_takes_what_is_old_in_batches_and_nothing_else(
        self, database: Database, owner: psycopg.Connection[Any], tmp_path: Path, table: str
    ) -> None:
        insert, left = OLD_AND_NEW[table]
        owner.execute(insert)
        async with statements(database) as asked:
            gone = await forget(database, tmp_path)
        assert gone == {**dict.fromkeys(gone, 0), table: 5}
        assert owner.execute(left).fetchall() == [("0",)]
        about = [sql for sql, _ in asked if f" {table.partition('.')[2]}" in sql and "DELETE" in sql]
        assert len(about) == 3, "two, two and one"

    async def test_looks_for_nothing_without_an_index(
        self, database: Database, owner: psycopg.Connection[Any], tmp_path: Path
    ) -> None:
        async with statements(database) as asked:
            await forget(database, tmp_path)
        changing = [(sql, given) for sql, given in asked if sql.lstrip().startswith(("DELETE", "UPDATE", "WITH"))]
        assert len(changing) == len(prunings(settings_for(tmp_path)))
        for sql, given in changing:
            with owner.transaction():
                owner.execute("SET LOCAL enable_seqscan = off")
                plan = "\n".join(line for (line,) in owner.execute(f"EXPLAIN {sql}", given).fetchall())
            few = plan.replace("Seq Scan on outbox_cursor", "one row a subscriber")
            assert "Seq Scan" not in few.replace("Seq Scan on outbox_forgotten", "one row"), plan


class TestEvents:
    @pytest.mark.parametrize(
        "needed",
        [
            "INSERT INTO outbox_cursor VALUES ('slow', '9', 2)",
            "INSERT INTO work (kind, id, due_at) VALUES ('event', '9-' || generate_series(3, 4), 'infinity')",
        ],
        ids=["a subscriber has still to read them", "they are handled again"],
    )
    async def test_stay_as_long_as_they_are_needed_whoever_asks(
        self, database: Database, owner: psycopg.Connection[Any], tmp_path: Path, needed: str
    ) -> None:
        owner.execute(OLD_AND_NEW["public.outbox_event"][0])
        owner.execute(needed)
        await forget(database, tmp_path, batch=20)
        left = [number for (number,) in owner.execute("SELECT id FROM outbox_event ORDER BY id").fetchall()]
        assert {3, 4, 5} <= set(left)
        assert not {0, 1, 2} & set(left)
        assert owner.execute("SELECT xid::text, id FROM outbox_forgotten").fetchall() == [("9", min(left) - 1)]
        owner.execute("INSERT INTO outbox_event (event_id, type, subject, data) VALUES ('new', 'x.y', 'x', '{}')")
        for one in ("id = 3", "event_id = 'new'"):
            with pytest.raises(errors.RestrictViolation):
                owner.execute(f"DELETE FROM outbox_event WHERE {one}")

    async def test_that_are_handled_again_keep_no_others_from_going(
        self, database: Database, owner: psycopg.Connection[Any], tmp_path: Path
    ) -> None:
        owner.execute(OLD_AND_NEW["public.outbox_event"][0])
        owner.execute("INSERT INTO work (kind, id, due_at) VALUES ('event', '9-' || generate_series(0, 1), 'infinity')")
        await forget(database, tmp_path, batch=1)
        assert owner.execute("SELECT id FROM outbox_event WHERE id < 3 ORDER BY id").fetchall() == [(0,), (1,)]

    async def test_stay_where_nobody_reads_them_yet(
        self, database: Database, owner: psycopg.Connection[Any], tmp_path: Path
    ) -> None:
        owner.execute(OLD_AND_NEW["public.outbox_event"][0])
        owner.execute("DELETE FROM outbox_cursor")
        assert (await forget(database, tmp_path))["public.outbox_event"] == 0


class TestOutputOfScripts:
    async def test_goes_long_after_its_allocation_and_says_still_how_it_ended(
        self, database: Database, owner: psycopg.Connection[Any], tmp_path: Path
    ) -> None:
        rental = await Rental.open(database, gpus=2)
        running, ended = await rental.running(), await rental.running()
        async with database.transaction() as session:
            await release.request_release(session, rental.actor, ended)
        await rental.work(ended)
        owner.execute(
            "INSERT INTO allocation_startup (allocation_id, script_bytes, ended_at, ended_by, exit_code, output) "
            "SELECT id, 1, clock_timestamp() - interval '80 days', 'exit', 3, 'text' FROM allocation"
        )
        owner.execute("ALTER TABLE allocation DISABLE TRIGGER USER")
        owner.execute("UPDATE allocation SET ended_at = ended_at - interval '71 days' WHERE state = 'released'")
        assert (await forget(rental.database, tmp_path))["public.allocation_startup"] == 1
        left = owner.execute("SELECT allocation_id, output, exit_code FROM allocation_startup").fetchall()
        assert sorted(left) == sorted([(running, "text", 3), (ended, "", 3)])
