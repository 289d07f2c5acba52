"""What the engine asks the database stays small, however much is due, waits or has ended."""

from collections.abc import Awaitable, Callable

import psycopg
import pytest
from tests.support.plans import buffers_of

from sublet.core.db import Database, Session
from sublet.core.work import leases, ready, trouble
from sublet.core.work.ready import Room

pytestmark = pytest.mark.anyio

MANY = """
INSERT INTO work (kind, id, place, tenant, due_at)
SELECT 'kettle', 'd' || n, 'stove-' || n % 500, 'cook-' || n % 7, clock_timestamp() - make_interval(secs => n)
  FROM generate_series(1, 100000) n;
INSERT INTO work (kind, id, place, due_at)
SELECT 'kettle', 'w' || n, 'stove-' || n % 500, clock_timestamp() + make_interval(secs => 600 + n)
  FROM generate_series(1, 50000) n;
INSERT INTO work (kind, id, due_at)
SELECT 'other', 'o' || n, 'infinity' FROM generate_series(1000001, 2000000) n;
ANALYZE work;
"""
"""A hundred thousand rows are due among a million that have ended. Their ids are as long as each other, so that each
is put in at the end of its index."""

MOST_BUFFERS = 600
"""A thirtieth of the table's pages."""


@pytest.fixture
def many(owner_url: str) -> None:
    with psycopg.connect(owner_url) as owner:
        owner.execute(MANY)


async def lease_some(session: Session) -> None:
    room = {"kettle": Room(20, 4, 3), "other": Room(20, 4, 3)}
    assert len(await ready.lease_ready(session, room, {}, holder=1, seconds=6)) == 20


async def lease_beside_full_places(session: Session) -> None:
    busy = {("kettle", f"stove-{number}", "cook-1"): 4 for number in range(10)}
    leased = await ready.lease_ready(session, {"kettle": Room(20, 4, 3)}, busy, holder=1, seconds=6)
    assert len(leased) == 20


async def lease_beside_a_tenant_who_has_its_share(session: Session) -> None:
    busy = {("kettle", f"stove-{number}", "cook-1"): 3 for number in range(500)}
    leased = await ready.lease_ready(session, {"kettle": Room(20, 4, 3)}, busy, holder=1, seconds=6)
    assert len(leased) == 20
    assert "cook-1" not in {lease.tenant for lease in leased}


async def find_next(session: Session) -> None:
    assert await ready.seconds_to_next(session, ["kettle", "other"]) is not None


async def give_back(session: Session) -> None:
    assert await leases.give_back(session, 1) == 0


@pytest.mark.usefixtures("many")
async def test_a_sweep_reads_what_it_takes_and_no_more(database: Database) -> None:
    asked: list[Callable[[Session], Awaitable[None]]] = [
        *(lease_some, lease_beside_full_places, lease_beside_a_tenant_who_has_its_share, find_next, give_back),
    ]
    touched = {ask.__name__: await buffers_of(database, ask) for ask in asked}
    assert {name: pages for name, pages in touched.items() if pages > MOST_BUFFERS} == {}


async def count_unfinished(session: Session) -> None:
    assert await trouble.counts(session) == {}


async def test_what_does_not_end_is_found_without_reading_what_is_not_due(database: Database, owner_url: str) -> None:
    with psycopg.connect(owner_url) as owner:
        owner.execute(
            """
            INSERT INTO work (kind, id, due_at)
            SELECT 'kind-' || n % 9, n, CASE WHEN n % 2 = 0 THEN clock_timestamp() + interval '1 h' ELSE 'infinity' END
              FROM generate_series(1, 50000) n;
            ANALYZE work;
            """
        )
    assert await buffers_of(database, count_unfinished) < 100
