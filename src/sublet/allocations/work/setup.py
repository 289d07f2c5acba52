"""Bringing an allocation to what is wanted on its node: set up, suspended, resumed, repaired."""

import contextlib
from dataclasses import dataclass, field, replace
from datetime import datetime

from sublet.allocations import (
    endings,
    environment,
    incidents,
    operations,
    ports,
    rows,
    startup,
    suspended_claim,
    suspension,
)
from sublet.allocations.rows import Allocation
from sublet.allocations.states import AllocationState, OperationState, move
from sublet.allocations.work import given_back, promises, relocation
from sublet.allocations.work.evidence import UNPROVEN, as_applied, still_there
from sublet.allocations.work.failures import Report, report, step_of
from sublet.allocations.work.pace import AllocationPace, Failure, classify, pause_of
from sublet.allocations.work.whole_state import desired_account
from sublet.billing import meters
from sublet.billing.policy import Policy
from sublet.catalog.meter_kinds import MeterKind
from sublet.core import telemetry
from sublet.core.actors import Actor, system_actor
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.errors import SubletError
from sublet.core.keyring import Keyring
from sublet.core.work.leases import Lease
from sublet.core.work.outcomes import Again, Done, Outcome, Retry
from sublet.fleet import nodes, trial
from sublet.fleet.backend import AppliedState, DesiredAccount, Entry, FleetBackend, Observation
from sublet.fleet.entry import not_its_own
from sublet.fleet.errors import EntryRefused, LimitsNotEnforced, NodeError, StaleGeneration
from sublet.identity import ssh_keys
from sublet.ledger import holds

log = telemetry.get_logger(__name__)

_BY_WANTED = {"active": AllocationState.ACTIVE, "suspended": AllocationState.SUSPENDED}


def worker() -> Actor:
    """Who does what a reconciler does."""
    return system_actor("worker")


@dataclass(frozen=True, slots=True)
class Setup:
    """An allocation to be brought to what is wanted."""

    allocation: Allocation
    account: DesiredAccount
    encrypted_environment: bytes | None


@dataclass(slots=True)
class SetupResult:
    """What came of it: what the node applied, what its customer sees, or why not, and what was seen there before."""

    applied: AppliedState | None = None
    entry: Entry | None = None
    error: SubletError | None = None
    before: Observation | None = None
    newest_generation: int | None = field(default=None)


async def begin(session: Session, allocation: Allocation) -> Setup:
    """Say that it begins, and note that from now on something may exist on the node."""
    if allocation.state is AllocationState.QUEUED:
        await move(session, worker(), allocation.id, AllocationState.PROVISIONING, reason="a worker has begun")
    if not allocation.on_node:
        allocation = await rows.note(session, allocation.id, on_node=True)
    operation = await operations.running(session, allocation.id, allocation.organization_id)
    if operation is not None:
        await operations.attempt(session, operation, operation.first_remote_step)
    if allocation.wanted == "suspended":
        allocation = await suspended_claim.look(session, worker(), allocation)
    gives_back = suspended_claim.is_over(allocation, await database_now(session))
    keys = await ssh_keys.public_keys_of(session, allocation.organization_id)
    encrypted = await environment.encrypted_of(session, allocation.id)
    published = await ports.wanted(session, allocation.id)
    suspends = allocation.wanted == "suspended"
    mates = await rows.other_logins(session, allocation.id, allocation.node_id) if suspends else ()
    account = desired_account(allocation, keys, published, gives_back=gives_back, same_organization=mates)
    return Setup(allocation, account, encrypted)


