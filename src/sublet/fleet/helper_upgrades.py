"""Giving one node another helper: put in place on trial, probed, entered as a customer does, and confirmed or undone.

Whatever becomes of the worker, the node ends with a helper that works: one that nobody confirms takes itself away.
"""

import contextlib
from dataclasses import dataclass

from sqlalchemy import select, update

from sublet.audit.record import record
from sublet.core import telemetry
from sublet.core.actors import system_actor
from sublet.core.db import Session
from sublet.core.errors import SubletError
from sublet.core.work.declaration import End, Step, Work
from sublet.core.work.leases import Lease
from sublet.core.work.outcomes import Again, Done, Outcome, Retry
from sublet.core.work.pace import Pace
from sublet.fleet import codes, helper_rollouts, helper_versions, trial
from sublet.fleet.audit import HelperRecord
from sublet.fleet.backend import FleetBackend, Probe
from sublet.fleet.errors import HelperNotInPlace, NodeCrowded, NodeError, NodeUnreachable, StaleGeneration
from sublet.fleet.models import helper_rollout, helper_upgrade, node
from sublet.fleet.node_helper import Helper
from sublet.fleet.trial import Trial
from sublet.fleet.work import UPGRADE

log = telemetry.get_logger(__name__)

NODES_AT_A_TIME = 20
CONFIRM_SECONDS = 300
"""So long a node waits for the confirmation: longer than a probe and a trial may take together."""
ATTEMPTS = 8
_SAYS_NOTHING = (NodeUnreachable, NodeCrowded, StaleGeneration)
"""What says nothing of the helper that is on trial: an answer was lost, or another trial came between."""
ANOTHER_RELEASE_SECONDS = 5.0
"""A worker of another release has another helper: the upgrade is left to one of the release that began it."""

STEPS = (
    Step(
        "upgrade",
        "gives the node the helper, which it checks and puts in place beside the earlier one; never while an "
        "allocation is applied or released there",
        "another helper on the node, on trial",
        "the node puts the earlier one back by itself unless it is confirmed in time",
    ),
    Step("probe", "asks the node through the new helper which one answers", "nothing", "none needed"),
    Step(
        "try",
        "has a login made for it come in as a customer does, and proves that it is gone",
        "account, home, slice on the node while it lasts",
        "the next trial",
    ),
    Step(
        "confirm",
        "keeps the new helper, or puts the earlier one back and says why",
        "the node's helper",
        "the node puts the earlier one back where nobody confirms",
    ),
    Step(
        "note",
        "lets the other nodes follow the first, or keeps them from it",
        "the rows of the rollout",
        "none needed: what failed is stopped, and an operator begins anew",
    ),
)

