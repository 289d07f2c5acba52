"""A small rental business in a test's database: an operator's offer, a customer with money, and a simulated fleet."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Row, select, text

from sublet.allocations import launch as launching
from sublet.allocations import release, suspension
from sublet.allocations.checks import ended_among
from sublet.allocations.models import allocation
from sublet.allocations.rows import WORK
from sublet.allocations.work import observations
from sublet.allocations.work import remnants as remnant_work
from sublet.allocations.work import startup as startup_work
from sublet.allocations.work.kind import work
from sublet.allocations.work.pace import AllocationPace
from sublet.billing import checks as billing_checks
from sublet.billing import watermarks
from sublet.catalog import prices, skus
from sublet.catalog.skus import Sku
from sublet.core.actors import Actor, system_actor
from sublet.core.db import Database
from sublet.core.ids import new_id
from sublet.core.money import Money, Rate
from sublet.core.work.reconciler import Reconciler
from sublet.fleet.backend import FleetBackend
from sublet.identity import users
from sublet.identity.permissions import held_by
from sublet.ledger import reconcile as books
from sublet.ledger import top_ups, wallets
from sublet.ledger.wallets import Wallet
from tests.allocations.simulated import SimulatedBackend
from tests.scheduling.fleet_rows import add_node
from tests.support.keys import KEYRING
from tests.support.passwords import quick_hashes
from tests.support.policy import DEFAULT_LAUNCHES, DEFAULT_POLICY
from tests.support.work import look_at, sweep_once

EAGER = AllocationPace(
    policy=DEFAULT_POLICY,
    shortest_wait_seconds=0.01,
    longest_wait_seconds=0.05,
    longest_repair_wait_seconds=0.05,
    provision_attempts=4,
)
DEFAULT_PACE = AllocationPace(policy=DEFAULT_POLICY)
PASSWORD = "correct horse battery 7"
MOST_LOOKS = 10


async def reconcile(
    database: Database, backend: FleetBackend, allocation_id: str, *, pace: AllocationPace = DEFAULT_PACE
) -> None:
    """One worker looks at the allocation, for as long as there is something to do at once."""
    worker = Reconciler(database, [work(backend, KEYRING, pace=pace)])
    for _ in range(MOST_LOOKS):
        if not await look_at(worker, WORK, allocation_id):
            return


def owner_of(me: dict[str, Any]) -> Actor:
    """Whoever `/me` describes, as the owner that they are."""
    held = held_by("owner", frozenset())
    organization_id = me["organization"]["id"]
    return Actor("user", user_id=me["user"]["id"], organization_id=organization_id, role="owner", permissions=held)


async def customer(database: Database, amount: str = "20.00") -> Actor:
    """The owner of a new organization with so much in its wallet."""
    with quick_hashes():
        async with database.transaction() as session:
            made = await users.create_user(
                session,
                email=f"{new_id('x')}@customer.example",
                password=PASSWORD,
                name="Customer",
                on_signup=[partial(wallets.open_wallet, currency="USD")],
            )
    actor = Actor(
        kind="user",
        user_id=made.user_id,
        organization_id=made.organization_id,
        role="owner",
        permissions=held_by("owner", frozenset()),
        name="Customer",
    )
    if Money.parse(amount, "USD").micro:
        await pay_in(database, actor, amount)
    return actor


async def pay_in(database: Database, actor: Actor, amount: str) -> None:
    """A card payment that has succeeded."""
    key = new_id("pi")
    async with database.transaction() as session:
        await top_ups.credit(
            session,
            actor.organization,
            Money.parse(amount, "USD"),
            payment_intent_id=key,
            charge_id=f"ch_{key}",
            source_id=key,
        )


async def offer(
    database: Database,
    code: str = "small",
    *,
    per_hour: str = "0.36",
    suspended: str = "0",
    kept_hours: int | None = None,
    disk: str | None = None,
    **shape: Any,
) -> Sku:
    """A SKU with a price in force, at which suspension keeps the claim always, or for `kept_hours`, from 0."""
    operator = system_actor("test")
    values = {"vcpu": 1, "memory_mib": 1024, "disk_gib": 10, **shape}
    async with database.transaction() as session:
        sku = await skus.create(session, operator, code=code, name=code, **values)
        await prices.create(
            session,
            operator,
            sku_id=sku.id,
            per_hour=Rate.parse(per_hour, "USD"),
            suspended_claim="always" if kept_hours is None else "hours" if kept_hours else "none",
            suspended_claim_hours=kept_hours or None,
            suspended_per_hour=Rate.parse(suspended, "USD"),
            disk_per_hour=None if disk is None else Rate.parse(disk, "USD"),
        )
    return sku


@dataclass
class Rental:
    """Everything that a test of allocations touches."""

    database: Database
    backend: SimulatedBackend
    actor: Actor
    sku: Sku
    node_id: str
    pace: AllocationPace = field(default=EAGER)
    lease_seconds: float = 2.0
    release_lost_seconds: int | None = None

    @classmethod
    async def open(cls, database: Database, *, amount: str = "20.00", gpus: int = 1, **shape: Any) -> "Rental":
        """One node, one offer, one customer."""
        node_id = await add_node(database, "north", gpus=["A"] * gpus)
        sku = await offer(database, **shape)
        return cls(database, SimulatedBackend(database), await customer(database, amount), sku, node_id)

    async def launch(self, actor: Actor | None = None, **options: Any) -> str:
        """Launch the offer."""
        async with self.database.transaction() as session:
            given = {"currency": "USD", "policy": DEFAULT_POLICY, "launches": DEFAULT_LAUNCHES, **options}
            return await launching.launch(session, actor or self.actor, self.sku.id, **given)

    def worker(self) -> Reconciler:
        """A worker of its own."""
        return Reconciler(
            self.database,
            [
                work(self.backend, KEYRING, pace=self.pace),
                remnant_work.work(self.backend, pace=self.pace),
                startup_work.work(self.backend, KEYRING, pace=self.pace),
            ],
            lease_seconds=self.lease_seconds,
        )

    async def work(self, allocation_id: str) -> None:
        """One worker looks at the allocation, for as long as there is something to do at once."""
        await reconcile(self.database, self.backend, allocation_id, pace=self.pace)

    async def work_until(self, allocation_id: str, *states: str, seconds: float = 10.0) -> Row[Any]:
        """Workers sweep until the allocation is in one of the states."""
        deadline = time.monotonic() + seconds
        while True:
            await sweep_once(self.worker())
            row = await self.row(allocation_id)
            if row.state in states:
                return row
            assert time.monotonic() < deadline, f"{allocation_id} is {row.state}, not {states}: {row}"
            await asyncio.sleep(0.01)

    async def running(self, **options: Any) -> str:
        """An allocation that is active."""
        allocation_id = await self.launch(**options)
        await self.work_until(allocation_id, "active")
        return allocation_id

    async def release(self, allocation_id: str) -> None:
        """The customer asks for the release."""
        async with self.database.transaction() as session:
            await release.request_release(session, self.actor, allocation_id)

    async def suspend(self, allocation_id: str) -> None:
        """The customer suspends."""
        async with self.database.transaction() as session:
            await suspension.request_suspension(session, self.actor, allocation_id)

    async def resume(self, allocation_id: str) -> None:
        """The customer resumes."""
        async with self.database.transaction() as session:
            await suspension.request_resumption(session, self.actor, allocation_id, policy=DEFAULT_POLICY)

    async def observe(self, node_id: str | None = None) -> None:
        """The fleet looks at the node, the first one unless another is named, and tells what it saw."""
        seen_on = node_id or self.node_id
        observation = await self.backend.observe(seen_on)
        await observations.on_observed(
            self.database,
            seen_on,
            observation,
            policy=DEFAULT_POLICY,
            release_lost_seconds=self.release_lost_seconds,
        )
        async with self.database.transaction() as session:
            await watermarks.tick(session)

    async def give_ports(self, first: int | None, last: int | None, *, leads: bool = True) -> None:
        """The operator gives these ports of the node, or none; it is a node that can lead ports, or not."""
        capabilities = json.dumps([{"name": "published_ports", "enforced": leads, "detail": "as tried"}])
        await self.run(
            "UPDATE node SET first_port = :first, last_port = :last, capabilities = CAST(:capabilities AS jsonb) "
            "WHERE id = :node_id",
            first=first,
            last=last,
            capabilities=capabilities,
            node_id=self.node_id,
        )

    async def row(self, allocation_id: str) -> Row[Any]:
        """The allocation's row."""
        async with self.database.reading() as session:
            return (await session.execute(select(allocation).where(allocation.c.id == allocation_id))).one()

    async def one(self, statement: str, **parameters: Any) -> Row[Any]:
        """One row of anything."""
        async with self.database.reading() as session:
            return (await session.execute(text(statement), parameters)).one()

    async def all(self, statement: str, **parameters: Any) -> list[Any]:
        """One column of anything."""
        async with self.database.reading() as session:
            return list((await session.execute(text(statement), parameters)).scalars())

    async def run(self, statement: str, **parameters: Any) -> None:
        """Change anything, behind everybody's back."""
        async with self.database.transaction() as session:
            await session.execute(text(statement), parameters)

    async def wallet(self) -> Wallet:
        """The customer's money."""
        async with self.database.reading() as session:
            return await wallets.wallet(session, self.actor.organization, currency="USD")

    async def events(self) -> list[str]:
        """The types of all events so far that are about allocations and operations."""
        return await self.all(
            "SELECT type FROM outbox_event WHERE type LIKE 'allocation.%' OR type LIKE 'operation.%' ORDER BY id"
        )

    async def disagreements(self) -> list[str]:
        """Where money and machine disagree; empty when all is as it must be."""
        found: list[str] = []
        found += await self.all(
            """
            SELECT 'open hold on ended ' || a.id FROM allocation a JOIN ledger.open_hold h ON h.id = a.hold_id
             WHERE a.ended_at IS NOT NULL
            """
        )
        found += await self.all(
            """
            SELECT 'capacity of ' || a.id || ' is free without proof' FROM allocation a
             WHERE a.on_node AND NOT EXISTS (SELECT FROM claim c WHERE c.subject_id = a.id AND upper_inf(c.during))
            """
        )
        found += await self.all(
            """
            SELECT 'capacity of ended ' || a.id || ' is still taken' FROM allocation a
              JOIN claim c ON c.subject_id = a.id AND upper_inf(c.during)
             WHERE a.ended_at IS NOT NULL AND NOT a.on_node
            """
        )
        found += await self.all(
            "SELECT 'meter of ended ' || a.id || ' runs' FROM allocation a JOIN meter m ON m.subject_id = a.id "
            "WHERE a.ended_at IS NOT NULL AND NOT m.settled"
        )
        found += await self.all(
            """
            SELECT 'capacity of remnant ' || r.id || ' is free without proof, or taken in spite of it'
              FROM allocation_remnant r
             WHERE (r.cleaned_at IS NULL)
                   <> EXISTS (SELECT FROM claim c WHERE c.subject_id = r.id AND upper_inf(c.during))
            """
        )
        known = await self.all(
            """
            SELECT node_id || '/' || id FROM allocation WHERE on_node
             UNION ALL SELECT node_id || '/' || allocation_id FROM allocation_remnant WHERE cleaned_at IS NULL
            """
        )
        for node_id, node in self.backend.nodes.items():
            found += [
                f"{left} is on a node and nobody knows" for left in node.accounts if f"{node_id}/{left}" not in known
            ]
        async with self.database.transaction() as session:
            results = [*await books.run(session, ended_among=ended_among), *await billing_checks.run(session)]
        found += [
            f"{result.name}: {finding.subject} {finding.problem}"
            for result in results
            if result.name != "unmetered time"
            for finding in result.findings
        ]
        return found

    async def ran_for(self, allocation_id: str, seconds: int) -> None:
        """Let the past be longer: the meter started so many seconds earlier, and the node was seen all the time."""
        await self._began_earlier(allocation_id, seconds)
        # The first second, which counts as seen before it has passed, is over.
        await self.run(
            "UPDATE meter SET observed_to = least(observed_to, clock_timestamp()) WHERE subject_id = :id",
            id=allocation_id,
        )

    async def ran_unseen_for(self, allocation_id: str, seconds: int) -> None:
        """The same, and nobody has looked at the node for those seconds."""
        await self._began_earlier(allocation_id, seconds)
        await self.run(
            "UPDATE meter SET observed_to = observed_to - make_interval(secs => :s) WHERE subject_id = :id",
            s=seconds,
            id=allocation_id,
        )

    async def _began_earlier(self, allocation_id: str, seconds: int) -> None:
        await self.run(
            """
            UPDATE meter
               SET started_at = started_at - make_interval(secs => :s),
                   seen_from = seen_from - make_interval(secs => :s)
             WHERE subject_id = :id
            """,
            s=seconds,
            id=allocation_id,
        )
        # Those that have ended are moved as they are, and first, so that none overlaps another meanwhile.
        for segment in await self.all(
            "SELECT id FROM meter_segment WHERE subject_id = :id ORDER BY id", id=allocation_id
        ):
            await self.run(
                """
                UPDATE meter_segment
                   SET period = tstzrange(lower(period) - make_interval(secs => :s),
                                          upper(period) - make_interval(secs => :s)),
                       metered_to = metered_to - make_interval(secs => :s),
                       posted_to = posted_to - make_interval(secs => :s)
                 WHERE id = :segment
                """,
                s=seconds,
                segment=segment,
            )
