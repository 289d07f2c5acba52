"""Taking an allocation off its node: capacity is free, and money settled, only on proof that nothing is left."""

import contextlib
from dataclasses import dataclass

from sublet.allocations import endings, operations, rows, startup
from sublet.allocations.operations import OperatorError
from sublet.allocations.rows import Allocation
from sublet.allocations.states import AllocationState, OperationState, move
from sublet.allocations.work.evidence import still_there
from sublet.allocations.work.failures import report, step_of
from sublet.allocations.work.pace import AllocationPace, pause_of
from sublet.allocations.work.setup import catch_up, newest_generation, worker
from sublet.billing import meters, settlement
from sublet.billing.policy import Policy
from sublet.core import telemetry
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.errors import SubletError
from sublet.core.work.leases import Lease
from sublet.core.work.outcomes import Done, Outcome, Retry
from sublet.fleet.backend import FleetBackend, Observation, ReleaseEvidence, Script, StartupRun
from sublet.fleet.errors import NodeError, StaleGeneration
from sublet.ledger import holds
from sublet.scheduling import claims

log = telemetry.get_logger(__name__)

CHECKS_OF_STEP = {
    "close_access": frozenset({"access", "keys"}),
    "end_processes": frozenset({"processes", "sessions", "slice", "gpu", "held", "memory", "network"}),
    "wipe": frozenset({"account", "home", "files", "cron", "ipc", "startup"}),
}
"""Which checks of the evidence show that a step is done; `verify` needs them all."""

HOLDERS_NAMED = 5


@dataclass(frozen=True, slots=True)
class Removal:
    """An allocation to be taken off its node."""

    allocation: Allocation
    settled: bool
    same_organization: tuple[str, ...]
    script_began: bool

    @property
    def is_restoration(self) -> bool:
        """Whether this cleans up after a failed set-up, whose money went back already."""
        return self.allocation.state is AllocationState.FAILED


@dataclass(slots=True)
class RemovalResult:
    """What came of it: the node's evidence, or why there is none, and what was seen just before."""

    evidence: ReleaseEvidence | None = None
    error: SubletError | None = None
    before: Observation | None = None
    newest_generation: int | None = None
    script: StartupRun | None = None
    """How its startup script fared, where that was not known."""


async def begin(session: Session, allocation: Allocation) -> Removal:
    """Say that it begins."""
    operation = await operations.running(session, allocation.id, allocation.organization_id)
    if operation is not None:
        await operations.attempt(session, operation, operation.first_remote_step)
    script = await startup.unfinished(session, allocation.id)
    return Removal(
        allocation,
        script_began=script is not None and script.began_at is not None,
        settled=allocation.state is AllocationState.RELEASE_FAILED,
        same_organization=await rows.other_logins(session, allocation.id, allocation.node_id),
    )


async def act(backend: FleetBackend, removal: Removal) -> RemovalResult:
    """Speak to the node; no session is open. What ran is looked at once more, because that proves it until the end."""
    result = RemovalResult()
    allocation = removal.allocation
    if allocation.started_at is not None and not removal.settled:
        with contextlib.suppress(NodeError):
            result.before = await backend.observe(allocation.node_id)
    if removal.script_began:
        with contextlib.suppress(NodeError):
            result.script = await backend.started(
                allocation.node_id, Script(allocation.id, allocation.login, allocation.uid)
            )
    try:
        result.evidence = await backend.release(
            allocation.node_id,
            allocation_id=allocation.id,
            login=allocation.login,
            uid=allocation.uid,
            generation=allocation.generation,
            same_organization=removal.same_organization,
        )
    except SubletError as error:
        result.error = error
        if isinstance(error, StaleGeneration):
            result.newest_generation = await newest_generation(
                backend, allocation.node_id, allocation.id, known=allocation.generation
            )
    return result


async def conclude(
    session: Session, lease: Lease, removal: Removal, result: RemovalResult, pace: AllocationPace
) -> Outcome:
    """Store what came of it."""
    allocation = await rows.lock(session, removal.allocation.id)
    if result.newest_generation is not None:
        allocation = await catch_up(session, allocation, result.newest_generation)
    if result.script is not None:
        await startup.note(session, worker(), allocation, result.script)
    before = result.before
    if before is not None and not allocation.unproven and still_there(allocation, before):
        await meters.observe(session, [allocation.id], before.observed_at, boot_id=before.boot_id, policy=pace.policy)
    if result.evidence is not None:
        allocation = await rows.note(session, allocation.id, evidence=result.evidence.stored())
    if result.evidence is None or not result.evidence.clean:
        return await _not_proven(session, lease, allocation, result, pace)
    if removal.is_restoration:
        await endings.forget(session, allocation)
    else:
        await _proven(session, allocation, result.evidence, policy=pace.policy)
    return Done()