END = End(
    None,
    f"after {ATTEMPTS} attempts: the node keeps the helper that it has, and the rollout is stopped",
    "never ends: tried every ten minutes at last; the node has undone meanwhile what was not confirmed",
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A node that is to have our helper, and how it is tried then."""

    rollout_id: str
    from_version: str
    helper: Helper
    trial: Trial


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of it: the probe through the new helper, or why the node has its earlier one. `again`: nothing was
    changed, or what happened says nothing of the helper, so that it is tried once more."""

    probe: Probe | None = None
    error: SubletError | None = None
    again: bool = False


def work(backend: FleetBackend) -> Work[Wanted, Tried]:
    """The kind of work `upgrade`; a row is a node that is to have another helper."""

    async def take(session: Session, lease: Lease) -> Wanted | Outcome:
        wanted = (
            select(helper_rollout.c.id, helper_rollout.c.sha256, helper_upgrade.c.from_version)
            .join(helper_upgrade, helper_upgrade.c.rollout_id == helper_rollout.c.id)
            .where(
                helper_upgrade.c.node_id == lease.id,
                helper_upgrade.c.outcome == "waiting",
                helper_rollout.c.ended_at.is_(None),
                helper_upgrade.c.canary | (helper_rollout.c.phase == "rolling"),
            )
        )
        row = (await session.execute(wanted)).one_or_none()
        if row is None:
            return Done()
        ours = helper_versions.ours()
        if ours.sha256 != row.sha256:
            return Again(ANOTHER_RELEASE_SECONDS)
        begun = await trial.begin(session, lease.id)
        if begun is None:
            return Retry("node_not_verified")
        return Wanted(row.id, row.from_version, ours, begun)

    async def act(lease: Lease, wanted: Wanted) -> Tried:
        return await run(backend, lease.id, wanted)

    async def conclude(session: Session, lease: Lease, wanted: Wanted, tried: Tried) -> Outcome:
        if tried.probe is not None:
            await _note_helper(session, lease.id, wanted)
            await helper_rollouts.note_done(session, wanted.rollout_id, lease.id)
            return Done()
        assert tried.error is not None  # what brought no probe failed
        code = codes.of_operator(tried.error)
        log.warning("node.helper_not_upgraded", node=lease.id, code=code, attempt=lease.attempt, again=tried.again)
        if tried.again:
            return Retry(code)
        await helper_rollouts.note_failed(session, wanted.rollout_id, lease.id, tried.error.detail)
        return Done()

    async def give_up(session: Session, lease: Lease, code: str) -> Outcome:
        rollout_id = await helper_rollouts.under_way(session)
        if rollout_id is not None:
            detail = (
                f"it could not be upgraded in {lease.attempt} attempts ({code}); it has the helper that it had, or "
                f"takes that back within {CONFIRM_SECONDS} s"
            )
            await helper_rollouts.note_failed(session, rollout_id, lease.id, detail)
        return Done()

    return Work(
        kind=UPGRADE,
        take=take,
        act=act,
        conclude=conclude,
        give_up=give_up,
        pace=Pace(attempts=ATTEMPTS, shortest_seconds=1.0, longest_seconds=30.0),
        end=END,
        slots=NODES_AT_A_TIME,
        slots_each=1,
        steps=STEPS,
    )


async def run(backend: FleetBackend, node_id: str, wanted: Wanted) -> Tried:
    """Give the node the helper and try it; afterwards it is kept, undone, or on trial until it is tried again."""
    try:
        await backend.upgrade(node_id, wanted.helper, confirm_seconds=CONFIRM_SECONDS)
    except NodeError as error:
        return Tried(error=error, again=codes.of(error).retryable)
    try:
        probe = await backend.probe(node_id)
        failed = _not_in_place(wanted.helper, probe) or (await trial.run(backend, node_id, wanted.trial)).error
        if failed is None:
            await backend.confirm_upgrade(node_id, wanted.helper.sha256)
            return Tried(probe=probe)
    except SubletError as error:
        failed = error
    if isinstance(failed, _SAYS_NOTHING):
        return Tried(error=failed, again=True)
    with contextlib.suppress(SubletError):  # then the node does it by itself
        await backend.undo_upgrade(node_id, wanted.helper.sha256)
    return Tried(error=failed)


def _not_in_place(helper: Helper, probe: Probe) -> SubletError | None:
    if (probe.helper_version, probe.helper_sha256) == (helper.version, helper.sha256):
        return None
    return HelperNotInPlace(
        f"The node answers with the helper {probe.helper_version} ({(probe.helper_sha256 or 'no digest')[:12]}) after "
        f"it was given {helper.version} ({helper.sha256[:12]})."
    )


async def _note_helper(session: Session, node_id: str, wanted: Wanted) -> None:
    helper = wanted.helper
    values = {"helper_version": helper.version, "helper_sha256": helper.sha256, "helper_too_old": False}
    await session.execute(update(node).where(node.c.id == node_id).values(values))
    await record(
        session,
        system_actor("helper rollout"),
        "node.helper_upgraded",
        "node",
        node_id,
        before=HelperRecord(helper_version=wanted.from_version),
        after=HelperRecord(helper_version=helper.version),
    )
