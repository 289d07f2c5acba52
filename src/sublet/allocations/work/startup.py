"""The work on startup scripts: have one begun once its allocation is active, and ask how it fares until it has ended.

Nothing waits for a script: the node runs it, and between two looks nobody holds a slot.
"""

from dataclasses import dataclass
from datetime import datetime

from sublet.allocations import rows, startup
from sublet.allocations.rows import Allocation
from sublet.allocations.startup import Startup
from sublet.allocations.states import AllocationState
from sublet.allocations.work.failures import report
from sublet.allocations.work.pace import AllocationPace, pause_of
from sublet.allocations.work.setup import worker
from sublet.core import telemetry
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.errors import SubletError
from sublet.core.keyring import Keyring
from sublet.core.work.declaration import MOST_CRASHES, End, Step, Work
from sublet.core.work.leases import Lease
from sublet.core.work.outcomes import Again, Done, Outcome, Retry
from sublet.core.work.pace import spread
from sublet.fleet import codes
from sublet.fleet.backend import FleetBackend, Script, StartupRun
from sublet.fleet.errors import NodeFailure, StaleGeneration

log = telemetry.get_logger(__name__)

SLOTS = 64
SHORTEST_LOOK_SECONDS = 1.0
LONGEST_LOOK_SECONDS = 120.0
"""What has run for long is looked at less often: it takes a fifth longer at most until its end is known."""

STEPS = (
    Step(
        "begin",
        "has the node run the script, once, as the customer",
        "a note on the node that it was begun; from then on the node never begins it again",
        "release removes it; what the script runs ends with suspension and release, like anything else",
    ),
    Step(
        "look",
        "asks how the script fares, at growing intervals, and keeps the end of its output",
        "output, and how it ended; its history and an event say so",
        "none needed: it is asked again",
    ),
)

END = End(
    MOST_CRASHES,
    "never ends while the allocation is active; what the node cannot run is said to have failed",
    "set aside: the script may run on the node, and how it ended is not known",
)


@dataclass(frozen=True, slots=True)
class Looking:
    """An allocation, and its script that has not ended."""

    allocation: Allocation
    script: Startup


@dataclass(frozen=True, slots=True)
class Look:
    """How the script fares by its node, or why nobody knows."""

    run: StartupRun | None = None
    error: SubletError | None = None


def work(backend: FleetBackend, keyring: Keyring, *, pace: AllocationPace) -> Work[Looking, Look]:
    """The kind of work `startup`; a row is an allocation, its place the allocation's node."""

    async def take(session: Session, lease: Lease) -> Looking | Outcome:
        allocation = await rows.lock_if_any(session, lease.id)
        script = await startup.unfinished(session, lease.id)
        if allocation is None or script is None:
            return Done()
        begun = script.began_at is not None
        if allocation.state is AllocationState.ACTIVE or (begun and allocation.state is AllocationState.SUSPENDED):
            return Looking(allocation, script)
        return Done()  # it is due again when the allocation is active

    async def act(_lease: Lease, looking: Looking) -> Look:
        allocation, script = looking.allocation, looking.script
        about = Script(allocation.id, allocation.login, allocation.uid)
        try:
            if script.began_at is None:
                assert script.encrypted is not None  # it is kept until it has ended
                text = await startup.open_for_node(keyring, allocation.id, script.encrypted)
                return Look(await backend.start(allocation.node_id, about, text, generation=allocation.generation))
            return Look(await backend.started(allocation.node_id, about))
        except SubletError as error:
            return Look(error=error)

    async def conclude(session: Session, lease: Lease, looking: Looking, look: Look) -> Outcome:
        allocation = await rows.lock(session, looking.allocation.id)
        if look.error is not None:
            return await _failed(session, lease, allocation, look.error)
        assert look.run is not None
        if await startup.note(session, worker(), allocation, look.run):
            log.info("startup.ended", allocation=allocation.id, node=allocation.node_id, ended_by=look.run.ended_by)
            return Done()
        if allocation.state not in (AllocationState.ACTIVE, AllocationState.SUSPENDED):
            return Done()
        began = looking.script.began_at
        return Again(_pause(began, await database_now(session)))

    return Work(
        kind=startup.WORK,
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


def _pause(began_at: datetime | None, now: datetime) -> float:
    lasted = 0.0 if began_at is None else (now - began_at).total_seconds()
    return spread(min(LONGEST_LOOK_SECONDS, max(SHORTEST_LOOK_SECONDS, lasted / 5)))


async def _failed(session: Session, lease: Lease, allocation: Allocation, error: SubletError) -> Outcome:
    said = report(error, allocation.node_id)
    log.warning(
        "startup.not_known",
        allocation=allocation.id,
        node=allocation.node_id,
        code=said.inside.code,
        attempt=lease.attempt,
        request=said.inside.request_id,
        detail=error.detail,
    )
    known = codes.of(error)
    for_good = isinstance(error, NodeFailure) and not isinstance(error, StaleGeneration)
    if for_good and not known.retryable and not known.capacity:
        await startup.refuse(session, worker(), allocation, f"{said.told} The allocation goes on without it.")
        return Done()
    return Retry(said.inside.code, after_seconds=pause_of(error))
