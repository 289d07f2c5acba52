"""What a caller may do with a resource now, and why not: one shape for every resource and every list."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel

from sublet.core.access import Actor, Permission
from sublet.core.pages import Page

T = TypeVar("T")


class ActionOut(BaseModel):
    """Something that can be done with a resource; `reason` says why the caller may not do it now."""

    name: str
    allowed: bool
    reason: str | None


class ManagedPage(Page[T]):
    """A page of a list, with what the caller may do to the list itself."""

    actions: list[ActionOut]


def actions_of(
    actor: Actor, permission: Permission, denied: str, in_the_way: Mapping[str, str | None]
) -> list[ActionOut]:
    """Actions that one permission opens: `in_the_way` says by name what forbids it now, `denied` what it takes."""
    permitted = actor.can(permission)
    return [
        ActionOut(name=name, allowed=permitted and reason is None, reason=reason if permitted else denied)
        for name, reason in in_the_way.items()
    ]
