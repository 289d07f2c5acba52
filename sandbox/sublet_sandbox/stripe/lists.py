"""List objects with Stripe's cursors."""

from __future__ import annotations

from sublet_sandbox.stripe.errors import refused
from sublet_sandbox.stripe.params import ListParams
from sublet_sandbox.stripe.store import Resource
from sublet_sandbox.stripe.work import Work, public


def listed(
    work: Work,
    kind: str,
    url: str,
    params: ListParams,
    *,
    any_of: dict[str, list[str]] | None = None,
    exclude: frozenset[str] = frozenset(),
) -> Resource:
    """A page, newest first, of the objects that match the parameters' own filters."""
    if params.starting_after and params.ending_before:
        raise refused("You can only use one of starting_after and ending_before.", param="ending_before")
    for param in ("starting_after", "ending_before"):
        if anchor := getattr(params, param):
            work.fetch(kind, anchor, param=param)
    found = work.store.find(
        kind,
        equal={name: value for name, value in params.filters().items() if name not in exclude},
        any_of=any_of,
        created=params.created_range(),
        after=params.starting_after,
        before=params.ending_before,
        limit=params.limit + 1,
    )
    page = found[: params.limit]
    if params.ending_before:
        page.reverse()
    data = [public(item) for item in page]
    return {"object": "list", "url": url, "has_more": len(found) > params.limit, "data": data}