async def _proven(session: Session, allocation: Allocation, evidence: ReleaseEvidence, *, policy: Policy) -> None:
    charged = await settle(session, allocation, policy=policy)
    await endings.forget(session, allocation)
    await move(session, worker(), allocation.id, AllocationState.RELEASED, reason="nothing of it is left on the node")
    operation = await operations.running(session, allocation.id, allocation.organization_id)
    if operation is not None:
        at = (await database_now(session)).isoformat()
        _mark(operation, at, evidence)
        operation.mark(at, "done", "settle", detail=charged)
        await operations.end(session, operation, OperationState.SUCCEEDED)


async def end_untouched(session: Session, allocation: Allocation, *, policy: Policy) -> Done:
    """End what was to be released before anything of it was begun on its node: a launch that had just gone there."""
    charged = await settle(session, allocation, policy=policy)
    await endings.forget(session, allocation)
    await move(session, worker(), allocation.id, AllocationState.RELEASED, reason="nothing of it was begun on the node")
    operation = await operations.running(session, allocation.id, allocation.organization_id)
    if operation is not None:
        at = (await database_now(session)).isoformat()
        operation.mark(at, "done", *operation.unfinished_steps, detail="nothing was begun")
        operation.mark(at, "done", "settle", detail=charged)
        await operations.end(session, operation, OperationState.SUCCEEDED)
    return Done()


async def give_back(session: Session, allocation: Allocation) -> None:
    """Let the whole hold of an allocation that never started be available again; repeating it is harmless."""
    await holds.release(session, allocation.hold_id, idempotency_key=f"release:{allocation.id}")


async def settle(session: Session, allocation: Allocation, *, policy: Policy) -> str:
    """Charge what is proven, give the rest of the hold back; any number of calls do it once. Says what was charged."""
    if allocation.started_at is None:
        await give_back(session, allocation)
        return "nothing was delivered, nothing was charged"
    settled = await settlement.settle(session, allocation.id, final=True, policy=policy)
    return f"{settled.amount} charged last, the rest of the hold is available again"


async def _not_proven(
    session: Session, lease: Lease, allocation: Allocation, result: RemovalResult, pace: AllocationPace
) -> Outcome:
    """Keep the capacity and go on trying. The customer's money does not wait for that: it is settled now."""
    left = what_is_left(result.evidence, result.error, allocation.node_id)
    log.error(
        "allocation.not_proven_clean",
        allocation=allocation.id,
        node=allocation.node_id,
        code=left.inside.code,
        attempt=lease.attempt,
        request=left.inside.request_id,
        detail=left.inside.text,
    )
    operation = await operations.running(session, allocation.id, allocation.organization_id)
    if operation is not None:
        step = None if result.error is None else step_of(operation.kind, result.error)
        if result.evidence is not None:
            _mark(operation, (await database_now(session)).isoformat(), result.evidence)
        await operations.stumble(session, operation, left.code, left.message, step=step, inside=left.inside)
    # A node that cannot be asked may answer soon; evidence that something is left is a fact at once.
    sure = result.evidence is not None or lease.attempt >= pace.release_attempts
    if sure and allocation.state is AllocationState.RELEASING:
        await settle(session, allocation, policy=pace.policy)
        await move(
            session, worker(), allocation.id, AllocationState.RELEASE_FAILED, reason=left.message, code=left.code
        )
    if sure:
        await claims.block(session, allocation.id, left.inside.text)
    return Retry(left.inside.code, after_seconds=0.0 if result.error is None else pause_of(result.error))


@dataclass(frozen=True, slots=True)
class NotProven:
    """Why a release is not proven: what its owner is told, and what operators are told, who may see the inside."""

    code: str
    message: str
    inside: OperatorError


def what_is_left(evidence: ReleaseEvidence | None, error: SubletError | None, node_id: str) -> NotProven:
    """Why a release is not proven, by the node's evidence or by why there is none."""
    if evidence is None:
        assert error is not None
        said = report(error, node_id)
        return NotProven(said.code, said.again, said.inside)
    left = [check for check in evidence.checks if not check.clean]
    names, details = ", ".join(one.name for one in left), ", ".join(f"{one.name} ({one.detail})" for one in left)
    holders = [str(holder) for one in left for holder in one.holders]
    who = f" Who holds it: {'; '.join(holders[:HOLDERS_NAMED])}." if holders else ""
    text = f"Something is left on the node: {details}.{who}"
    return NotProven("not_clean", f"Something is left on the node: {names}.", OperatorError("not_clean", text, node_id))


def _mark(operation: operations.Operation, at: str, evidence: ReleaseEvidence) -> None:
    unclean = {check.name for check in evidence.checks if not check.clean}
    for step, checks in CHECKS_OF_STEP.items():
        left = sorted(unclean & checks)
        operation.mark(at, "failed" if left else "done", step, detail=f"left: {', '.join(left)}" if left else None)
    detail = f"{len(evidence.checks) - len(unclean)} of {len(evidence.checks)} checks are clean"
    operation.mark(at, "failed" if unclean else "done", "verify", detail=detail)
