"""Operators' routes for the helpers of nodes: which there are, which drift, and bringing this release's to them."""

from sublet.core.actions import Refusal, actions_of
from sublet.core.actors import Actor, Permission
from sublet.core.http import ActorDep, SessionDep, SubletRouter
from sublet.core.pages import Page, PageQueryDep, page_of
from sublet.fleet import helper_rollouts, helper_versions
from sublet.fleet.helper_rollouts import Rollout
from sublet.fleet.helper_schemas import (
    DriftedNodeOut,
    HelperCountOut,
    HelperOut,
    HelperVersionsOut,
    NewRollout,
    RolloutOut,
    StoppedRollout,
    UpgradeOut,
)
from sublet.fleet.helper_versions import Drifted

router = SubletRouter(prefix="/api/v1/admin", tags=["fleet"])

DENIED = "This needs the platform role fleet or admin."


@router.get("/helper-versions", permission=Permission.ADMIN_NODE_READ)
async def show_versions(actor: ActorDep, session: SessionDep) -> HelperVersionsOut:
    """How many nodes have which helper, and how the last rollout went."""
    ours = helper_versions.ours()
    counted = [
        HelperCountOut(
            helper=HelperOut(version=version, sha256=sha256),
            standing=helper_versions.standing_of(version, sha256),
            nodes=nodes,
        )
        for version, sha256, nodes in await helper_versions.counts(session)
    ]
    others = sum(one.nodes for one in counted if one.standing == "other")
    latest = await helper_rollouts.latest(session)
    going_on = latest is not None and latest.ended_at is None
    why_not: dict[str, Refusal | None] = {"upgrade": helper_rollouts.why_not_start(going_on, others)}
    return HelperVersionsOut(
        ours=HelperOut(version=ours.version, sha256=ours.sha256),
        minimum_version=helper_versions.MINIMUM,
        counts=counted,
        rollout=None if latest is None else _rollout_out(latest, actor),
        actions=actions_of(actor, Permission.ADMIN_NODE_MANAGE, DENIED, why_not),
    )


@router.get("/helper-drift", permission=Permission.ADMIN_NODE_READ)
async def list_drift(actor: ActorDep, session: SessionDep, query: PageQueryDep) -> Page[DriftedNodeOut]:
    """Every node whose helper is not this release's, by name, with what to do."""
    (after,) = query.position(str) or (None,)
    found = await helper_versions.drifted(session, limit=query.limit, after_name=after)
    going_on = await helper_rollouts.under_way(session) is not None
    return page_of(found, query.limit, lambda one: _drifted_out(one, actor, going_on), lambda one: [one.name])


@router.get("/helper-rollouts", permission=Permission.ADMIN_NODE_READ)
async def list_rollouts(actor: ActorDep, session: SessionDep, query: PageQueryDep) -> Page[RolloutOut]:
    """Every helper that was brought to the nodes, the newest first."""
    (before,) = query.position(str) or (None,)
    found = await helper_rollouts.newest(session, before=before, limit=query.limit + 1)
    return page_of(found, query.limit, lambda one: _rollout_out(one, actor), lambda one: [one.id])


@router.get("/helper-rollouts/{rollout_id}", permission=Permission.ADMIN_NODE_READ)
async def show_rollout(actor: ActorDep, session: SessionDep, rollout_id: str) -> RolloutOut:
    """One rollout: how far it has come, and why it ended."""
    return _rollout_out(await helper_rollouts.get(session, rollout_id), actor)


@router.get("/helper-rollouts/{rollout_id}/nodes", permission=Permission.ADMIN_NODE_READ)
async def list_upgrades(session: SessionDep, query: PageQueryDep, rollout_id: str) -> Page[UpgradeOut]:
    """What became of each node of a rollout, by name."""
    (name, node_id) = query.position(str, str) or ("", "")
    found = await helper_rollouts.progress(session, rollout_id, after=(name, node_id), limit=query.limit + 1)
    return page_of(found, query.limit, UpgradeOut.of, lambda one: [one.node_name, one.node_id])


@router.post("/helper-rollouts", permission=Permission.ADMIN_NODE_MANAGE, creates=True, status_code=201)
async def start_rollout(actor: ActorDep, session: SessionDep, body: NewRollout) -> RolloutOut:
    """Bring this release's helper to the nodes: to the canary first, and to the others once it is well."""
    return _rollout_out(await helper_rollouts.start(session, actor, body.canary), actor)


@router.post("/helper-rollouts/{rollout_id}/stop", permission=Permission.ADMIN_NODE_MANAGE)
async def stop_rollout(actor: ActorDep, session: SessionDep, rollout_id: str, body: StoppedRollout) -> RolloutOut:
    """Upgrade no further node; what is upgraded stays so."""
    return _rollout_out(await helper_rollouts.stop(session, actor, rollout_id, reason=body.reason), actor)


def _rollout_out(rollout: Rollout, actor: Actor) -> RolloutOut:
    why_not = {"stop": helper_rollouts.why_not_stop(rollout.phase)}
    return RolloutOut.of(rollout, actions_of(actor, Permission.ADMIN_NODE_MANAGE, DENIED, why_not))


def _drifted_out(one: Drifted, actor: Actor, going_on: bool) -> DriftedNodeOut:
    standing = helper_versions.standing_of(one.helper_version, one.helper_sha256)
    why_not = {"upgrade_first": helper_rollouts.why_not_canary(one, under_way=going_on)}
    return DriftedNodeOut(
        id=one.id,
        name=one.name,
        state=one.state,
        helper=HelperOut(version=one.helper_version, sha256=one.helper_sha256),
        standing=standing,
        advice=helper_versions.advice_of(standing, one.name),
        actions=actions_of(actor, Permission.ADMIN_NODE_MANAGE, DENIED, why_not),
    )
