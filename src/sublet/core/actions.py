"""What a caller may do with a resource now, and why not: one shape for every resource and every list.

Whether something may be done is one function, `why_not_…`, which answers with a `Refusal` or None. What offers the
action shows its reason; the command raises its problem. So nothing is offered and then refused, or the other way round.
How the caller signed in is such a reason too, `why_not_as_signed_in`, which a route asks before its command.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel

from sublet.core.actors import FRESH_SECONDS, Actor, Permission
from sublet.core.errors import FreshSignInRequired, SecondFactorRequired, SubletError, TermsNotAccepted
from sublet.core.pages import Page

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something may not be done now: a sentence, and the error with which the command answers.

    `outcome` and `advice` are what the command adds: what it did to work and money, and what to do. `extra` are further
    fields of its answer.
    """

    error: type[SubletError]
    reason: str
    advice: str = ""
    outcome: str = "Nothing was changed."
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def problem(self) -> SubletError:
        """What the command raises."""
        told = " ".join(part for part in (self.reason, self.outcome, self.advice) if part)
        return self.error(told, extra=dict(self.extra))


_NOT_STRONG = Refusal(
    SecondFactorRequired,
    "This needs somebody who signed in with a second factor: add one to your account, and sign in with it in a "
    "browser.",
)
_NOT_FRESH = Refusal(
    FreshSignInRequired,
    f"Sign in again in a browser, and do this within {FRESH_SECONDS / 60:.0f} minutes: an open browser or an API token "
    "alone cannot do it.",
    extra={"fresh_seconds": FRESH_SECONDS},
)


def why_not_as_signed_in(
    actor: Actor, *, fresh: bool = False, second_factor: bool = False, pays_in: bool = False
) -> Refusal | None:
    """Why something that takes a fresh sign-in, or a second factor, is not for an actor who signed in as they did.

    What `pays_in` is not for a person who has not accepted the terms in force, by whatever they ask.
    """
    if pays_in and actor.owed_terms is not None:
        return Refusal(
            TermsNotAccepted,
            f"You have not accepted the terms that are in force: {actor.owed_terms}.",
            "Sign in to the console and accept them, then do it again.",
            outcome="Nothing was charged. What was paid already can be used.",
        )
    if second_factor and not actor.is_strong:
        return _NOT_STRONG
    if fresh and not actor.is_fresh:
        return _NOT_FRESH
    return None


class ActionOut(BaseModel):
    """Something that can be done with a resource; `reason` says why the caller may not do it now."""

    name: str
    allowed: bool
    reason: str | None


class ManagedPage(Page[T]):
    """A page of a list, with what the caller may do to the list itself."""

    actions: list[ActionOut]


def actions_of(
    actor: Actor,
    permission: Permission,
    denied: str,
    why_not: Mapping[str, Refusal | None],
    *,
    fresh: bool = False,
    second_factor: bool = False,
    pays_in: bool = False,
) -> list[ActionOut]:
    """Actions that one permission opens: `why_not` says by name what forbids it now, `denied` what it takes.

    `fresh`, `second_factor` and `pays_in` are what the actions' routes ask of the caller. They come first, as there.
    """
    if not actor.can(permission):
        return [ActionOut(name=name, allowed=False, reason=denied) for name in why_not]
    unproven = why_not_as_signed_in(actor, fresh=fresh, second_factor=second_factor, pays_in=pays_in)
    return [_action(name, unproven or refusal) for name, refusal in why_not.items()]


def _action(name: str, refusal: Refusal | None) -> ActionOut:
    return ActionOut(name=name, allowed=refusal is None, reason=None if refusal is None else refusal.reason)
