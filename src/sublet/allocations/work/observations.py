"""What an observation of a node means for the allocations on it: evidence, drift, or strangers."""

from collections.abc import Collection

from sqlalchemy import bindparam, func, select, text, update

from sublet.allocations import incidents, release, remnants, rows, traffic
from sublet.allocations.models import allocation as allocation_table
from sublet.allocations.rows import Allocation
from sublet.allocations.states import STEADY, AllocationState
from sublet.allocations.work.evidence import as_applied, still_there
from sublet.allocations.work.setup import worker
from sublet.billing import meters
from sublet.billing.policy import Policy
from sublet.core import telemetry
from sublet.core.db import Database, Session
from sublet.fleet import nodes
from sublet.fleet.backend import Observation
from sublet.fleet.observation import OnObserved

log = telemetry.get_logger(__name__)

_EXPECTED = text(
    """
    SELECT count(*) FROM allocation
     WHERE node_id = :node_id AND on_node AND state IN :steady AND applied_at IS NOT NULL
    """
).bindparams(bindparam("steady", sorted(STEADY), expanding=True))

_LOST_FOR = text(
    "SELECT state_since <= clock_timestamp() - make_interval(secs => :seconds) FROM allocation WHERE id = :id"
)


async def expected_on(session: Session, node_id: str) -> int:
    """How many allocations surely exist on the node; a listing without any of them is then not believed."""
    count: int = (await session.execute(_EXPECTED, {"node_id": node_id})).scalar_one()
    return count


def handler(database: Database, *, policy: Policy, release_lost_seconds: int | None) -> OnObserved:
    """`on_observed` as the fleet's observer calls it."""

    async def handle(node_id: str, observation: Observation) -> None:
        await on_observed(database, node_id, observation, policy=policy, release_lost_seconds=release_lost_seconds)

    return handle


async def on_observed(
    database: Database, node_id: str, observation: Observation, *, policy: Policy, release_lost_seconds: int | None
) -> None:
    """Take in a complete listing of a node; harmless when repeated, and when it comes late.

    What was seen as applied is proven up to the observation. What is missing, restarted or changed is applied again,
    and the time since it was last seen is not billed. Accounts that nobody knows are reported. Of what the node cannot
    read nothing is concluded. What befell the work in one is told to its owner. What was lost goes on, unless it was
    lost for `release_lost_seconds` (None: however long): then it is released.
    """
    async with database.transaction() as session:
        known = [
            one
            for one in await rows.lock_kept_on(session, node_id, observation.observed_at)
            if observation.tells_of(one.id)
        ]
        proven = [one.id for one in known if one.state in STEADY and not one.unproven and as_applied(one, observation)]
        if proven:
            await session.execute(
                update(allocation_table)
                .where(allocation_table.c.id.in_(proven))
                .values(seen_at=func.greatest(allocation_table.c.seen_at, observation.observed_at))
            )
        await incidents.note_oom_kills(session, [one.id for one in known], observation)
        await traffic.note(session, [one.id for one in known], observation)
        for one in known:
            if one.boot_id not in {None, observation.boot_id}:
                await incidents.note_restart(session, one.id, observation.boot_id)
            if one.state in STEADY and one.id not in proven and (one.is_as_wanted or not still_there(one, observation)):
                await _repair(session, one, observation)
            elif one.state is AllocationState.LOST and await _stays_lost(session, one.id, release_lost_seconds):
                await release.release_lost(session, worker(), one)
            elif one.state is AllocationState.LOST:
                await rows.look_again(session, one.id)
        boot_id = observation.boot_id
        await meters.observe(session, proven, observation.observed_at, boot_id=boot_id, policy=policy, waiting=False)
        await _report_strangers(session, node_id, observation)


async def _stays_lost(session: Session, allocation_id: str, seconds: int | None) -> bool:
    """Whether it has been lost for so long."""
    if seconds is None:
        return False
    found = await session.execute(_LOST_FOR, {"id": allocation_id, "seconds": seconds})
    return bool(found.scalar_one())


async def _repair(session: Session, allocation: Allocation, observation: Observation) -> None:
    seen = observation.allocation(allocation.id)
    log.warning(
        "allocation.drifted",
        allocation=allocation.id,
        node=allocation.node_id,
        expected=allocation.wanted,
        found=None if seen is None else seen.state,
        restarted=observation.boot_id != allocation.boot_id,
        login_open=None if seen is None else seen.login_open,
    )
    newer = {} if seen is None or seen.generation <= allocation.generation else {"generation": seen.generation + 1}
    await rows.look_again(session, allocation.id, unproven=True, **newer)


async def _report_strangers(session: Session, node_id: str, observation: Observation) -> None:
    """Report and keep accounts that should not be: unknown to the node, or known to it and not to the books.

    One whose release was stored after it was seen is none, nor is what a launch left that went to another node.
    """
    listed = {seen.allocation_id: seen for seen in observation.allocations}
    expected = await _expected_of(session, node_id, listed, observation) if listed else set()
    unbooked = [listed[stranger] for stranger in sorted(set(listed) - expected)]
    for account in observation.unknown:
        log.error("node.unknown_account", node=node_id, login=account.login, uid=account.uid)
    for seen in unbooked:
        log.error("node.unknown_allocation", node=node_id, allocation=seen.allocation_id)
    found = {(one.login, one.uid) for one in observation.unknown} | {(one.login, one.uid) for one in unbooked}
    await nodes.note_strangers(session, node_id, found, observation.observed_at)


async def _expected_of(session: Session, node_id: str, listed: Collection[str], observation: Observation) -> set[str]:
    booked = await session.execute(
        select(allocation_table.c.id).where(
            allocation_table.c.id.in_(listed),
            allocation_table.c.node_id == node_id,
            allocation_table.c.on_node | (allocation_table.c.state_since > observation.observed_at),
        )
    )
    return {*booked.scalars(), *await remnants.seen_on(session, node_id, observation.observed_at)}