async def act(backend: FleetBackend, keyring: Keyring, setup: Setup) -> SetupResult:
    """Speak to the node; no session is open. What ran before is looked at first: that look is its last evidence."""
    result = SetupResult()
    node_id, allocation = setup.allocation.node_id, setup.allocation
    if allocation.started_at is not None:
        with contextlib.suppress(NodeError):
            result.before = await look_at(backend, node_id, allocation.id)
    try:
        variables = await environment.open_for_node(keyring, allocation.id, setup.encrypted_environment)
        account = replace(setup.account, environment=variables)
        result.applied = await backend.apply(node_id, account)
        if allocation.started_at is None:
            result.entry = await backend.enter(node_id, account)
    except SubletError as error:
        result.error = error
        if isinstance(error, StaleGeneration):
            result.newest_generation = await newest_generation(
                backend, node_id, allocation.id, known=allocation.generation
            )
    return result


async def look_at(backend: FleetBackend, node_id: str, allocation_id: str) -> Observation | None:
    """What the node has now; None where it cannot read what it knows of the allocation."""
    seen = await backend.observe(node_id)
    return seen if seen.tells_of(allocation_id) else None


async def newest_generation(backend: FleetBackend, node_id: str, allocation_id: str, *, known: int) -> int:
    """The generation that the node goes by, when it has seen a newer one than the books know (after a restore)."""
    with contextlib.suppress(NodeError):
        seen = (await backend.observe(node_id)).allocation(allocation_id)
        if seen is not None:
            return max(seen.generation, known)
    return known


async def catch_up(session: Session, allocation: Allocation, newest_generation: int) -> Allocation:
    """Go by a newer generation than the node does; returns the allocation as it is then."""
    newer = max(newest_generation, allocation.generation) + 1
    return await rows.note(session, allocation.id, generation=newer)


async def conclude(session: Session, lease: Lease, setup: Setup, result: SetupResult, pace: AllocationPace) -> Outcome:
    """Store what came of it."""
    allocation = await rows.lock(session, setup.allocation.id)
    if allocation.wanted != setup.allocation.wanted:
        return Again()
    if result.error is not None:
        await _take_in(session, allocation, result.before, pace=pace)
    if result.newest_generation is not None:
        allocation = await catch_up(session, allocation, result.newest_generation)
    if result.error is not None:
        return await _failed(session, lease, allocation, result.error, pace, applied=result.applied is not None)
    assert result.applied is not None
    if allocation.state is AllocationState.PROVISIONING:
        unkept = await _unkept_promise(session, allocation, result.applied, result.entry)
        if unkept is not None:
            return await _failed(session, lease, allocation, unkept, pace)
    await _succeeded(session, setup, allocation, result.applied, result.before, pace=pace)
    if allocation.generation != setup.allocation.generation:
        # Newer facts are to be applied. What was applied counts all the same: it is the proof of what was delivered.
        return Again()
    return await given_back.follow(session, allocation.id, setup.account, result.applied, pace=pace)


async def _take_in(
    session: Session, allocation: Allocation, before: Observation | None, *, pace: AllocationPace
) -> None:
    """Let what was seen before an attempt that failed count like any other look: nobody runs unbilled because
    something newer cannot be applied, and nobody is billed for what was found amiss."""
    if before is None or allocation.unproven:
        return
    if as_applied(allocation, before):
        await meters.observe(session, [allocation.id], before.observed_at, boot_id=before.boot_id, policy=pace.policy)
    elif not still_there(allocation, before):
        log.warning("allocation.drifted", allocation=allocation.id, node=allocation.node_id)
        await rows.note(session, allocation.id, unproven=True)


async def _unkept_promise(
    session: Session, allocation: Allocation, applied: AppliedState, entry: Entry | None
) -> LimitsNotEnforced | EntryRefused | None:
    """What is wrong when this allocation lacks a limit that its node enforces otherwise, or when its customer does not
    find what is sold: nobody may start like that.

    A node that enforces no limits says so, and its allocations are sold as such.
    """
    capabilities = (await nodes.get(session, allocation.node_id)).capabilities
    unkept = sorted(promises.limits(allocation, capabilities) - {one.limit for one in applied.enforced if one.enforced})
    if unkept:
        details = "; ".join(f"{one.limit}: {one.detail}" for one in applied.enforced if one.limit in unkept)
        return LimitsNotEnforced(
            f"The node enforces {', '.join(unkept)}, but not for {allocation.id} ({details}). It was not started; it "
            "is tried again, and given up if that goes on."
        )
    found = None if entry is None else not_its_own(allocation.login, allocation.uid, entry, capabilities)
    if found is None:
        return None
    return EntryRefused(
        f"Whoever comes in as {allocation.login} {found}. It was not started; it is tried again, and given up if that "
        "goes on. Enrol the node again.",
        cause="not_its_own",
    )


