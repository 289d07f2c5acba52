"""What may be done with an allocation now, and why not. The commands ask the same functions as what offers them."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from sublet.allocations.rows import Allocation
from sublet.allocations.states import BEING_SET_UP, KEPT, AllocationState, PortState, StateForbids
from sublet.billing.policy import Policy
from sublet.billing.spend import SpendingLimit, SpendingLimitForbids
from sublet.billing.standing import Standing
from sublet.core.actions import Refusal
from sublet.core.actors import Actor, Permission
from sublet.core.errors import Conflict, PermissionDenied
from sublet.core.money import Rate
from sublet.fleet.states import TAKES_PART, NodeState
from sublet.ledger.failures import InsufficientFunds
from sublet.scheduling.claims import NoCapacity
from sublet.scheduling.offers import why_stopped

_S = AllocationState

MOST_PORTS = 16
MOST_PORTS_A_DAY = 256
"""So many may be published for one allocation in a day, those that were withdrawn since among them: their rows stay."""
"""So many ports an allocation may have published at a time."""
_STANDS = {
    _S.QUEUED: Refusal(StateForbids, "It is being set up."),
    _S.PROVISIONING: Refusal(StateForbids, "It is being set up."),
    _S.ACTIVE: Refusal(StateForbids, "It is active."),
    _S.SUSPENDED: Refusal(StateForbids, "It is suspended."),
    _S.RELEASING: Refusal(StateForbids, "It is being released."),
    _S.RELEASED: Refusal(StateForbids, "It has been released."),
    _S.FAILED: Refusal(StateForbids, "It has failed.", "There is nothing to release, and nothing was charged."),
    _S.RELEASE_FAILED: Refusal(StateForbids, "It is being released."),
    _S.LOST: Refusal(StateForbids, "Its node does not answer."),
}
_CLOSING = Refusal(StateForbids, "It is being suspended.", "Resume it once it is suspended.")
_OPENING = Refusal(StateForbids, "It is being resumed.")
_STAYS = "It stays suspended."

NOT_YOURS = "Your role or token does not include this."
"""What somebody without the permission reads beside an action."""


class PortsNotGiven(Conflict):
    """The node, or its operator, gives no ports to allocations."""

    code = "ports_not_given"
    title = "Its node gives no ports"


class TooManyPorts(Conflict):
    """The allocation has as many published ports as it may have."""

    code = "too_many_ports"
    title = "It has as many published ports as it may have"


@dataclass(frozen=True, slots=True)
class PortPlace:
    """All of a node that decides whether a port of it can be had: `first` and `last` are None where its operator gives
    none."""

    leads_ports: bool
    first: int | None
    last: int | None


@dataclass(frozen=True, slots=True)
class Situation:
    """All of an allocation that decides what may be done with it."""

    id: str
    state: AllocationState
    wanted: str
    suspended_for: str | None

    @classmethod
    def of(cls, allocation: Allocation | Row[Any]) -> "Situation":
        """Of an allocation, or of a row with these columns of one."""
        return cls(
            allocation.id,
            AllocationState(allocation.state),
            allocation.wanted,
            allocation.suspended_for,
        )

    @property
    def is_closing(self) -> bool:
        """Whether it is still active, and is to be suspended."""
        return self.state is _S.ACTIVE and self.wanted == "suspended"


def why_not_release(now: Situation) -> Refusal | None:
    """Only what was set up can be released."""
    return None if now.state in KEPT else _STANDS[now.state]


def why_not_cancel(now: Situation) -> Refusal | None:
    """Only what is being set up can be cancelled."""
    return None if now.state in BEING_SET_UP else _standing(now)


def why_not_restart(actor: Actor, now: Situation, launching: Refusal | None) -> Refusal | None:
    """Only what is lost can be restarted elsewhere: everything else is where it is. It ends one allocation and launches
    another, and takes what both take; `launching` is why its offer cannot be launched."""
    if now.state is not _S.LOST:
        return Refusal(StateForbids, "It is not lost: only what its node has lost is restarted elsewhere.")
    if not actor.can(Permission.ALLOCATION_MANAGE):
        return Refusal(PermissionDenied, "Your role or token may launch, and not end what runs.")
    return launching


def why_not_suspend(now: Situation) -> Refusal | None:
    """Only what is active, and is to stay so, can be suspended."""
    return why_not_enter(now)


def why_not_enter(now: Situation) -> Refusal | None:
    """Somebody can log in only to what is active, and is to stay so."""
    return None if now.state is _S.ACTIVE and now.wanted == "active" else _standing(now)


def why_not_publish(now: Situation, place: PortPlace, *, held: int, lately: int) -> Refusal | None:
    """Only what one can log in to gets a port of its node, and only where node and operator give one. `held` are
    its ports now, and `lately` those that were published in the last day."""
    if refusal := why_not_enter(now):
        return refusal
    if not place.leads_ports:
        why = "Nothing leads into allocations on its node, because they have no network of their own there."
        return Refusal(PortsNotGiven, why, "Forward the port over SSH instead.")
    if place.first is None:
        return Refusal(PortsNotGiven, "The operator gives no ports on its node.", "Forward the port over SSH instead.")
    if held >= MOST_PORTS:
        return Refusal(TooManyPorts, f"It has {MOST_PORTS} published ports, which is the most.", "Withdraw one first.")
    if lately >= MOST_PORTS_A_DAY:
        why = f"{lately} ports were published for it in the last day, which is the most."
        return Refusal(TooManyPorts, why, "Keep those that it has, or come again later.")
    return None


def why_not_withdraw(now: Situation, state: PortState) -> Refusal | None:
    """Any port can be withdrawn, once, of what stays; what is released loses them all."""
    if now.state not in KEPT:
        return _standing(now)
    return Refusal(StateForbids, "It is being withdrawn.") if state is PortState.CLOSING else None


def why_not_resume(
    now: Situation,
    stands: Standing,
    *,
    more: Rate,
    resuming: Rate,
    stopped: bool,
    node_standing: NodeState,
    has_room: bool,
    policy: Policy,
) -> Refusal | None:
    """A customer resumes only what is suspended, and only where it may run again and has its claim, or room for it.

    What is only about to be suspended stays so: else a customer could take each suspension back before the node hears
    of it, and run at the lower rate.
    """
    if now.wanted != "suspended":
        return _OPENING if now.state is _S.SUSPENDED else _STANDS[now.state]
    if now.is_closing:
        return _CLOSING
    return (
        why_not_run_there(now, node_standing)
        or why_not_afford(now, stands, more=more, resuming=resuming, stopped=stopped, policy=policy)
        or why_not_fit(now, has_room=has_room)
    )


def why_not_run_there(now: Situation, node_standing: NodeState) -> Refusal | None:
    """What is suspended runs again, by itself or not, only on a node that takes part, which one that is away may be."""
    if node_standing in TAKES_PART:
        return None
    then = "It is resumed by itself when that is done." if now.suspended_for == "drain" else "Resume it after that."
    return Refusal(StateForbids, f"Its node is being worked on. {then}", outcome=_STAYS)


def why_not_fit(now: Situation, *, has_room: bool) -> Refusal | None:
    """What has given its claim back runs again only where its disk is, once that node has room for it."""
    return None if has_room else no_room(now)


def no_room(now: Situation) -> Refusal:
    """Why what has given its claim back cannot have it again."""
    if now.suspended_for == "capacity":
        advice = "It is resumed by itself once there is room. Launch elsewhere if you cannot wait."
    else:
        advice = "Try again when something there has been released, or launch this or another offer elsewhere."
    outcome = "It stays suspended, its files are kept, and it costs what its disk costs."
    return Refusal(NoCapacity, "Others have its place on its node, where its files are.", advice, outcome=outcome)


def why_not_afford(
    now: Situation, stands: Standing, *, more: Rate, resuming: Rate, stopped: bool, policy: Policy
) -> Refusal | None:
    """What is suspended runs again, by itself or not, only if wallet and spending limits carry it beyond the grace.

    `more` is what it will cost beyond what it costs now, `resuming` what everything that is being resumed or set up
    already will, and `stopped` says whether an operator has to see to the organization's payments first. The grace is
    paid out of what is left: nobody gets another one by suspending and resuming within it.
    """
    if stopped:
        return why_stopped(outcome=_STAYS)
    if not stands.out_of_funds and stands.bears(more + resuming, policy=policy):
        limit = stands.limit_against(more, beside=resuming, subject_id=now.id, policy=policy)
        return None if limit is None else _beyond(limit, by_itself=now.suspended_for == "limit")
    by_itself = now.suspended_for == "funds"
    then = "It resumes by itself once a top-up is enough." if by_itself else "Top up the wallet, then resume it."
    return Refusal(InsufficientFunds, f"The wallet cannot carry it. {then}", outcome=_STAYS)


def _beyond(limit: SpendingLimit, *, by_itself: bool) -> Refusal:
    """Why what a limit leaves is too little: amounts are not said to whoever may not read the wallet."""
    then = "It resumes by itself once" if by_itself else "Resume it once"
    when = (
        "the limit has been raised" if limit.ends is None else f"the next {limit.scope} begins, or the limit is raised"
    )
    return Refusal(SpendingLimitForbids, f"{limit.sentence} {then} {when}.", outcome=_STAYS)


def _standing(now: Situation) -> Refusal:
    return _CLOSING if now.is_closing else _STANDS[now.state]
