"""Processor time of a settlement and of a tick: ours and PostgreSQL's together, beside `capture_batch` alone.

`python -m bench.settlement.run [WALLETS]`: on a server of its own, in one run, on the same number of wallets.
"""

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psycopg

from bench.rows import Row, table
from bench.servers import own_postgres
from sublet.billing import settlement, watermarks
from sublet.billing.policy import Policy
from sublet.core.db import Database, Session
from sublet.supervisor.embedded_postgres import EmbeddedPostgres

HERE = Path(__file__).parent
WALLETS = 100_000
FEW = 1000
TICK_SECONDS = 0.6
_TICKS = os.sysconf("SC_CLK_TCK")
BATCH = """
SELECT count(*) FROM ledger.capture_batch(%s::bigint[], %s::bigint[], 'USD', 'compute', %s, 'Usage', 'settlement',
                                          'stl_1', now())
"""


def run(wallets: int = WALLETS) -> list[Row]:
    """Each figure in a database that was made anew, so that none pays for what another left."""
    alone, settled, ticked = _measured(wallets, promo=False)
    _, few, _ = _measured(FEW, promo=False)
    _, promotional, _ = _measured(wallets, promo=True)
    each, each_of_few = settled / wallets * 1e6, few / FEW * 1e6
    what = f"settlement of {wallets:,} wallets"
    return [
        Row(what, "capture_batch alone", alone, settled, "s of CPU", "<= 3", settled <= 3 * alone),
        Row(f"{what}, each", f"of {FEW:,}, each", each_of_few, each, "us of CPU", "<= 1.2", each <= 1.2 * each_of_few),
        Row(
            f"{what}, all promotional",
            "none promotional",
            settled,
            promotional,
            "s of CPU",
            "<= 1.5",
            promotional <= 1.5 * settled,
        ),
        Row(
            f"tick of {wallets:,} meters",
            "what it may cost",
            TICK_SECONDS,
            ticked,
            "s of CPU",
            "<= 1",
            ticked <= TICK_SECONDS,
        ),
    ]


def _measured(wallets: int, *, promo: bool) -> tuple[float, float, float]:
    """Seconds of `capture_batch` alone, of a settlement, and of the tick before it."""
    with own_postgres() as server:
        furnish(server, wallets, promo=promo)
        return asyncio.run(_measure(server))


def furnish(server: EmbeddedPostgres, wallets: int, *, promo: bool) -> None:
    """So many wallets with a running subject each that is due, with promotional money if asked."""
    scripts = [HERE.parent / "ledger" / "setup.sql", *([HERE / "promo.sql"] if promo else []), HERE / "meters.sql"]
    with psycopg.connect(server.owner_url, autocommit=True) as owner:
        for script in scripts:
            owner.execute(script.read_text(encoding="utf-8").replace(":wallets", str(wallets)).encode())
        owner.execute("VACUUM ANALYZE")
        owner.execute("CHECKPOINT")


async def _measure(server: EmbeddedPostgres) -> tuple[float, float, float]:
    database = Database(server.owner_url)
    try:
        ticked = await _cost(server, lambda: _in_transaction(database, watermarks.tick))
        settled = await _cost(server, lambda: settlement.settle_all(database, policy=Policy(data_kept_days=14)))
        async with await psycopg.AsyncConnection.connect(server.owner_url) as connection:
            alone = await _cost(server, lambda: _charge(connection))
    finally:
        await database.close()
    return alone, settled, ticked


async def _in_transaction(database: Database, work: Callable[[Session], Awaitable[object]]) -> None:
    async with database.transaction() as session:
        await work(session)


async def _charge(connection: psycopg.AsyncConnection) -> None:
    """The same holds, as many at a time, charged by the ledger's function and nothing else."""
    found = await (await connection.execute("SELECT id FROM ledger.hold ORDER BY id")).fetchall()
    holds = [row[0] for row in found]
    for first in range(0, len(holds), settlement.MOST_SUBJECTS):
        some = holds[first : first + settlement.MOST_SUBJECTS]
        await connection.execute(BATCH, [some, [180_000] * len(some), f"bench:{first}"])
        await connection.commit()


async def _cost(server: EmbeddedPostgres, work: Callable[[], Awaitable[object]]) -> float:
    before = _seconds(server)
    await work()
    return _seconds(server) - before


def _seconds(server: EmbeddedPostgres) -> float:
    """Processor time so far: of this process, and of the server's processes that work for somebody.

    Its housekeepers come and go: one that ends meanwhile takes along what it used before.
    """
    asked = "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
    with psycopg.connect(server.owner_url) as onlooker:
        pids = [row[0] for row in onlooker.execute(asked)]
    return time.process_time() + sum(map(_of_process, pids))


def _of_process(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def main() -> None:
    """Print the table's rows."""
    print(table(run(int(sys.argv[1]) if len(sys.argv) > 1 else WALLETS)))


if __name__ == "__main__":
    main()