async def _succeeded(
    session: Session,
    setup: Setup,
    allocation: Allocation,
    applied: AppliedState,
    before: Observation | None,
    *,
    pace: AllocationPace,
) -> None:
    now = await database_now(session)
    unproven = allocation.unproven
    if allocation.boot_id not in {None, applied.boot_id}:
        await incidents.note_restart(session, allocation.id, applied.boot_id)
    if before is not None and not unproven:
        if still_there(setup.allocation, before):
            await meters.observe(
                session, [allocation.id], before.observed_at, boot_id=before.boot_id, policy=pace.policy
            )
        else:
            unproven = True
            log.warning("allocation.drifted", allocation=allocation.id, node=allocation.node_id)
    await rows.note(
        session,
        allocation.id,
        applied_generation=setup.allocation.generation,
        applied_at=now,
        seen_at=applied.applied_at,
        boot_id=applied.boot_id,
        unproven=False,
        enforced=[
            {"limit": one.limit, "requested": one.requested, "enforced": one.enforced, "detail": one.detail}
            for one in applied.enforced
        ],
    )
    await ports.take_in(session, allocation, setup.account.ports, applied.ports)
    if allocation.started_at is None:
        await _start_billing(session, allocation, now, applied.boot_id, policy=pace.policy)
    elif unproven:
        await meters.observe(session, [allocation.id], now, boot_id=applied.boot_id, policy=UNPROVEN)
    target = _BY_WANTED[allocation.wanted]
    if target is AllocationState.ACTIVE:
        await meters.switch(session, allocation.id, "running", now)
    if allocation.state is not target:
        await move(session, worker(), allocation.id, target, reason=_reason(allocation, target, before))
        if target is AllocationState.ACTIVE:
            await startup.make_due(session, allocation)
    await _finish_operation(session, allocation, applied, now)


async def _start_billing(
    session: Session, allocation: Allocation, now: datetime, boot_id: str, *, policy: Policy
) -> None:
    """Delivery begins when the node has answered, not when it was asked."""
    await rows.note(session, allocation.id, started_at=now)
    await meters.start(
        session,
        allocation.id,
        allocation.organization_id,
        allocation.hold_id,
        meter_kind=MeterKind.COMPUTE,
        sku_id=allocation.sku_id,
        node_id=allocation.node_id,
        price_id=allocation.price_id,
        nano_per_hour=allocation.nano_per_hour,
        suspended_nano_per_hour=allocation.suspended_nano_per_hour,
        disk_nano_per_hour=allocation.disk_nano_per_hour,
        currency=allocation.currency,
        at=now,
        name=allocation.name,
        boot_id=boot_id,
        policy=policy,
    )
    telemetry.provision_seconds.observe((now - allocation.created_at).total_seconds())


def _back(allocation: Allocation, target: AllocationState, before: Observation | None) -> str:
    """What had become of it on a node that is back, as it was found before anything was done about it."""
    if before is not None and before.allocation(allocation.id) is None:
        return "Its node answers again without it: it was set up anew, and what it had stored there is gone."
    if target is AllocationState.SUSPENDED:
        return "Its node answers again: it is suspended, with its data kept."
    return "Its node answers again, and it can be used as before."


def _reason(allocation: Allocation, target: AllocationState, before: Observation | None) -> str:
    if allocation.state is AllocationState.LOST:
        return _back(allocation, target, before)
    if target is AllocationState.SUSPENDED:
        return suspension.SENTENCES.get(allocation.suspended_for or "", "asked for")
    return "set up and verified" if allocation.state is AllocationState.PROVISIONING else "resumed"


