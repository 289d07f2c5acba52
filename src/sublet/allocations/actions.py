"""What a caller may do with an allocation now, and why not."""

from dataclasses import dataclass
from functools import lru_cache

from sublet.core.access import Actor, Permission

_NOT_YOURS = "Your role or token does not include this."
_BEING_SET_UP = frozenset({"queued", "provisioning"})
_RUNS = frozenset({"active", "suspended", "lost"})
_WHY_NOT = {
    "queued": "It is being set up.",
    "provisioning": "It is being set up.",
    "active": "It is active.",
    "suspended": "It is suspended.",
    "releasing": "It is being released.",
    "released": "It has been released.",
    "failed": "It has failed.",
    "release_failed": "It is being released.",
    "lost": "Its node does not answer.",
}


@dataclass(frozen=True, slots=True)
class Situation:
    """All that decides about actions."""

    state: str
    wanted: str
    may_manage: bool
    may_connect: bool
    out_of_funds: bool

    @classmethod
    def of(cls, actor: Actor, organization_id: str, state: str, wanted: str, *, out_of_funds: bool) -> "Situation":
        """The actor's situation; nobody acts on another organization's allocations."""
        own = actor.organization_id == organization_id
        return cls(
            state,
            wanted,
            own and actor.can(Permission.ALLOCATION_MANAGE),
            own and actor.can(Permission.ALLOCATION_CONNECT),
            out_of_funds,
        )


@lru_cache(maxsize=512)
def refusals(situation: Situation) -> dict[str, str | None]:
    """For each action why it is refused, or None if it is allowed."""
    why_not = "It is being suspended." if _is_closing(situation) else _WHY_NOT[situation.state]
    managing = None if situation.may_manage else _NOT_YOURS
    connecting = None if situation.may_connect else _NOT_YOURS
    closed = None if situation.state == "active" and situation.wanted == "active" else why_not
    return {
        "release": managing or (None if situation.state in _RUNS else why_not),
        "suspend": managing or closed,
        "resume": managing or _no_resume(situation, why_not),
        "cancel": managing or (None if situation.state in _BEING_SET_UP else why_not),
        "terminal": connecting or closed,
        "ssh": connecting or closed,
    }


def _is_closing(situation: Situation) -> bool:
    return situation.state == "active" and situation.wanted == "suspended"


def _no_resume(situation: Situation, why_not: str) -> str | None:
    if situation.wanted != "suspended":
        return "It is being resumed." if situation.state == "suspended" else why_not
    if _is_closing(situation):
        return why_not
    if situation.out_of_funds:
        return "The wallet cannot carry it. It resumes by itself after a top-up."
    return None
