"""Bringing the helper of this release to the fleet: one node first, the others once it is well, and an end to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, Select, func, insert, select, tuple_, update

from sublet.audit.record import record
from sublet.core.actions import Refusal
from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.errors import Conflict, NotFound
from sublet.core.ids import new_id
from sublet.core.work import leases
from sublet.fleet import helper_versions, nodes
from sublet.fleet.audit import RolloutRecord
from sublet.fleet.helper_versions import Drifted
from sublet.fleet.models import helper_rollout, helper_upgrade, node
from sublet.fleet.nodes import Node
from sublet.fleet.states import NOT_THERE
from sublet.fleet.work import UPGRADE

Phase = Literal["canary", "rolling", "done", "stopped"]
"""One node is tried; it was well and the others follow; all were; or something went wrong, or an operator said so."""


GOING_ON = frozenset({"canary", "rolling"})


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What became of one node in a rollout; `detail` is why it failed there."""

    node_id: str
    node_name: str
    canary: bool
    from_version: str
    outcome: Literal["waiting", "done", "failed", "left"]
    detail: str | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Rollout:
    """A helper on its way to the fleet. `counts` has how many nodes have each outcome; `canary` is the first."""

    id: str
    version: str
    sha256: str
    phase: Phase
    reason: str | None
    started_by: str
    started_at: datetime
    ended_at: datetime | None
    canary: Upgrade
    failed: tuple[Upgrade, ...]
    counts: dict[str, int]


MOST_FAILED = 20
"""So many nodes that failed are named; a rollout stops with the first."""


def why_not_start(under_way: bool, others: int) -> Refusal | None:
    """One rollout at a time, and only where a node has another helper."""
    if under_way:
        return Refusal(Conflict, "Helpers are being upgraded already.", "Wait for its end, or stop it.")
    if others == 0:
        return Refusal(Conflict, "No node has a helper that can be upgraded to this release's.")
    return None


def why_not_stop(phase: Phase) -> Refusal | None:
    """Only what goes on can be stopped."""
    if phase in GOING_ON:
        return None
    return Refusal(Conflict, f"The rollout is {phase} already.")


def why_not_canary(one: Node | Drifted, *, under_way: bool) -> Refusal | None:
    """One rollout at a time; the first node has to be there, and its helper another one that can be replaced."""
    if refusal := why_not_start(under_way, 1):
        return refusal
    if one.state in NOT_THERE or one.verified_at is None:
        return Refusal(Conflict, f"The node {one.name} is {one.state.value}, so nothing can be tried on it.")
    standing = helper_versions.standing_of(one.helper_version, one.helper_sha256)
    if standing == "other":
        return None
    advice = helper_versions.advice_of(standing, one.name) or "Name a node whose helper is another one."
    return Refusal(Conflict, f"The helper of {one.name} cannot be upgraded: it is {standing}.", advice)


async def start(session: Session, actor: Actor, canary_id: str) -> Rollout:
    """Begin: the canary is upgraded, tried and watched; the others follow once it is well.

    Conflict: see `why_not_start` and `why_not_canary`.
    """
    canary = await nodes.lock(session, canary_id)
    refusal = why_not_canary(canary, under_way=await under_way(session) is not None)
    if refusal is not None:
        raise refusal.problem
    ours = helper_versions.ours()
    rollout_id = new_id("hro")
    await session.execute(
        insert(helper_rollout).values(
            id=rollout_id, version=ours.version, sha256=ours.sha256, phase="canary", started_by=actor.shown_as
        )
    )
    chosen = await session.execute(
        select(node.c.id, node.c.helper_version, node.c.helper_sha256).where(
            node.c.verified_at.is_not(None), node.c.state.not_in([state.value for state in NOT_THERE])
        )
    )
    wanted = [row for row in chosen if helper_versions.standing_of(row.helper_version, row.helper_sha256) == "other"]
    await session.execute(
        insert(helper_upgrade),
        [
            {
                "rollout_id": rollout_id,
                "node_id": row.id,
                "canary": row.id == canary_id,
                "from_version": row.helper_version,
                "outcome": "waiting",
            }
            for row in wanted
        ],
    )
    await leases.make_due(session, UPGRADE, canary_id, place=canary_id)
    after = RolloutRecord(version=ours.version, sha256=ours.sha256, canary=canary.name, nodes=len(wanted))
    await record(session, actor, "helper_rollout.started", "helper_rollout", rollout_id, after=after)
    return await get(session, rollout_id)


