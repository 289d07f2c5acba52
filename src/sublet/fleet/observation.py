"""Looking at every node, over and over: one worker a node at a time, and no node waits for another.

The node is asked with no session open, the observation handed to the layers above, and the result noted only while
the lease is ours.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, func, select, update

from sublet.core import telemetry
from sublet.core.actors import system_actor
from sublet.core.clock import database_now
from sublet.core.db import Database, Session
from sublet.core.errors import NotFound, SubletError
from sublet.core.settings import Settings
from sublet.core.work import leases
from sublet.core.work.declaration import End, Step, Work
from sublet.core.work.leases import Lease
from sublet.core.work.outcomes import Again, Outcome, Retry
from sublet.core.work.pace import Pace
from sublet.fleet import codes, damaged_records, enrolment, gpu_health, nodes, trial
from sublet.fleet.backend import FleetBackend, Observation, Probe
from sublet.fleet.errors import ListingIncomplete, MachineAlreadyEnrolled
from sublet.fleet.models import node, node_trial
from sublet.fleet.moved_gpus import ClaimsOnGpu, nothing_known
from sublet.fleet.states import AWAY, NodeState, come_back, move
from sublet.fleet.work import NODE, TRUST

log = telemetry.get_logger(__name__)

OnObserved = Callable[[str, Observation], Awaitable[None]]
"""A layer above takes in what was seen on a node; it opens its own transactions and may be called twice."""

Expected = Callable[[Session, str], Awaitable[int]]
"""How many allocations a layer above is sure exist on a node now."""

_STANDING = (node.c.state, node.c.unreadable, node.c.inventory, *trial.STANDING)

LONGEST_RETRY_SECONDS = 30.0
CLOCK_SECONDS = 1.0
"""So much nearer or farther a node's clock is noted anew; a step of it is, with the next look."""
AHEAD_SECONDS = 1.0
"""A clock that is set right by less is nobody's matter."""
MISSES_BEFORE_OFFLINE = 2
SLOW_SECONDS = 5.0
"""A node that takes longer to answer is said to be slow; it counts as there all the same."""
NODES_AT_A_TIME = 200

STEPS = (
    Step(
        "ask",
        "lists all that exists on the node; one that has just joined is probed over SSH instead",
        "nothing: asking changes nothing on a node",
        "none needed",
    ),
    Step(
        "hand on",
        "tells the layers above what was seen, each in transactions of its own",
        "proven time, allocations to repair, accounts that nobody knows",
        "none needed: the same observation may be handed on twice",
    ),
    Step(
        "note",
        "notes when the node was seen and brings it back if it was offline; or why it was not, and how often in a row; "
        "has it tried whether a customer gets in where nobody has, or what a login comes through has changed",
        "the node's row",
        "the next look, an interval later or at the pace of failures",
    ),
)

END = End(
    None,
    "never ends: a node that is not seen is offline, takes nothing new, and bills nobody",
    "never ends: looked at every ten minutes at last; nobody else sees the node meanwhile, so it counts as not seen",
)


@dataclass(frozen=True, slots=True)
class Look:
    """A node that is to be looked at."""

    node_id: str
    name: str
    verified: bool
    boot_id: str | None
    trial_id: str | None
    expected: int = 0
    """How many allocations were sure to exist on it before it was asked."""
    before: datetime | None = None
    """When it was asked for the observation before this one; None for the first."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of a look: an observation, the probe of a node that has joined, or why there is neither; and how long
    the node took."""

    observation: Observation | None = None
    probe: Probe | None = None
    error: SubletError | None = None
    seconds: float = 0.0


