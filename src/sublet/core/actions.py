"""What a caller may do with a resource now, and why not: one shape for every resource and every list.

Whether something may be done is one function, `why_not_…`, which answers with a `Refusal` or None. What offers the
action shows its reason; the command raises its problem. So nothing is offered and then refused, or the other way round.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel

from sublet.core.actors import Actor, Permission
from sublet.core.errors import SubletError
from sublet.core.pages import Page

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something may not be done now: a sentence, and the error with which the command answers.

    `outcome` and `advice` are what the command adds: what it did to work and money, and what to do.
    """

    error: type[SubletError]
    reason: str
    advice: str = ""
    outcome: str = "Nothing was changed."

    @property
    def problem(self) -> SubletError:
        """What the command raises."""
        return self.error(" ".join(part for part in (self.reason, self.outcome, self.advice) if part))


class ActionOut(BaseModel):
    """Something that can be done with a resource; `reason` says why the caller may not do it now."""

    name: str
    allowed: bool
    reason: str | None


class ManagedPage(Page[T]):
    """A page of a list, with what the caller may do to the list itself."""

    actions: list[ActionOut]


def actions_of(
    actor: Actor, permission: Permission, denied: str, why_not: Mapping[str, Refusal | None]
) -> list[ActionOut]:
    """Actions that one permission opens: `why_not` says by name what forbids it now, `denied` what it takes."""
    if not actor.can(permission):
        return [ActionOut(name=name, allowed=False, reason=denied) for name in why_not]
    return [
        ActionOut(name=name, allowed=refusal is None, reason=None if refusal is None else refusal.reason)
        for name, refusal in why_not.items()
    ]
