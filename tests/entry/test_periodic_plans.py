"""On an installation with a long history no periodic task reads that history: what is over costs nothing."""

from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from sublet.allocations.rows import count_being_set_up
from sublet.billing.policy import Policy
from sublet.core.db import Database
from sublet.core.settings import Settings
from sublet.core.work.ticks import Tick
from sublet.entry.schedule import schedule
from sublet.fleet.observation import Observer
from sublet.payments.stripe.processor import Processor
from tests.allocations.rental import Rental
from tests.support.history import multiply
from tests.support.plans import buffers, plans_of, whole_table_reads

pytestmark = pytest.mark.anyio

TIMES = 20_000
MOST_BUFFERS = 2_000
MOST_BUFFERS_OF_A_COUNT = 20
LONG = (
    *("allocation", "allocation_history", "allocation_operation", "claim", "meter", "meter_segment", "usage_record"),
    *("usage_charge", "outbox_event", "hold", "hold_event", "ledger_entry", "posting", "issued_certificate"),
)
"""Tables whose rows of the past nobody may read over and over."""

READS_ALL = {"check the books"}
"""Once a day everything is looked at, which is its purpose."""

ENDED_CERTIFICATE = """
INSERT INTO issued_certificate
       (kind, ca_public_key, key_id, principals, fingerprint, subject, valid_after, valid_before)
VALUES ('control', 'k', 'k', '{sublet-control}', 'f', 'nd_a', now() - interval '48 h', now() - interval '47.95 h')
"""

LONG_AGO = "interval '400 days'"
LIMITS = """
INSERT INTO spending_limit (organization_id, currency, scope, subject_id, amount, set_by)
SELECT organization_id, 'USD', scope, CASE scope WHEN 'allocation' THEN id END, 1000000, 'x'
  FROM allocation, unnest(ARRAY['day', 'month', 'allocation']) AS scope WHERE state = 'active'
"""

# Far above what is given out next.
COPIES = {
    "allocation": {
        "seq": "r.seq + 1000000 + n * 10",
        "id": "r.id || n",
        "login": "r.login || n",
        "name": "r.name",
        "created_at": "r.created_at - interval '1 day'",
        "uid": "r.uid + 1000000 + n",
        "hold_id": "r.hold_id + 1000000 + n * 10",
    },
    "allocation_history": {"id": "r.id + 1000000 + n * 1000", "allocation_id": "r.allocation_id || n"},
    "allocation_operation": {
        "seq": "r.seq + 1000000 + n * 10",
        "id": "r.id || n",
        "allocation_id": "r.allocation_id || n",
    },
    "claim": {"id": "r.id || n", "subject_id": "r.subject_id || n"},
    "meter": {
        "subject_id": "r.subject_id || n",
        "hold_id": "r.hold_id + 1000000 + n * 10",
        **{column: f"r.{column} - {LONG_AGO}" for column in ("started_at", "observed_to", "stopped_at")},
    },
    "meter_segment": {
        "id": "r.id + 1000000 + n * 10",
        "subject_id": "r.subject_id || n",
        "period": f"tstzrange(lower(r.period) - {LONG_AGO}, upper(r.period) - {LONG_AGO})",
        **{column: f"r.{column} - {LONG_AGO}" for column in ("metered_to", "posted_to")},
    },
    "usage_record": {"subject_id": "r.subject_id || n"},
    "issued_certificate": {"serial": "r.serial + n"},
    "usage_charge": {"id": "r.id + 1000000 + n * 10", "subject_id": "r.subject_id || n"},
    "outbox_event": {"id": "r.id - n * 1000", "event_id": "r.event_id || n"},
    "ledger.hold": {"id": "r.id + 1000000 + n * 10", "subject_id": "r.subject_id || n"},
    "ledger.hold_event": {"hold_id": "r.hold_id + 1000000 + n * 10", "idempotency_key": "r.idempotency_key || n"},
    "ledger.ledger_entry": {"id": "r.id + 1000000 + n * 10", "idempotency_key": "r.idempotency_key || n"},
    "ledger.posting": {
        "entry_id": "r.entry_id + 1000000 + n * 10",
        "account_seq": "r.account_seq + 1000 + n * 100",
    },
}


@pytest.fixture
async def tasks(database: Database, tmp_path: Path, owner_url: str) -> list[Tick]:
    """The tasks of an installation on which very much has come and gone, and one allocation runs."""
    rental = await Rental.open(database)
    ended = await rental.running()
    await rental.ran_for(ended, 3600)
    await rental.observe()
    await rental.release(ended)
    await rental.work_until(ended, "released")
    with psycopg.connect(owner_url) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute(ENDED_CERTIFICATE)
        for table, changes in COPIES.items():
            multiply(owner, table, TIMES, changes)
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("VACUUM ANALYZE")
    await rental.running()
    await rental.run(LIMITS)
    settings = Settings(data_directory=tmp_path)
    observer = Observer(database, rental.backend, settings)
    return schedule(database, settings, Policy.of(settings), observer, Processor.from_settings(settings))


async def test_they_read_what_is_under_way_and_not_what_is_over(database: Database, tasks: list[Tick]) -> None:
    faults = []
    for task in tasks:
        if task.name in READS_ALL or task.run is None:
            continue
        for statement, plan in await plans_of(database, task.run):
            read = sorted(set(whole_table_reads(plan)) & set(LONG))
            if read or buffers(plan) > MOST_BUFFERS:
                faults.append(
                    f"{task.name}: {buffers(plan)} buffers, all of {read}: {' '.join(statement.sql.split())[:300]}"
                )
    assert faults == []
    async with database.reading() as session:
        owners = await session.execute(text("SELECT DISTINCT organization_id FROM allocation"))
        organization_id = owners.scalar_one()
    # What each launch and each list of offers counts.
    for statement, plan in await plans_of(database, lambda session: count_being_set_up(session, organization_id)):
        assert (list(whole_table_reads(plan)), buffers(plan) < MOST_BUFFERS_OF_A_COUNT) == ([], True), statement.sql