class Observer:
    """Observes nodes; `on_observed` handlers get every complete listing.

    Without `claims_on`, no GPU moves here from the node that it was in.
    """

    def __init__(self, database: Database, backend: FleetBackend, settings: Settings) -> None:
        self.database = database
        self.backend = backend
        self.settings = settings
        self.on_observed: list[OnObserved] = []
        self.expected: Expected | None = None
        self.claims_on: ClaimsOnGpu = nothing_known

    def work(self) -> Work[Look, Seen]:
        """The kind of work `node`: one look at a node at a time, whatever the other nodes do."""
        return Work(
            kind=NODE,
            take=self._take,
            act=self._look,
            conclude=self._note,
            pace=Pace(
                shortest_seconds=self.settings.observe_interval_seconds / 2, longest_seconds=LONGEST_RETRY_SECONDS
            ),
            end=END,
            slots=NODES_AT_A_TIME,
            slots_each=1,
            longest_seconds=max(float(self.settings.observe_interval_seconds), LONGEST_RETRY_SECONDS),
            steps=STEPS,
        )

    async def note_offline(self, session: Session) -> list[str]:
        """Move nodes that were not seen for too long, though they were tried, to offline; returns their ids.

        One that joined anew counts too: what ran on it is lost if it cannot be verified. One that was never seen waits.
        One that was seen at a time that is still to come, by a clock that was set back since, is believed no more until
        it is seen again, and counts as seen now: nobody knows when that was.
        """
        now = func.clock_timestamp()
        ahead = node.c.last_seen_at > now + func.make_interval(0, 0, 0, 0, 0, 0, AHEAD_SECONDS)
        unseen = update(node).where(ahead).values(last_seen_at=now, observed_at=now, fresh_until=now)
        for row in await session.execute(unseen.returning(node.c.id)):
            log.error("node.seen_ahead_of_time", node=row.id)
        seconds = self.settings.node_lost_seconds
        rows = await session.execute(
            select(node.c.id)
            .where(
                node.c.state.not_in([NodeState.OFFLINE.value, NodeState.RETIRED.value]),
                node.c.last_seen_at < func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, seconds),
                node.c.misses >= MISSES_BEFORE_OFFLINE,
                node.c.failure.is_not(None),
            )
            .with_for_update(key_share=True, skip_locked=True)
        )
        lost = [row.id for row in rows]
        for node_id in lost:
            reason = f"not seen for {seconds} s"
            await move(session, system_actor("observation"), node_id, NodeState.OFFLINE, reason=reason)
        return lost

    async def _take(self, session: Session, lease: Lease) -> Look | Outcome:
        tried = node.outerjoin(node_trial, node_trial.c.node_id == node.c.id)
        columns = (node.c.name, node.c.verified_at, node.c.boot_id, node.c.observed_at, node_trial.c.allocation_id)
        row = (await session.execute(select(*columns).select_from(tried).where(node.c.id == lease.id))).one()
        expected = 0 if self.expected is None else await self.expected(session, lease.id)
        about = (lease.id, row.name, row.verified_at is not None, row.boot_id, row.allocation_id)
        return Look(*about, expected, row.observed_at)

    async def _look(self, lease: Lease, look: Look) -> Seen:
        try:
            if not look.verified:
                # It has joined: only a probe over SSH, which connects back to it, shows that it is the one.
                return Seen(probe=await self.backend.probe(look.node_id))
            began = time.monotonic()
            observation = await self._observe(look)
            seconds = time.monotonic() - began
        except SubletError as error:
            return Seen(error=error)
        lease.verify_time()
        await self._hand_on(look.node_id, observation)
        return Seen(observation, seconds=seconds)

    async def _observe(self, look: Look) -> Observation:
        observation = trial.without(await self.backend.observe(look.node_id), look.trial_id)
        listed = observation.allocations or observation.unreadable
        if not listed and look.expected and await self._expect(look.node_id):
            raise ListingIncomplete(
                f"{look.name} listed no allocation although {look.expected} exist on it. The listing was not believed: "
                "nothing was ended, and nothing is billed beyond what was last seen."
            )
        return observation

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

    async def _note(self, session: Session, lease: Lease, look: Look, seen: Seen) -> Outcome:
        if seen.error is not None:
            return await self._not_seen(session, lease, seen.error)
        if seen.probe is not None:
            now = await database_now(session)
            try:
                async with session.begin_nested():
                    await enrolment.accept(session, look.node_id, seen.probe, seen_at=now, claims_on=self.claims_on)
            except MachineAlreadyEnrolled as error:
                return await self._not_seen(session, lease, error)
            await self._note_seen(session, look.node_id, now)
            log.info("node.enrolled", node=look.node_id, limits_enforced=seen.probe.limits_enforced)
        if seen.observation is not None:
            space = seen.observation.space
            found = {"disk_free_gib": space.disk_gib, "inodes_free": space.inodes, "doors": seen.observation.doors}
            took = seen.seconds if seen.seconds > SLOW_SECONDS else 0.0
            standing = await self._note_seen(session, look.node_id, seen.observation.observed_at, took, **found)
            if took:
                await self._note_slow(session, look, seen.seconds)
            ahead = _clock_ahead(seen.observation, seen.seconds)
            known = (standing.inventory or {}).get("clock_skew_seconds")
            if known is None or abs(ahead - known) >= CLOCK_SECONDS:
                await nodes.store_clock(session, look.node_id, ahead)
            unreadable = seen.observation.unreadable
            if unreadable or standing.unreadable:
                await damaged_records.note_unreadable(session, look.node_id, unreadable, seen.observation.observed_at)
            await gpu_health.note(session, look.node_id, look.name, seen.observation, before=look.before)
            if NodeState(standing.state) in AWAY:
                await come_back(session, system_actor("observation"), look.node_id, reason="answers again")
            if look.boot_id != seen.observation.boot_id:
                # After a boot the kernel may enforce other things; the next trust push looks again.
                booted = update(node).where(node.c.id == look.node_id).values(boot_id=seen.observation.boot_id)
                await session.execute(booted)
                await leases.make_due(session, TRUST, look.node_id, place=look.node_id)
            await trial.ask_if_due(session, look.node_id, standing)
        return Again(float(self.settings.observe_interval_seconds))

    async def _note_slow(self, session: Session, look: Look, seconds: float) -> None:
        """Say so, where operators read what is wrong with a node; it was seen all the same."""
        log.warning("node.slow", node=look.node_id, seconds=round(seconds, 1))
        detail = (
            f"{look.name} answers, but slowly: its last answer took {seconds:.0f} s. It takes work as before. Look "
            "at its load and its disks; from 30 s on it counts as not seen."
        )
        failure = {"code": nodes.SLOW, "detail": detail, "at": (await database_now(session)).isoformat()}
        await session.execute(update(node).where(node.c.id == look.node_id).values(failure=failure))

    async def _note_seen(
        self, session: Session, node_id: str, seen_at: datetime, seconds: float = 0.0, **found: int | str | None
    ) -> Row[Any]:
        """Note that the node was seen; returns how it stands, so that what follows need not ask for it."""
        fresh_until = nodes.fresh_until(seen_at, self.settings, seconds)
        seen = {"last_seen_at": seen_at, "observed_at": seen_at, "fresh_until": fresh_until, "misses": 0}
        noted = update(node).where(node.c.id == node_id).values(failure=None, **seen, **found)
        return (await session.execute(noted.returning(*_STANDING))).one()

    async def _not_seen(self, session: Session, lease: Lease, error: SubletError) -> Outcome:
        code = codes.of_operator(error)
        log.warning("node.not_seen", node=lease.id, code=code, attempt=lease.attempt)
        now = await database_now(session)
        failure = {"code": code, "detail": error.detail, "at": now.isoformat()}
        missed = update(node).where(node.c.id == lease.id).values(failure=failure, misses=node.c.misses + 1)
        await session.execute(missed)
        return Retry(code)


def _clock_ahead(observation: Observation, seconds: float) -> float:
    """How far the node's clock is ahead of the database's: by how much its time lies outside of when it was asked."""
    since = (observation.node_time - observation.observed_at).total_seconds()
    return since if since < 0 else max(0.0, since - seconds)


async def make_due(session: Session, node_id: str) -> None:
    """Let the node be looked at as soon as possible; NotFound if there is none, or none that has joined.

    Waits for operators who ask for a look at a node.
    """
    enrolled = select(node.c.id).where(and_(node.c.id == node_id, node.c.host_public_key.is_not(None)))
    if (await session.execute(enrolled)).first() is None:
        raise NotFound("enrolled node", node_id)
    await leases.make_due(session, NODE, node_id, place=node_id)
