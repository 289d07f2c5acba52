"""Trying whether a customer would get in to a node: with a login made for it, which is gone after it, with proof.

Each node has one such login, whose id and uid are drawn once. A trial is apply, enter and release with a generation of
its own, so that whatever a worker that died in the middle has left is taken over and removed by the next one.
"""

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from sublet.core import telemetry
from sublet.core.actors import system_actor
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.errors import SubletError
from sublet.core.ids import new_id
from sublet.core.work import leases
from sublet.core.work.declaration import End, Step, Work
from sublet.core.work.leases import Lease
from sublet.core.work.outcomes import Done, Outcome, Retry
from sublet.core.work.pace import Pace
from sublet.fleet import self_tests
from sublet.fleet.backend import Capability, DesiredAccount, FleetBackend, Limits, Observation
from sublet.fleet.entry import not_its_own
from sublet.fleet.errors import EntryRefused, NodeFailure, NodeUnreachable, StaleGeneration, TrialNotGone
from sublet.fleet.logins import login_of, next_uid
from sublet.fleet.models import node, node_trial
from sublet.fleet.self_tests import Check
from sublet.fleet.states import NodeState, come_back
from sublet.fleet.strain import checks_of
from sublet.fleet.work import TRIAL

STANDING = (node.c.doors, node.c.entered_at, node.c.entered_doors, node.c.no_entry)
"""What of a node's row says whether it is to be tried."""

log = telemetry.get_logger(__name__)

NODES_AT_A_TIME = 20
LIMITS = Limits(cpu_percent=100, memory_mib=128, tasks_max=64, disk_gib=1)
UNKNOWN = "unknown"
"""The cause of a refusal for which a node has no word; it may be one that passes."""

# By the clock, and so above what the node has seen even where the books are those of yesterday.
_BEGIN = text(
    """
    UPDATE node_trial
       SET generation = greatest(generation + 1, extract(epoch FROM clock_timestamp())::bigint)
     WHERE node_id = :node_id
    RETURNING allocation_id, uid, generation
    """
)

STEPS = (
    Step(
        "apply",
        "has the node make the login that is kept for this, as it makes a customer's",
        "account, home, slice on the node",
        "the release that follows; after a crash, that of the next trial",
    ),
    Step(
        "enter",
        "comes in as a customer does, at the customers' address, and compares what is found there",
        "a certificate of one minute",
        "the certificate ends by itself",
    ),
    Step(
        "strain",
        "where a test of the node by itself was asked for: the login takes more CPU and memory than it may, and tries "
        "a connection that is denied",
        "nothing: it ends with its session",
        "the test goes on with the next trial",
    ),
    Step(
        "release",
        "has everything of the login removed and proven to be gone, also where nobody got in",
        "evidence, looked at and not kept",
        "the next trial",
    ),
    Step(
        "note",
        "lets the node take work, or keeps new work from it and says why; stores what a test found",
        "the node's row, the test's row",
        "the next trial: at the pace of failures, and at once when what a login comes through has changed",
    ),
)

END = End(
    None,
    "never ends: nothing new is placed on the node meanwhile",
    "never ends: tried every ten minutes at last; a node that has not been entered takes no work",
)


@dataclass(frozen=True, slots=True)
class Trial:
    """What is to be tried: the login, the doors as they were last seen, and what the node says that it enforces.

    `self_test_id` is the test of itself that was asked for, if one was: then the login also strains the node.
    """

    account: DesiredAccount
    doors: str | None
    capabilities: tuple[Capability, ...]
    self_test_id: str | None = None


@dataclass(frozen=True, slots=True)
class Tried:
    """What kept the login out or is left of it, None if nothing; and what a test of the node by itself found."""

    error: SubletError | None
    checks: tuple[Check, ...] = ()


async def ask(session: Session, node_id: str, *, changed: bool = False) -> None:
    """Have it tried. Where it fails already, that is at the pace of failures, unless something has `changed` since."""
    known = select(node_trial.c.node_id).where(node_trial.c.node_id == node_id)
    if (await session.execute(known)).first() is None:
        drawn = {"node_id": node_id, "allocation_id": new_id("al"), "uid": await next_uid(session), "generation": 0}
        await session.execute(insert(node_trial).values(drawn).on_conflict_do_nothing())
    if changed:
        await leases.make_due(session, TRIAL, node_id, place=node_id)
    else:
        await leases.look_again(session, TRIAL, node_id, place=node_id)


async def ask_if_due(session: Session, node_id: str, row: Row[Any]) -> None:
    """Have it tried where nobody has come in yet, or the last one in vain, or not through the doors as they are now.

    `row` has the node's columns of `STANDING`.
    """
    if row.no_entry is not None:
        await ask(session, node_id, changed=row.doors is not None and row.doors != row.no_entry["doors"])
    elif row.entered_at is None or (row.doors is not None and row.doors != row.entered_doors):
        await ask(session, node_id)


async def begin(session: Session, node_id: str) -> Trial | None:
    """Begin a trial, by which every earlier one is overtaken; None where the node has not answered since it joined."""
    columns = (node.c.verified_at, node.c.doors, node.c.capabilities)
    row = (await session.execute(select(*columns).where(node.c.id == node_id))).one()
    begun = (await session.execute(_BEGIN, {"node_id": node_id})).one_or_none()
    if row.verified_at is None or begun is None:
        return None
    account = DesiredAccount(
        allocation_id=begun.allocation_id,
        login=login_of(begun.allocation_id),
        uid=begun.uid,
        generation=begun.generation,
        state="active",
        limits=LIMITS,
    )
    enforces = tuple(Capability(item["name"], item["enforced"], item["detail"]) for item in row.capabilities)
    return Trial(account, row.doors, enforces)


