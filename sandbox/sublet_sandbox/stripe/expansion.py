"""`expand`: ids replaced by the objects they name, up to four levels down."""

from __future__ import annotations

from sublet_sandbox.stripe.errors import refused
from sublet_sandbox.stripe.store import Resource
from sublet_sandbox.stripe.work import Work, public

MAX_DEPTH = 4
LISTED_INSIDE = 10
"""So many of a list are shown inside the object that has it."""
_EXPANDABLE = {
    "balance_transaction": {"source"},
    "charge": {"balance_transaction", "customer", "payment_intent"},
    "checkout.session": {"customer", "payment_intent", "setup_intent"},
    "dispute": {"charge", "payment_intent"},
    "payment_intent": {"customer", "latest_charge", "payment_method"},
    "payment_method": {"customer"},
    "setup_intent": {"customer", "payment_method"},
    "payout": {"balance_transaction", "failure_balance_transaction"},
    "refund": {"balance_transaction", "charge", "payment_intent"},
}


def expand(work: Work, resource: Resource, paths: list[str]) -> Resource:
    """Expand in place and return the object; a property that cannot be expanded is refused."""
    for path in paths:
        parts = path.split(".")
        if len([part for part in parts if part != "data"]) > MAX_DEPTH:
            raise refused(f"You cannot expand more than {MAX_DEPTH} levels of a property. Property: {path}")
        _expand(work, resource, parts, path)
    return resource


def _expand(work: Work, resource: Resource, parts: list[str], path: str) -> None:
    head, *rest = parts
    kind = str(resource.get("object"))
    if kind == "list":
        if head != "data" or not rest:
            raise _impossible(path)
        for item in resource["data"]:
            _expand(work, item, rest, path)
        return
    if (kind, head) in _INCLUDED:
        resource.setdefault(head, _INCLUDED[kind, head](work, resource))
    elif head not in _EXPANDABLE.get(kind, set()):
        raise _impossible(path)
    elif isinstance(resource[head], str):
        target = work.store.get(resource[head])
        assert target is not None  # the store holds every object it refers to
        resource[head] = public(target)
    if rest and isinstance(resource[head], dict):
        _expand(work, resource[head], rest, path)


def _impossible(path: str) -> Exception:
    return refused(f"This property cannot be expanded ({path}).", param="expand")


def _line_items(work: Work, session: Resource) -> Resource:
    items = work.fetch("checkout.session", session["id"])["_line_items"]
    url = f"/v1/checkout/sessions/{session['id']}/line_items"
    return {"object": "list", "url": url, "has_more": False, "data": items}


def _refunds(work: Work, charge: Resource) -> Resource:
    found = work.store.find("refund", equal={"charge": charge["id"]}, limit=LISTED_INSIDE + 1)
    data = [public(refund) for refund in found[:LISTED_INSIDE]]
    url = f"/v1/charges/{charge['id']}/refunds"
    return {"object": "list", "url": url, "has_more": len(found) > LISTED_INSIDE, "data": data}


_INCLUDED = {("checkout.session", "line_items"): _line_items, ("charge", "refunds"): _refunds}
