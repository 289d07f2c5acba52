"""The fake API's routes of findings, approvals and the card processor's events."""

from typing import Any

from tests.client.fake_admin_routes import only_operators
from tests.client.fake_findings import closing, decisions
from tests.client.fake_routes import Answer, Asked, page, route
from tests.client.fake_shapes import Problem, at


def _reason(asked: Asked, *, shortest: int) -> str:
    reason = str(asked.body.get("reason", "")).strip()
    if len(reason) < shortest:
        message = f"String should have at least {shortest} characters"
        told = "Some of the input is not valid. Nothing was changed."
        raise Problem(422, "invalid_input", told, errors=[{"field": "reason", "message": message}])
    return reason


def _only_known(asked: Asked, kind: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    only_operators(asked)
    found = next((one for one in items if one["id"] == asked.parts["id"]), None)
    if found is None:
        told = f"There is no {kind} {asked.parts['id']!r} that you can see. Nothing was changed."
        raise Problem(404, "not_found", told)
    return found


@route("GET", "/admin/findings")
def findings(asked: Asked) -> Answer:
    only_operators(asked)

    def seen(one: dict[str, Any]) -> dict[str, Any]:
        state = "open" if one["until"] is None else "closed"
        return {
            "state": state,
            "subject_id": one["subject"]["id"],
            "code": one["code"],
            "severity": one["severity"],
            "owner_id": "nobody" if one["owner"] is None else one["owner"]["id"],
        }

    wanted = {name: value for name, value in asked.query.items() if name not in {"limit", "cursor"}}
    return page(asked, [one for one in asked.world.findings if wanted.items() <= seen(one).items()])


@route("GET", "/admin/finding-owners")
def finding_owners(asked: Asked) -> Answer:
    only_operators(asked)
    return page(asked, [{"id": "usr_0000000000000001", "name": "Ada"}])


@route("GET", "/admin/findings/{id}")
def finding(asked: Asked) -> Answer:
    found = _only_known(asked, "finding", asked.world.findings)
    history = [{"what": "opened", "by": None, "note": found["severity"], "at": found["since"]}]
    if found["owner"] is not None:
        history.append({"what": "assigned", "by": "Ada", "note": found["owner"]["name"], "at": at()})
    return 200, {**found, "history": history}


@route("POST", "/admin/findings/{id}/assign")
def assign_finding(asked: Asked) -> Answer:
    found = _only_known(asked, "finding", asked.world.findings)
    owner = asked.body["owner_id"]
    found["owner"] = None if owner is None else {"id": owner, "name": "Ada"}
    return 200, found


@route("POST", "/admin/findings/{id}/resolve")
def resolve_finding(asked: Asked) -> Answer:
    found = _only_known(asked, "finding", asked.world.findings)
    _reason(asked, shortest=3)
    refusal = found["actions"][0]["reason"]
    if refusal is not None:
        raise Problem(409, "conflict", f"{refusal} Nothing was changed.")
    found |= {"until": at(), "settled_by": "Ada", "resolution": str(asked.body["reason"]).strip()}
    closed = f"The finding {found['id']} is closed since {found['until']}."
    found["actions"] = closing(closed)
    return 200, found


@route("POST", "/admin/payment-events/{id}/process")
def process_payment_event(asked: Asked) -> Answer:
    event = asked.parts["id"]
    told = [{"id": one["subject"]["id"]} for one in asked.world.findings]
    _only_known(asked, "payment event", told)
    if event not in asked.world.not_understood:
        raise Problem(409, "conflict", f"The event {event} is not one that was not understood. Nothing was changed.")
    asked.world.not_understood.remove(event)
    return 202, {"received": True}


@route("GET", "/admin/approvals")
def approvals(asked: Asked) -> Answer:
    only_operators(asked)
    state = asked.query.get("state")
    return page(asked, [one for one in asked.world.approvals if state in {None, one["state"]}])


@route("GET", "/admin/approvals/{id}")
def approval(asked: Asked) -> Answer:
    return 200, _only_known(asked, "approval", asked.world.approvals)


@route("POST", "/admin/approvals/{id}/reject")
def reject(asked: Asked) -> Answer:
    found = _only_known(asked, "approval", asked.world.approvals)
    _reason(asked, shortest=1)
    refusal = found["actions"][1]["reason"]
    if refusal is not None:
        own = found["state"] == "requested"
        status, code = (403, "approval_needs_somebody_else") if own else (409, "approval_already_decided")
        raise Problem(status, code, f"{refusal} Nothing was changed.")
    found |= {"state": "rejected", "decided_by": {"id": "usr_ada", "name": "Ada"}, "decided_at": at()}
    found["actions"] = decisions("It is rejected already.")
    return 200, found