async def stop(session: Session, actor: Actor, rollout_id: str, *, reason: str) -> Rollout:
    """End it: nodes that wait keep the helper that they have. A node that is being upgraded is finished."""
    await _lock(session, rollout_id)
    before = await get(session, rollout_id)
    if refusal := why_not_stop(before.phase):
        raise refusal.problem
    await end(session, rollout_id, "stopped", reason)
    await record(session, actor, "helper_rollout.stopped", "helper_rollout", rollout_id)
    return await get(session, rollout_id)


async def end(session: Session, rollout_id: str, phase: Phase, reason: str | None = None) -> None:
    """End a rollout; nodes that wait are left as they are."""
    now = func.clock_timestamp()
    waiting = (helper_upgrade.c.rollout_id == rollout_id) & (helper_upgrade.c.outcome == "waiting")
    await session.execute(update(helper_upgrade).where(waiting).values(outcome="left", ended_at=now))
    ended = update(helper_rollout).where(helper_rollout.c.id == rollout_id, helper_rollout.c.ended_at.is_(None))
    await session.execute(ended.values(phase=phase, reason=reason, ended_at=now))


async def note_done(session: Session, rollout_id: str, node_id: str) -> None:
    """A node has the helper and is well: the others follow the canary, and after the last one it is done."""
    phase = await _lock(session, rollout_id)
    await _note(session, rollout_id, node_id, "done")
    if phase in GOING_ON:
        await _go_on(session, rollout_id, phase)


async def leave_out(session: Session, node_id: str) -> None:
    """A node is none any more: it is left as it is, and the others go on without it, unless it was to be the first."""
    waiting = (
        select(helper_upgrade.c.rollout_id, helper_upgrade.c.canary, node.c.name)
        .join(node, node.c.id == helper_upgrade.c.node_id)
        .where(helper_upgrade.c.node_id == node_id, helper_upgrade.c.outcome == "waiting")
    )
    row = (await session.execute(waiting)).one_or_none()
    if row is None:
        return
    phase = await _lock(session, row.rollout_id)
    await _note(session, row.rollout_id, node_id, "left")
    if phase in GOING_ON and row.canary:
        await end(session, row.rollout_id, "stopped", f"{row.name}: it is no node any more")
    elif phase == "rolling":
        await _go_on(session, row.rollout_id, phase)


async def _go_on(session: Session, rollout_id: str, phase: str) -> None:
    waiting = select(helper_upgrade.c.node_id).where(
        helper_upgrade.c.rollout_id == rollout_id, helper_upgrade.c.outcome == "waiting"
    )
    others = (await session.execute(waiting)).scalars().all()
    if not others:
        await end(session, rollout_id, "done")
    elif phase == "canary":
        await session.execute(update(helper_rollout).where(helper_rollout.c.id == rollout_id).values(phase="rolling"))
        await leases.ensure(session, UPGRADE, others)


async def note_failed(session: Session, rollout_id: str, node_id: str, detail: str) -> None:
    """A node did not take it, and has its earlier helper: nobody else is given it."""
    phase = await _lock(session, rollout_id)
    await _note(session, rollout_id, node_id, "failed", detail[:2000])
    if phase in GOING_ON:
        name = (await session.execute(select(node.c.name).where(node.c.id == node_id))).scalar_one()
        await end(session, rollout_id, "stopped", f"{name}: {detail}"[:2000])


async def under_way(session: Session) -> str | None:
    """The rollout that goes on, if one does."""
    going = select(helper_rollout.c.id).where(helper_rollout.c.ended_at.is_(None))
    return (await session.execute(going)).scalar_one_or_none()


async def latest(session: Session) -> Rollout | None:
    """The last one that was begun."""
    found = await newest(session, before=None, limit=1)
    return found[0] if found else None


