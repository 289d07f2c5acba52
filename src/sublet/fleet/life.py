"""The life of a node: closed, emptied, worked on, kept apart, tried and put back, retired.

Why something may not be done now is one function for each act, asked by what offers it and by what does it. A node that
is away can be closed or kept apart all the same: it comes back so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sublet.approvals import approvals
from sublet.approvals.approvals import Approval, MayNow
from sublet.approvals.states import ApprovalState
from sublet.audit.record import record
from sublet.core.actions import Refusal
from sublet.core.actors import Actor, Permission
from sublet.core.db import Session
from sublet.core.errors import Conflict
from sublet.core.outbox import publish
from sublet.fleet import departure, drains, gpu_quarantine, nodes, self_tests, trial
from sublet.fleet.audit import IntentRecord
from sublet.fleet.drains import Drain
from sublet.fleet.events import NodeGivenUp
from sublet.fleet.nodes import Node
from sublet.fleet.residents import Resident, named
from sublet.fleet.self_tests import SelfTest
from sublet.fleet.states import AWAY, OUT_OF_USE, TAKES_PART, NodeState, move, stand, standing_of

_S = NodeState


@dataclass(frozen=True, slots=True)
class Situation:
    """All of a node that decides what may be done with it."""

    node: Node
    residents: Sequence[Resident]
    drain: Drain | None
    self_test: SelfTest | None
    """Its last one."""

    @property
    def standing(self) -> NodeState:
        """Where it stands for its operators."""
        return standing_of(self.node.state, self.node.resumes_as)

    @property
    def is_away(self) -> bool:
        """Whether it cannot be asked for anything now."""
        return self.node.state in AWAY

    def that_need(self, *needs: str) -> list[Resident]:
        """The residents with these needs."""
        return [one for one in self.residents if one.need in needs]


def why_not_cordon(now: Situation) -> Refusal | None:
    """Only a node that takes new work can be kept from it."""
    return _only(now, _S.READY, becomes=_S.CORDONED)


def why_not_uncordon(now: Situation) -> Refusal | None:
    """Only a node that was cordoned can be opened."""
    return _only(now, _S.CORDONED, becomes=_S.READY)


def why_not_drain(now: Situation) -> Refusal | None:
    """A node that is there and takes part, or is kept apart while something still runs on it."""
    if now.drain is not None:
        return Refusal(Conflict, "The node is being emptied already.")
    if now.is_away:
        return _AWAY
    if now.standing not in {*TAKES_PART, _S.QUARANTINED}:
        return _is(now)
    return None


def why_not_stop_drain(now: Situation) -> Refusal | None:
    """Only what is being emptied."""
    return None if now.drain is not None else Refusal(Conflict, "The node is not being emptied.")


def why_not_maintain(now: Situation) -> Refusal | None:
    """Work on a node begins when nothing runs on it; data that are only kept stay where they are."""
    if now.standing in {_S.MAINTENANCE, _S.RETIRED}:
        return _is(now)
    if running := now.that_need("runs", "cleaning"):
        advice = "Drain the node first, or wait until they have gone."
        return Refusal(Conflict, f"Something still runs on it: {named(running)}.", advice)
    return None


def why_not_quarantine(now: Situation) -> Refusal | None:
    """Anything but what is kept apart already."""
    return _is(now) if now.standing in {_S.QUARANTINED, _S.RETIRED} else None


def why_not_self_test(now: Situation) -> Refusal | None:
    """A node that is there, has been entered once, and is not being tried."""
    if now.node.state is _S.RETIRED:
        return _is(now)
    if now.is_away:
        return _AWAY
    if now.self_test is not None and now.self_test.passed is None:
        return Refusal(Conflict, "A test of the node is under way.")
    return None


def why_not_put_back(now: Situation) -> Refusal | None:
    """Only what was taken out of use, is there, and has passed a test of itself since."""
    if now.standing not in OUT_OF_USE:
        return Refusal(Conflict, f"The node is {now.standing.value}: it was not taken out of use.")
    if now.is_away:
        return _AWAY
    if now.node.self_tested_at is None:
        advice = "Have it test itself, and see to what the test names."
        return Refusal(Conflict, f"The node has not passed a test of itself since it is {now.standing.value}.", advice)
    return None


def why_not_retire(now: Situation) -> Refusal | None:
    """Only a node on which nothing lives, and that takes no new work."""
    if now.standing is _S.RETIRED or (now.standing is _S.READY and now.node.entered_at is not None):
        advice = "" if now.standing is _S.RETIRED else "Cordon or drain it first."
        return Refusal(Conflict, f"The node is {now.standing.value}.", advice)
    if now.residents:
        advice = "Wait until they are released. Where the node will not return, force their release."
        return Refusal(Conflict, f"Something still lives on it: {named(now.residents)}.", advice)
    return None


def why_not_force_release(now: Situation) -> Refusal | None:
    """Only a node that does not answer, and to which no launch is on its way."""
    if now.node.state is not _S.OFFLINE:
        advice = "Only a node that does not answer is given up. Drain this one."
        return Refusal(Conflict, f"The node is {now.node.state.value}.", advice)
    if coming := [one for one in now.residents if one.arrives]:
        advice = "Wait until they have gone to another node or failed."
        return Refusal(Conflict, f"Something is still being set up on it: {named(coming)}.", advice)
    return None


async def cordon(session: Session, actor: Actor, now: Situation, *, reason: str) -> None:
    """Let nothing new onto a node; one that is away comes back cordoned. Conflict: see `why_not_cordon`."""
    _refuse(why_not_cordon(now))
    await _stand(session, actor, now, _S.CORDONED, act="node.cordoned", reason=reason)


async def uncordon(session: Session, actor: Actor, now: Situation, *, reason: str) -> None:
    """Undo `cordon`. Conflict: see `why_not_uncordon`."""
    _refuse(why_not_uncordon(now))
    await _stand(session, actor, now, _S.READY, act="node.uncordoned", reason=reason)


async def drain(
    session: Session, actor: Actor, now: Situation, *, reason: str, deadline_seconds: int, credit_seconds: int
) -> None:
    """Empty a node: nothing new, its customers are told, and what still runs at the deadline is suspended.

    Each allocation that the deadline suspends is credited `credit_seconds` at its own rate. Conflict: `why_not_drain`.
    """
    _refuse(why_not_drain(now))
    if now.standing in TAKES_PART:
        await move(session, actor, now.node.id, _S.DRAINING, reason=reason)
    begun = await drains.begin(
        session, actor, now.node.id, reason=reason, deadline_seconds=deadline_seconds, credit_seconds=credit_seconds
    )
    await _record(session, actor, now, act="node.drained", reason=reason, drain=begun)


async def stop_drain(session: Session, actor: Actor, now: Situation, *, reason: str) -> None:
    """Let what lives on the node stay; it stays cordoned, or kept apart. Conflict: see `why_not_stop_drain`."""
    _refuse(why_not_stop_drain(now))
    await drains.end(session, now.node.id)
    if now.standing is _S.DRAINING:
        await stand(session, actor, now.node.id, _S.CORDONED, reason=reason)
    await _record(session, actor, now, act="node.drain_stopped", reason=reason)


async def maintain(session: Session, actor: Actor, now: Situation, *, reason: str) -> None:
    """Take a node out of use to work on it; it comes back through `put_back`. Conflict: see `why_not_maintain`."""
    _refuse(why_not_maintain(now))
    await drains.end(session, now.node.id)
    await _stand(session, actor, now, _S.MAINTENANCE, act="node.maintained", reason=reason)


async def quarantine(session: Session, actor: Actor, now: Situation, *, reason: str) -> None:
    """Keep a faulty node from customers; what runs on it goes on. Conflict: see `why_not_quarantine`."""
    _refuse(why_not_quarantine(now))
    await _stand(session, actor, now, _S.QUARANTINED, act="node.quarantined", reason=reason)


async def self_test(session: Session, actor: Actor, now: Situation) -> None:
    """Have the node test itself as soon as a worker can; the result is stored. Conflict: see `why_not_self_test`."""
    _refuse(why_not_self_test(now))
    await self_tests.ask(session, actor, now.node.id)
    await trial.ask(session, now.node.id, changed=True)


async def put_back(session: Session, actor: Actor, now: Situation, *, reason: str) -> None:
    """Let a node that was out of use take work again. Conflict: see `why_not_put_back`."""
    _refuse(why_not_put_back(now))
    await drains.end(session, now.node.id)
    await _stand(session, actor, now, _S.READY, act="node.put_back", reason=reason)


async def retire(session: Session, actor: Actor, now: Situation, *, reason: str) -> None:
    """Take a node out of the fleet for good: its capacity is never given out again. Conflict: `why_not_retire`."""
    _refuse(why_not_retire(now))
    await _retire(session, actor, now, act="node.retired", reason=reason)


async def force_release(
    session: Session, actor: Actor, now: Situation, *, reason: str, credit_seconds: int, may_now: MayNow
) -> Approval:
    """Give a node up that will not return: what lived there ends, billed to its last observation, and is credited
    `credit_seconds` at its own rate; none of its capacity is given out again. Conflict: `why_not_force_release`.

    It takes a second person: unless the approval that comes back is `used`, it was only asked for. What was approved
    for one outage is not for the next: a node that was back in between is another matter, to be looked at anew.
    """
    _refuse(why_not_force_release(now))
    seen = now.node.last_seen_at
    approval = await approvals.consume_or_request(
        session,
        actor,
        act="node.force_release",
        subject=now.node.id,
        parameters={"credit_seconds": credit_seconds, "last_seen_at": None if seen is None else seen.isoformat()},
        reason=reason,
        permission=Permission.ADMIN_NODE_MANAGE,
        may_now=may_now,
    )
    if approval.state is not ApprovalState.USED:
        return approval
    await _retire(session, actor, now, act="node.force_released", reason=reason)
    for gpu in now.node.gpus:
        why = f"Its node was given up: {reason}"[:500]
        await gpu_quarantine.quarantine_gpu(session, actor, gpu.uuid, reason=why, code=gpu_quarantine.NODE_RETIRED)
    given_up = NodeGivenUp(node_id=now.node.id, name=now.node.name, credit_seconds=credit_seconds)
    await publish(session, given_up, subject=now.node.id, organization_id=None)
    return approval


async def _retire(session: Session, actor: Actor, now: Situation, *, act: str, reason: str) -> None:
    node_id = now.node.id
    await departure.close(session, node_id, reason="the node was retired")
    await move(session, actor, node_id, _S.RETIRED, reason=reason)
    await _record(session, actor, now, act=act, reason=reason)


_AWAY = Refusal(Conflict, "The node does not answer.", "Bring it back first.")


def _refuse(refusal: Refusal | None) -> None:
    if refusal is not None:
        raise refusal.problem


def _is(now: Situation) -> Refusal:
    """It cannot be what is asked from where it stands."""
    return Refusal(Conflict, f"The node is {now.standing.value}.")


def _only(now: Situation, before: NodeState, *, becomes: NodeState) -> Refusal | None:
    if now.standing is before:
        return None
    if now.standing is becomes:
        return Refusal(Conflict, f"The node is {becomes.value} already.")
    return Refusal(
        Conflict, f"The node is {now.standing.value}; only a node that is {before.value} can become {becomes.value}."
    )


async def _stand(session: Session, actor: Actor, now: Situation, to: NodeState, *, act: str, reason: str) -> None:
    await stand(session, actor, now.node.id, to, reason=reason)
    await _record(session, actor, now, act=act, reason=reason)


async def _record(
    session: Session, actor: Actor, before: Situation, *, act: str, reason: str, drain: Drain | None = None
) -> None:
    after = await nodes.get(session, before.node.id)
    await record(
        session,
        actor,
        act,
        "node",
        after.id,
        before=IntentRecord(state=before.node.state.value, resumes_as=before.node.resumes_as.value),
        after=IntentRecord(
            state=after.state.value,
            resumes_as=after.resumes_as.value,
            reason=reason,
            deadline_at=None if drain is None else drain.deadline_at,
            credit_seconds=None if drain is None else drain.credit_seconds,
        ),
    )
