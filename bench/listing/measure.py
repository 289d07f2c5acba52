"""CPU per authenticated request: a list of 50 and /me, against the reference's list in turns within one run.

The goals are only there to notice a fault: no code is written for them.
"""

import asyncio
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

import httpx
from tests.allocations.rental import PASSWORD, Rental
from tests.scheduling.fleet_rows import add_node
from tests.support.ports import free_port

from bench.rows import Row
from bench.servers import cpu_seconds, cpu_seconds_of_children, own_postgres, serving
from sublet.core.db import Database

# Short turns, so that what else the machine does meanwhile falls on all alike.
ROUNDS = 25
REQUESTS = 200
WARM_UP = 200
EMAIL = "bench@customer.example"
MOST_MS, MOST_BYTES, MOST_ME_MS = 3.0, 40_000, 1.0

# Each has run for another while, so that no two of them cost the same.
AGED = (
    """
    UPDATE meter_segment SET period = tstzrange(lower(period) - id * interval '61 seconds', upper(period)),
           metered_to = metered_to - id * interval '61 seconds', posted_to = posted_to - id * interval '61 seconds'
    """,
    "UPDATE meter m SET started_at = (SELECT lower(s.period) FROM meter_segment s WHERE s.subject_id = m.subject_id)",
)


def run() -> Sequence[Row]:
    """Measure on a database with 50 active allocations."""
    with own_postgres() as server, tempfile.TemporaryDirectory() as directory:
        organization = asyncio.run(_fill(server.app_url))
        server.sql(f"UPDATE user_account SET email = '{EMAIL}' WHERE id = '{organization}'", "sublet")
        server.sql("VACUUM ANALYZE", "sublet")
        port, reference_port = free_port(), free_port()
        url, reference_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{reference_port}"
        ours_environment = {
            "DATABASE_URL": server.app_url,
            "SUBLET_DATA_DIR": str(Path(directory)),
            "SUBLET_PORT": str(port),
            "SUBLET_PUBLIC_URL": url,
            "SUBLET_CURRENCY": "USD",
            "SUBLET_TIME_ZONE": "UTC",
        }
        reference_environment = {"BENCH_DSN": server.app_url}
        with (
            serving("sublet.entry.serve", url=f"{url}/readyz", environment=ours_environment) as ours,
            serving(
                "bench.listing.reference", str(reference_port), url=reference_url, environment=reference_environment
            ) as reference,
            httpx.Client(base_url=url, headers={"Origin": url}, timeout=20) as client,
        ):
            client.post("/api/v1/auth/login", json={"email": EMAIL, "password": PASSWORD}).raise_for_status()
            cookies = {"sublet_session": client.cookies["sublet_session"]}
            with httpx.Client(base_url=reference_url, cookies=cookies, timeout=20) as reference_client:
                assert server.pid is not None
                lists = _Paths(client, "/api/v1/allocations?limit=50", ours, server.pid)
                whoami = _Paths(client, "/api/v1/me", ours, server.pid)
                floor = _Paths(reference_client, "/list", reference, server.pid)
                answer = client.get("/api/v1/allocations?limit=50")
                assert len(answer.json()["items"]) == 50
                assert len(reference_client.get("/list").json()["items"]) == 50
                for paths in (lists, whoami, floor):
                    paths.ask(WARM_UP)
                for _ in range(ROUNDS):
                    for paths in (floor, lists, whoami):
                        paths.measure()
    ours_ms, me_ms, floor_ms, size = lists.median_ms, whoami.median_ms, floor.median_ms, len(answer.content)
    return [
        Row(
            work="authenticated list of 50, CPU a request",
            note=f"{size / 1000:.1f} kB; dstack's list, measured elsewhere: 5.8 ms",
            floor_name="FastAPI + asyncpg + response model",
            floor=floor_ms,
            ours=ours_ms,
            unit="ms",
            goal=f"≤ {MOST_MS:g} ms, ≤ {MOST_BYTES // 1000} kB",
            met=ours_ms <= MOST_MS and size <= MOST_BYTES,
        ),
        Row(
            work="the same list, PostgreSQL's own CPU",
            floor_name="the reference's statements",
            floor=floor.median_postgres_ms,
            ours=lists.median_postgres_ms,
            unit="ms",
            goal="–",
            met=None,
        ),
        Row(
            work="whoami, CPU a request",
            floor_name="the same list",
            floor=floor_ms,
            ours=me_ms,
            unit="ms",
            goal=f"≤ {MOST_ME_MS:g} ms",
            met=me_ms <= MOST_ME_MS,
        ),
    ]


class _Paths:
    """One address, asked many times over one connection, with the server's and PostgreSQL's CPU time for each round."""

    def __init__(self, client: httpx.Client, path: str, pid: int, postgres: int) -> None:
        self._client, self._path, self._pid, self._postgres = client, path, pid, postgres
        self._rounds: list[float] = []
        self._postgres_rounds: list[float] = []

    def ask(self, count: int) -> None:
        for _ in range(count):
            self._client.get(self._path).raise_for_status()

    def measure(self) -> None:
        before, postgres_before = cpu_seconds(self._pid), cpu_seconds_of_children(self._postgres)
        self.ask(REQUESTS)
        self._rounds.append((cpu_seconds(self._pid) - before) / REQUESTS * 1000)
        self._postgres_rounds.append((cpu_seconds_of_children(self._postgres) - postgres_before) / REQUESTS * 1000)

    @property
    def median_ms(self) -> float:
        return statistics.median(self._rounds)

    @property
    def median_postgres_ms(self) -> float:
        return statistics.median(self._postgres_rounds)


async def _fill(url: str) -> str:
    """A customer with 50 active allocations on simulated nodes; the customer's user id."""
    database = Database(url)
    try:
        rental = await Rental.open(database, amount="500.00")
        for number in range(8):
            await add_node(database, f"node-{number}", vcpu=16, memory_mib=65536, disk_gib=2000)
        for _ in range(50):
            await rental.running()
        for statement in AGED:
            await rental.run(statement)
        assert rental.actor.user_id is not None
        return rental.actor.user_id
    finally:
        await database.close()
