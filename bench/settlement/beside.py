"""What customers notice while a settlement goes on: how long a launch takes, and how late events are.

A worker's process settles; launches are admitted one after the other, each in a transaction as the API's, and a reader
asks for events as often as our own do at most. `python -m bench.settlement.beside [WALLETS]`.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial

from bench.placement import fleet
from bench.rows import Row, table
from bench.servers import own_postgres
from bench.settlement.run import WALLETS, furnish
from sublet.allocations import launch as launching
from sublet.allocations import rows as allocation_rows
from sublet.allocations import upcoming_spend
from sublet.billing import settlement, watermarks
from sublet.billing.policy import Policy
from sublet.catalog import prices, skus
from sublet.core.actors import Actor, system_actor
from sublet.core.clock import database_now
from sublet.core.db import Database
from sublet.core.ids import new_id
from sublet.core.money import Money, Rate
from sublet.core.outbox import latest_cursor, read_after
from sublet.identity import users
from sublet.identity.permissions import held_by
from sublet.ledger import top_ups, wallets
from sublet.scheduling.offers import Launches

LAUNCH_SECONDS = 0.25
LATE_SECONDS = 1.0
CUSTOMERS = 20
FEWEST = 100
NODES = 500
PAUSE_SECONDS = 0.02
POLL_SECONDS = 0.1
POLICY = Policy(data_kept_days=14)
LAUNCHES = Launches(
    allocation_rows.count_being_set_up,
    10**6,
    allocation_rows.began_within_an_hour,
    most_an_hour=10**6,
    to_come=upcoming_spend.more_to_come,
)
SETTLE = "settle"


def run(wallets_many: int = WALLETS) -> list[Row]:
    """The slowest hundredth of launches and the latest event, with nothing beside and during a settlement."""
    with own_postgres() as server:
        fleet.build(server.owner_url, nodes=NODES, claims=NODES)
        furnish(server, wallets_many, promo=False)
        return asyncio.run(_measure(server.owner_url, wallets_many))


async def _measure(url: str, wallets_many: int) -> list[Row]:
    database = Database(url)
    try:
        customers, sku_id = await _shop(database)
        alone, alone_late = await _noticed(database, customers, sku_id, partial(asyncio.sleep, 0))
        beside, late = await _noticed(database, customers, sku_id, partial(_settled, url))
    finally:
        await database.close()
    what = f"during a settlement of {wallets_many:,} wallets"
    slow, slow_alone = _p99(beside), _p99(alone)
    note = f"{len(beside)} launches"
    return [
        Row(
            f"admission of a launch {what}, p99", "with nothing beside", slow_alone * 1000, slow * 1000, "ms",
            f"≤ {LAUNCH_SECONDS * 1000:g} ms", slow <= LAUNCH_SECONDS, note,
        ),
        Row(
            f"the latest event {what}", "with nothing beside", alone_late, late, "s", f"≤ {LATE_SECONDS:g} s",
            late <= LATE_SECONDS,
        ),
    ]  # fmt: skip


async def _shop(database: Database) -> tuple[list[Actor], str]:
    """Customers with money, and the smallest SKU at a price."""
    customers = []
    for _ in range(CUSTOMERS):
        async with database.transaction() as session:
            made = await users.create_user(
                session,
                email=f"{new_id('x')}@customer.example",
                password="correct horse battery 7",
                name="Customer",
                on_signup=[partial(wallets.open_wallet, currency="USD")],
            )
            key = new_id("pi")
            await top_ups.credit(
                session, made.organization_id, Money.parse("10000", "USD"), payment_intent_id=key,
                charge_id=f"ch_{key}", source_id=key,
            )  # fmt: skip
        held = held_by("owner", frozenset())
        customers.append(Actor("user", made.user_id, made.organization_id, role="owner", permissions=held))
    async with database.transaction() as session:
        sku = next(one for one in await skus.list_active(session) if one.code == "cpu-1")
        rate, suspended = Rate.parse("0.36", "USD"), Rate.parse("0", "USD")
        await prices.create(session, system_actor("bench"), sku_id=sku.id, per_hour=rate, suspended_per_hour=suspended)
    return customers, sku.id


async def _noticed(
    database: Database, customers: list[Actor], sku_id: str, work: Callable[[], Awaitable[None]]
) -> tuple[list[float], float]:
    """Seconds of each launch while the work goes on, and how late the latest event was."""
    async with _reading(database) as latenesses:
        working = asyncio.ensure_future(work())
        took: list[float] = []
        while not working.done() or len(took) < FEWEST:
            actor = customers[len(took) % len(customers)]
            begun = time.perf_counter()
            async with database.transaction() as session:
                await launching.launch(session, actor, sku_id, currency="USD", policy=POLICY, launches=LAUNCHES)
            took.append(time.perf_counter() - begun)
            await asyncio.sleep(PAUSE_SECONDS)
        await working
    return took, max(latenesses)


@asynccontextmanager
async def _reading(database: Database) -> AsyncIterator[list[float]]:
    """Read events meanwhile, and afterwards all that are left; yields how late each look found the first of its own."""
    late: list[float] = []
    async with database.reading() as session:
        cursor = await latest_cursor(session)
    is_over = asyncio.Event()

    async def read(cursor: tuple[int, int]) -> None:
        while True:
            is_last = is_over.is_set()
            async with database.reading() as session:
                events = await read_after(session, cursor, everything=True, limit=500)
                now: datetime = await database_now(session)
            if events:
                late.append(max((now - event.time).total_seconds() for _, event in events))
                cursor = events[-1][0]
            elif is_last:
                return
            else:
                await asyncio.sleep(POLL_SECONDS)

    reading = asyncio.create_task(read(cursor))
    try:
        yield late
    finally:
        is_over.set()
        await reading


async def _settled(url: str) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.settlement.beside", SETTLE, url)
    if await process.wait() != 0:
        raise RuntimeError("the settlement beside failed")


async def _settle(url: str) -> None:
    database = Database(url)
    try:
        async with database.transaction() as session:
            await watermarks.tick(session)
        await settlement.settle_all(database, policy=POLICY)
    finally:
        await database.close()


def _p99(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=100, method="inclusive")[98]


def main() -> None:
    """Print the rows; or, as the worker beside, settle."""
    if sys.argv[1:2] == [SETTLE]:
        asyncio.run(_settle(sys.argv[2]))
    else:
        print(table(run(int(sys.argv[1]) if len(sys.argv) > 1 else WALLETS)))


if __name__ == "__main__":
    main()