async def forget(session: Session, node_id: str) -> None:
    """Whoever tries the node tries what it was before it joined anew: what they find is not believed."""
    await leases.rest(session, TRIAL, node_id)


def without(observation: Observation, allocation_id: str | None) -> Observation:
    """What was seen, but for the login with which the node is tried: it is no customer's, and nobody's stranger."""
    others = tuple(one for one in observation.allocations if one.allocation_id != allocation_id)
    return replace(observation, allocations=others)


def work(backend: FleetBackend) -> Work[Trial, Tried]:
    """The kind of work `trial`; a row is a node for which it was asked, and gone when somebody got in."""

    async def take(session: Session, lease: Lease) -> Trial | Outcome:
        begun = await begin(session, lease.id)
        if begun is None:
            return Done()  # it has joined anew: asked for again once it has answered
        return replace(begun, self_test_id=await self_tests.under_way(session, lease.id))

    async def act(lease: Lease, trial: Trial) -> Tried:
        return await run(backend, lease.id, trial)

    async def conclude(session: Session, lease: Lease, trial: Trial, tried: Tried) -> Outcome:
        error = tried.error
        if trial.self_test_id is not None and not isinstance(error, StaleGeneration):
            await self_tests.conclude(session, lease.id, trial.self_test_id, list(tried.checks))
        if error is None:
            await _note_entered(session, lease.id, trial)
            return Done()
        log.warning("node.not_entered", node=lease.id, code=error.code, attempt=lease.attempt, detail=error.detail)
        cause = _cause(error, attempt=lease.attempt)
        if cause is not None:
            at = (await database_now(session)).isoformat()
            why = {"cause": cause, "detail": error.detail[:2000], "at": at, "doors": trial.doors}
            await session.execute(update(node).where(node.c.id == lease.id).values(no_entry=why))
        return Retry(error.code)

    return Work(
        kind=TRIAL,
        take=take,
        act=act,
        conclude=conclude,
        pace=Pace(shortest_seconds=1.0, longest_seconds=60.0),
        end=END,
        slots=NODES_AT_A_TIME,
        slots_each=1,
        steps=STEPS,
    )


async def run(backend: FleetBackend, node_id: str, trial: Trial) -> Tried:
    """Make the login, come in, look around, strain the node if it is to test itself, and remove the login."""
    account = trial.account
    failed = await _come_in(backend, node_id, trial)
    checks = [_check("enter", failed, "a login made for it came in as a customer does")]
    if isinstance(failed, NodeUnreachable):
        return Tried(failed, tuple(checks))
    if trial.self_test_id is not None and failed is None:
        checks += await _strain(backend, node_id, trial)
    left: SubletError | None = None
    try:
        evidence = await backend.release(
            node_id,
            allocation_id=account.allocation_id,
            login=account.login,
            uid=account.uid,
            generation=account.generation,
            same_organization=(),
        )
    except SubletError as error:
        left = error
    else:
        if not evidence.clean:
            found = "; ".join(f"{check.name}: {check.detail}" for check in evidence.checks if not check.clean)
            said = f"{account.login} came in, and is not proven to be gone ({found}). It is removed again."
            left = TrialNotGone(said)
    checks.append(_check("release", left, "nothing of it is left"))
    return Tried(failed or left, tuple(checks))


def _check(name: str, failed: SubletError | None, otherwise: str) -> Check:
    return Check(name, failed is None, otherwise if failed is None else failed.detail[:2000])


async def _strain(backend: FleetBackend, node_id: str, trial: Trial) -> list[Check]:
    """What the node keeps from a login that takes more than it may."""
    try:
        strain = await backend.strain(node_id, trial.account)
    except SubletError as error:
        return [_check("strain", error, "")]
    return checks_of(strain, trial.capabilities, cpu_percent=trial.account.limits.cpu_percent)


async def _come_in(backend: FleetBackend, node_id: str, trial: Trial) -> SubletError | None:
    account = trial.account
    try:
        await backend.apply(node_id, account)
        entry = await backend.enter(node_id, account)
    except SubletError as error:
        return error
    found = not_its_own(account.login, account.uid, entry, trial.capabilities)
    if found is None:
        return None
    return EntryRefused(f"Whoever comes in as {account.login} {found}. Enrol the node again.", cause="not_its_own")


def _cause(error: SubletError, *, attempt: int) -> str | None:
    """What an attempt that failed says against the node, in one word; None where it says nothing: a node that does not
    answer is seen to by those who look at it, and what may pass by itself has to happen twice in a row."""
    if isinstance(error, EntryRefused) and error.cause != UNKNOWN:
        return error.cause
    if attempt < 2 or isinstance(error, StaleGeneration):
        return None
    match error:
        case EntryRefused():
            return error.cause
        case NodeFailure():
            return error.node_code
        case TrialNotGone():
            return error.code
    return None


async def _note_entered(session: Session, node_id: str, trial: Trial) -> None:
    entered: dict[str, Any] = {"entered_at": func.clock_timestamp(), "entered_doors": trial.doors, "no_entry": None}
    changed = update(node).where(node.c.id == node_id).values(entered).returning(node.c.state)
    if (await session.execute(changed)).scalar_one() == NodeState.ENROLLING.value:
        await come_back(session, system_actor("trial"), node_id, reason="somebody came in as a customer does")