async def get(session: Session, rollout_id: str) -> Rollout:
    """One rollout; NotFound if there is none."""
    row = (await session.execute(select(helper_rollout).where(helper_rollout.c.id == rollout_id))).one_or_none()
    if row is None:
        raise NotFound("helper rollout", rollout_id)
    return (await _with_nodes(session, [row]))[0]


async def newest(session: Session, *, before: str | None, limit: int) -> list[Rollout]:
    """Up to `limit` rollouts, the newest first; those that began before another, by its id."""
    statement = select(helper_rollout).order_by(helper_rollout.c.started_at.desc()).limit(limit)
    if before is not None:
        began = select(helper_rollout.c.started_at).where(helper_rollout.c.id == before).scalar_subquery()
        statement = statement.where(helper_rollout.c.started_at < began)
    return await _with_nodes(session, (await session.execute(statement)).all())


async def progress(session: Session, rollout_id: str, *, after: tuple[str, str], limit: int) -> list[Upgrade]:
    """What became of the nodes of a rollout, by name; up to `limit` that come after a name and id. NotFound."""
    await get(session, rollout_id)
    by = (node.c.name, node.c.id)
    later = tuple_(*by) > tuple_(*after)
    statement = _upgrades().where(helper_upgrade.c.rollout_id == rollout_id, later).order_by(*by).limit(limit)
    return [_upgrade(row) for row in await session.execute(statement)]


async def _with_nodes(session: Session, rows: Sequence[Row[Any]]) -> list[Rollout]:
    """Rollouts with their canary, the nodes that failed, and how many nodes have each outcome."""
    of_these = helper_upgrade.c.rollout_id.in_([row.id for row in rows])
    grouped = (helper_upgrade.c.rollout_id, helper_upgrade.c.outcome)
    counts: dict[str, dict[str, int]] = {row.id: {} for row in rows}
    for rollout_id, outcome, count in await session.execute(
        select(*grouped, func.count()).where(of_these).group_by(*grouped)
    ):
        counts[rollout_id][outcome] = count
    canaries: dict[str, Upgrade] = {}
    failed: dict[str, list[Upgrade]] = {row.id: [] for row in rows}
    apart = helper_upgrade.c.canary | (helper_upgrade.c.outcome == "failed")
    for row in await session.execute(_upgrades().where(of_these, apart).order_by(node.c.name)):
        if row.canary:
            canaries[row.rollout_id] = _upgrade(row)
        elif len(failed[row.rollout_id]) < MOST_FAILED:
            failed[row.rollout_id].append(_upgrade(row))
    return [
        Rollout(
            id=row.id,
            version=row.version,
            sha256=row.sha256,
            phase=row.phase,
            reason=row.reason,
            started_by=row.started_by,
            started_at=row.started_at,
            ended_at=row.ended_at,
            canary=canaries[row.id],
            failed=tuple(failed[row.id]),
            counts=counts[row.id],
        )
        for row in rows
    ]


def _upgrades() -> Select[Any]:
    return select(helper_upgrade, node.c.name).join(node, node.c.id == helper_upgrade.c.node_id)


def _upgrade(row: Row[Any]) -> Upgrade:
    return Upgrade(row.node_id, row.name, row.canary, row.from_version, row.outcome, row.detail, row.ended_at)


async def _lock(session: Session, rollout_id: str) -> str:
    locked = select(helper_rollout.c.phase).where(helper_rollout.c.id == rollout_id).with_for_update()
    phase: str | None = (await session.execute(locked)).scalar_one_or_none()
    if phase is None:
        raise NotFound("helper rollout", rollout_id)
    return phase


async def _note(session: Session, rollout_id: str, node_id: str, outcome: str, detail: str | None = None) -> None:
    one = (helper_upgrade.c.rollout_id == rollout_id) & (helper_upgrade.c.node_id == node_id)
    noted = update(helper_upgrade).where(one, helper_upgrade.c.ended_at.is_(None))
    await session.execute(noted.values(outcome=outcome, detail=detail, ended_at=func.clock_timestamp()))
