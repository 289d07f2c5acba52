"""What a launch may have left on a node when it went to another: cleaned, and proven, before its capacity is free."""

from dataclasses import dataclass

from sqlalchemy import Row, func, select, update

from sublet.allocations import rows, suspended_claim
from sublet.allocations.models import remnant
from sublet.allocations.remnants import WORK
from sublet.allocations.work.pace import AllocationPace, pause_of
from sublet.allocations.work.removal import what_is_left
from sublet.allocations.work.setup import newest_generation
from sublet.core import telemetry
from sublet.core.db import Session
from sublet.core.errors import SubletError
from sublet.core.work.declaration import MOST_CRASHES, End, Step, Work
from sublet.core.work.leases import Lease
from sublet.core.work.outcomes import Done, Outcome, Retry
from sublet.fleet.backend import FleetBackend, ReleaseEvidence
from sublet.fleet.errors import StaleGeneration
from sublet.scheduling import claims

log = telemetry.get_logger(__name__)

SLOTS = 64
"""As many as for allocations would be: waiting for a node costs next to nothing."""

STEPS = (
    Step(
        "clean",
        "asks the node to end and wipe what may be there of a launch that went on elsewhere",
        "evidence",
        "without proof: capacity blocked, tried again for ever",
    ),
    Step("free", "frees the capacity", "an ended claim", "none needed: one transaction"),
)

END = End(
    MOST_CRASHES,
    "never ends: its capacity stays claimed until its node is proven clean",
    "set aside: its capacity stays claimed",
)


@dataclass(frozen=True, slots=True)
class Cleaning:
    """The node's evidence, or why there is none."""

    evidence: ReleaseEvidence | None = None
    error: SubletError | None = None
    newest_generation: int | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """What is to be cleaned, and the logins that its organization has beside it."""

    row: Row[tuple[object, ...]]
    same_organization: tuple[str, ...]


def work(backend: FleetBackend, *, pace: AllocationPace) -> Work[Left, Cleaning]:
    """The kind of work `remnant`; a row's place is its node, its tenant the organization that launched it."""

    async def take(session: Session, lease: Lease) -> Left | Outcome:
        row = (await session.execute(select(remnant).where(remnant.c.id == lease.id))).one_or_none()
        if row is None or row.cleaned_at is not None:
            return Done()
        return Left(row, await rows.other_logins(session, row.allocation_id, row.node_id))

    async def act(_lease: Lease, left: Left) -> Cleaning:
        row = left.row
        try:
            evidence = await backend.release(
                row.node_id,
                allocation_id=row.allocation_id,
                login=row.login,
                uid=row.uid,
                generation=row.generation,
                same_organization=left.same_organization,
            )
        except StaleGeneration as error:
            newest = await newest_generation(backend, row.node_id, row.allocation_id, known=row.generation)
            return Cleaning(error=error, newest_generation=newest)
        except SubletError as error:
            return Cleaning(error=error)
        return Cleaning(evidence=evidence)

    async def conclude(session: Session, lease: Lease, left: Left, result: Cleaning) -> Outcome:
        row = left.row
        if result.newest_generation is not None:
            newer = update(remnant).where(remnant.c.id == row.id).values(generation=result.newest_generation + 1)
            await session.execute(newer)
        if result.evidence is not None and result.evidence.clean:
            proven = {"evidence": result.evidence.stored(), "cleaned_at": func.clock_timestamp()}
            await session.execute(update(remnant).where(remnant.c.id == row.id).values(proven))
            await claims.free(session, str(row.id))
            await suspended_claim.wake_waiting(session, row.node_id)
            return Done()
        found = what_is_left(result.evidence, result.error, row.node_id)
        inside = found.inside.text
        log.error("allocation.remnant_not_clean", allocation=row.allocation_id, node=row.node_id, detail=inside)
        if result.evidence is not None or lease.attempt >= pace.release_attempts:
            await claims.block(session, str(row.id), f"Left by a launch that went to another node. {inside}")
        return Retry(found.inside.code, after_seconds=0.0 if result.error is None else pause_of(result.error))

    return Work(
        kind=WORK,
        take=take,
        act=act,
        conclude=conclude,
        pace=pace.of_work,
        end=END,
        slots=SLOTS,
        slots_each=2,
        slots_tenant=1,
        steps=STEPS,
    )
