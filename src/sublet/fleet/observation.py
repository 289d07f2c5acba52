"""Looking at every node, over and over: one worker a node at a time, and no node waits for another.

A pass over one node is claim (short transaction) → ask the node (no session open) → hand the observation to the layers
above → note the result (short transaction, only if the lease is still ours).
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, select, text, update

from sublet.core import telemetry
from sublet.core.actors import system_actor
from sublet.core.clock import database_now
from sublet.core.db import Database, Session
from sublet.core.errors import NotFound, SubletError
from sublet.core.leases import LeaseLost
from sublet.core.settings import Settings
from sublet.fleet import enrolment, nodes
from sublet.fleet.backend import FleetBackend, Observation
from sublet.fleet.errors import ListingIncomplete
from sublet.fleet.models import node
from sublet.fleet.states import NodeState, come_back, move

log = telemetry.get_logger(__name__)

OnObserved = Callable[[str, Observation], Awaitable[None]]
"""A layer above takes in what was seen on a node; it opens its own transactions and may be called twice."""

Expected = Callable[[Session, str], Awaitable[int]]
"""How many allocations a layer above is sure exist on a node now."""

LEASE_SECONDS = 25
LONGEST_RETRY_SECONDS = 30.0
MOST_DOUBLINGS = 10
MISSES_BEFORE_OFFLINE = 2
BATCH = 200

_CLAIM = text(
    """
    UPDATE node
       SET lease_token = nextval('lease_token'),
           lease_expires_at = clock_timestamp() + make_interval(secs => :lease_seconds),
           attempts = attempts + 1
     WHERE id IN (SELECT id FROM node
                   WHERE next_attempt_at <= clock_timestamp()
                     AND (lease_expires_at IS NULL OR lease_expires_at <= clock_timestamp())
                     AND (CAST(:only AS text) IS NULL OR id = :only)
                   ORDER BY next_attempt_at
                   LIMIT :limit
                     FOR UPDATE SKIP LOCKED)
    RETURNING id, name, verified_at IS NOT NULL AS verified, boot_id, attempts, lease_token
    """
)


@dataclass(frozen=True, slots=True)
class _Claim:
    node_id: str
    name: str
    verified: bool
    boot_id: str | None
    attempts: int
    token: int
    claimed_at: float

    @property
    def overtaken(self) -> bool:
        """Whether this process slept through its lease, so that what it saw is too old to hand on."""
        return time.monotonic() - self.claimed_at > LEASE_SECONDS


class Observer:
    """Observes due nodes; `on_observed` handlers get every complete listing."""

    def __init__(self, database: Database, backend: FleetBackend, settings: Settings) -> None:
        self.database = database
        self.backend = backend
        self.settings = settings
        self.on_observed: list[OnObserved] = []
        self.expected: Expected | None = None
        self._tasks: set[asyncio.Task[bool]] = set()

    async def tick(self) -> int:
        """Begin to look at every node that is due, without waiting for any; returns how many. Also notes lost nodes."""
        claims = await self._claim(None)
        for claim in claims:
            task = asyncio.create_task(self._look(claim))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        await self.note_offline()
        return len(claims)

    async def drain(self) -> None:
        """Wait until every look that was begun has ended."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def stop(self) -> None:
        """End every look; leases run out by themselves."""
        for task in list(self._tasks):
            task.cancel()
        await self.drain()

    async def look_at(self, node_id: str) -> bool:
        """Look at one node now if it is due and nobody else does; whether it was seen. The handler of `node` pokes."""
        claims = await self._claim(node_id)
        return bool(claims) and await self._look(claims[0])

    async def note_offline(self) -> list[str]:
        """Move nodes that were not seen for too long, though they were tried, to offline; returns their ids.

        One that joined anew counts too: what ran on it is lost if it cannot be verified. One that was never seen waits.
        """
        seconds = self.settings.node_lost_seconds
        async with self.database.transaction() as session:
            rows = await session.execute(
                select(node.c.id)
                .where(
                    node.c.state != NodeState.OFFLINE.value,
                    node.c.last_seen_at < func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, seconds),
                    node.c.attempts >= MISSES_BEFORE_OFFLINE,
                    node.c.failure.is_not(None),
                )
                .with_for_update(key_share=True, skip_locked=True)
            )
            lost = [row.id for row in rows]
            for node_id in lost:
                reason = f"not seen for {seconds} s"
                await move(session, system_actor("observation"), node_id, NodeState.OFFLINE, reason=reason)
        return lost

    async def _claim(self, only: str | None) -> Sequence[_Claim]:
        parameters = {"lease_seconds": LEASE_SECONDS, "limit": BATCH, "only": only}
        async with self.database.transaction() as session:
            rows = (await session.execute(_CLAIM, parameters)).all()
        now = time.monotonic()
        return [_Claim(row.id, row.name, row.verified, row.boot_id, row.attempts, row.lease_token, now) for row in rows]

    async def _look(self, claim: _Claim) -> bool:
        try:
            if claim.verified:
                await self._observe(claim)
            else:
                await self._verify(claim)
        except LeaseLost:
            log.info("node.overtaken", node=claim.node_id)
            return False
        except SubletError as error:
            await self._failed(claim, error)
            return False
        except Exception as error:  # the pass over other nodes goes on whatever one of them brings up
            telemetry.worker_failures_total.labels("observe").inc()
            log.exception("node.look_crashed", node=claim.node_id, error=type(error).__name__)
            return False
        return True

    async def _verify(self, claim: _Claim) -> None:
        """Connect back to a node that has joined; only a probe over SSH lets it take work."""
        probe = await self.backend.probe(claim.node_id)
        async with self.database.transaction() as session:
            now = await database_now(session)
            await enrolment.accept(session, claim.node_id, probe, seen_at=now)
            await self._finish(session, claim, last_seen_at=now)
        log.info("node.enrolled", node=claim.node_id, limits_enforced=probe.limits_enforced)

    async def _observe(self, claim: _Claim) -> None:
        before = await self._expect(claim.node_id)
        observation = await self.backend.observe(claim.node_id)
        if not observation.allocations and before and await self._expect(claim.node_id):
            raise ListingIncomplete(
                f"{claim.name} listed no allocation although {before} exist on it. The listing was not believed: "
                "nothing was ended, and nothing is billed beyond what was last seen."
            )
        if claim.overtaken:
            raise LeaseLost(f"The look at {claim.name} took longer than its lease.")
        await self._hand_on(claim.node_id, observation)
        async with self.database.transaction() as session:
            space = {"disk_free_gib": observation.space.disk_gib, "inodes_free": observation.space.inodes}
            await self._finish(session, claim, last_seen_at=observation.observed_at, **space)
            await come_back(session, system_actor("observation"), claim.node_id, reason="answers again")
            if claim.boot_id != observation.boot_id:
                # After a boot the kernel may enforce other things; the next trust push looks again.
                await session.execute(
                    update(node)
                    .where(node.c.id == claim.node_id)
                    .values(boot_id=observation.boot_id, trust_due_at=func.clock_timestamp())
                )

    async def _hand_on(self, node_id: str, observation: Observation) -> None:
        for handler in self.on_observed:
            try:
                await handler(node_id, observation)
            except Exception as error:  # the node was seen all the same, and the next look hands on again
                telemetry.worker_failures_total.labels("on_observed").inc()
                log.exception("node.handler_failed", node=node_id, error=type(error).__name__)

    async def _expect(self, node_id: str) -> int:
        if self.expected is None:
            return 0
        async with self.database.reading() as session:
            return await self.expected(session, node_id)

    async def _finish(self, session: Session, claim: _Claim, *, last_seen_at: datetime, **space: int | None) -> None:
        interval = self.settings.observe_interval_seconds * random.uniform(0.9, 1.0)  # noqa: S311 - only spreads load
        changed = await session.execute(
            update(node)
            .where(_ours(claim))
            .values(
                last_seen_at=last_seen_at,
                observed_at=last_seen_at,
                fresh_until=nodes.fresh_until(last_seen_at, self.settings),
                **space,
                failure=None,
                attempts=0,
                lease_expires_at=None,
                next_attempt_at=func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, interval),
            )
        )
        if changed.rowcount != 1:
            raise LeaseLost(f"The lease on node {claim.node_id} has passed to another worker.")

    async def _failed(self, claim: _Claim, error: SubletError) -> None:
        """Note why; the next try comes soon, and later as failures go on."""
        doublings = min(claim.attempts - 1, MOST_DOUBLINGS)
        seconds = min(self.settings.observe_interval_seconds * 2.0**doublings, LONGEST_RETRY_SECONDS)
        delay = seconds * random.uniform(0.7, 1.0)  # noqa: S311 - only spreads load
        log.warning("node.not_seen", node=claim.node_id, code=error.code, attempts=claim.attempts)
        async with self.database.transaction() as session:
            now = await database_now(session)
            await session.execute(
                update(node)
                .where(_ours(claim))
                .values(
                    failure={"code": error.code, "detail": error.detail, "at": now.isoformat()},
                    lease_expires_at=None,
                    next_attempt_at=now + func.make_interval(0, 0, 0, 0, 0, 0, delay),
                )
            )


async def make_due(session: Session, node_id: str) -> None:
    """Let the node be looked at as soon as possible. Waits for operators who ask for a look at a node."""
    changed = await session.execute(
        update(node)
        .where(and_(node.c.id == node_id, node.c.host_public_key.is_not(None)))
        .values(next_attempt_at=func.clock_timestamp())
    )
    if changed.rowcount == 0:
        raise NotFound("enrolled node", node_id)


def _ours(claim: _Claim) -> ColumnElement[bool]:
    return and_(node.c.id == claim.node_id, node.c.lease_token == claim.token, node.c.lease_expires_at.is_not(None))