async def _finish_operation(session: Session, allocation: Allocation, applied: AppliedState, now: datetime) -> None:
    operation = await operations.running(session, allocation.id, allocation.organization_id)
    if operation is None:
        return
    at = now.isoformat()
    held = [one.limit for one in applied.enforced if one.enforced]
    unheld = [one.limit for one in applied.enforced if not one.enforced]
    for step in operation.unfinished_steps:
        detail = None
        if step == "create_account":
            detail = applied.login
        elif step == "apply_limits":
            detail = f"enforced: {', '.join(held) or 'none'}" + (
                f"; not enforced: {', '.join(unheld)}" if unheld else ""
            )
        operation.mark(at, "done", step, detail=detail)
    await operations.end(session, operation, OperationState.SUCCEEDED)


async def _failed(
    session: Session,
    lease: Lease,
    allocation: Allocation,
    error: SubletError,
    pace: AllocationPace,
    *,
    applied: bool = False,
) -> Outcome:
    failure, said = classify(error), report(error, allocation.node_id)
    log.warning(
        "allocation.apply_failed",
        allocation=allocation.id,
        node=allocation.node_id,
        code=said.inside.code,
        failure=failure.value,
        attempt=lease.attempt,
        request=said.inside.request_id,
        detail=error.detail,
    )
    if isinstance(error, EntryRefused):
        await trial.ask(session, allocation.node_id)
    setting_up = allocation.state is AllocationState.PROVISIONING
    last = failure is not Failure.RETRYABLE or lease.attempt >= pace.provision_attempts
    goes_elsewhere = setting_up and await relocation.is_due(session, allocation, error, lease.attempt, pace)
    step = step_of("provision", error, applied=applied)
    if goes_elsewhere and await relocation.relocate(session, worker(), allocation, said, step=step):
        return Again()
    if setting_up and last:
        return await give_up(session, allocation, said.code, said.given_up, step=step, said=said)
    operation = await operations.running(session, allocation.id, allocation.organization_id)
    if operation is not None:
        step = step_of(operation.kind, error, applied=applied)
        await operations.stumble(session, operation, said.code, said.again, step=step, inside=said.inside)
    longest = pace.longest_wait_seconds if setting_up else None
    return Retry(said.inside.code, longest_seconds=longest, after_seconds=pause_of(error))


async def interrupted(session: Session, allocation: Allocation) -> Outcome:
    """Let a launch that workers died of be tried on another node, or end it: neither says anything of its node."""
    if await relocation.relocate(session, worker(), allocation):
        return Again()
    return await give_up(
        session,
        allocation,
        "provisioning_interrupted",
        "Each worker that set the allocation up ended before it had finished, and no other node was free to try. "
        "Nothing was charged and the funds are available again. Launch again; if it fails again, give the operator "
        "this code: provisioning_interrupted.",
    )


async def give_up(
    session: Session,
    allocation: Allocation,
    code: str,
    message: str,
    *,
    step: str | None = None,
    said: Report | None = None,
) -> Outcome:
    """End an allocation that could not be set up: funds are free at once, capacity when the node is restored."""
    await rows.note(session, allocation.id, failure={"code": code, "message": message})
    await holds.release(session, allocation.hold_id, idempotency_key=f"release:{allocation.id}")
    await move(session, worker(), allocation.id, AllocationState.FAILED, reason=message, code=code)
    operation = await operations.running(session, allocation.id, allocation.organization_id)
    if operation is not None:
        inside = None if said is None else said.inside
        await operations.end(
            session, operation, OperationState.FAILED, code=code, message=message, step=step, inside=inside
        )
    if allocation.on_node:
        # From here on the node is restored: with a newer generation, so that a late apply is refused.
        await rows.note(session, allocation.id, wanted="gone", generation=allocation.generation + 1)
        return Again()
    await endings.forget(session, allocation)
    return Done()
