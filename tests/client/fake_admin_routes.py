"""The operator's routes of the fake API."""

from typing import Any

from tests.client.fake_names import CHECKS, ENROLMENT, join_command
from tests.client.fake_routes import Answer, Asked, page, route
from tests.client.fake_shapes import Problem, at, usd
from tests.client.fake_world import OPERATOR_TOKEN


def only_operators(asked: Asked) -> None:
    """Refuse a customer."""
    if asked.token != OPERATOR_TOKEN:
        raise Problem(
            403, "permission_denied", "This needs a platform role, which you do not have. Nothing was changed."
        )


def node_of(asked: Asked) -> dict[str, Any]:
    only_operators(asked)
    found = asked.world.nodes.get(asked.parts["id"])
    if found is None:
        raise Problem(
            404, "not_found", f"There is no node {asked.parts['id']!r} that you can see. Nothing was changed."
        )
    return found


def _join(token: str) -> dict[str, str]:
    command = join_command("https://sublet.example.org", token)
    return {"command": command, "token": token, "expires_at": "2030-01-01T00:00:00Z"}


def _managed(asked: Asked, items: list[Any], action: str) -> Answer:
    status, listed = page(asked, items)
    return status, {**listed, "actions": [{"name": action, "allowed": True, "reason": None}]}


def _checklist(node: dict[str, Any]) -> list[dict[str, Any]]:
    if node["state"] != "enrolling":
        return [{"name": name, "state": "done", "detail": "done", "fix": None} for name in ENROLMENT]
    todo = {"joined": "Run it on the machine as root."}
    return [
        {
            "name": name,
            "state": "done" if name == "added" else "waiting",
            "detail": detail.format(**node),
            "fix": todo.get(name),
        }
        for name, detail in ENROLMENT.items()
    ]


@route("GET", "/admin/nodes")
def nodes(asked: Asked) -> Answer:
    only_operators(asked)
    wanted = asked.query.get("name")
    found = [one for one in asked.world.nodes.values() if wanted in {None, one["name"]}]
    return _managed(asked, found, "add")


@route("POST", "/admin/nodes")
def add_node(asked: Asked) -> Answer:
    only_operators(asked)
    return 201, {"node": asked.world.add_node(**asked.body), "join": _join("sublet_join_first")}


@route("GET", "/admin/nodes/{id}")
def node(asked: Asked) -> Answer:
    found = node_of(asked)
    left: dict[str, Any] = {"strangers": asked.world.strangers, "kept": asked.world.kept}
    left |= {"residents": asked.world.residents, "drain": asked.world.drain}
    left |= {"self_test": asked.world.self_test, "self_tested_at": None}
    return 200, {**found, "enrolment": _checklist(found), "history": [], **left}


@route("POST", "/admin/nodes/{id}/join-token")
def join_token(asked: Asked) -> Answer:
    node_of(asked)
    return 200, _join("sublet_join_second")


@route("PATCH", "/admin/nodes/{id}")
def change_node(asked: Asked) -> Answer:
    found = node_of(asked)
    found.update(asked.body)
    return 200, found


@route("DELETE", "/admin/nodes/{id}")
def remove_node(asked: Asked) -> Answer:
    found = node_of(asked)
    del asked.world.nodes[found["id"]]
    return 204, None


@route("POST", "/admin/nodes/{id}/cordon")
def cordon(asked: Asked) -> Answer:
    found = node_of(asked)
    found["state"] = "cordoned"
    return 200, found


@route("POST", "/admin/nodes/{id}/uncordon")
def uncordon(asked: Asked) -> Answer:
    found = node_of(asked)
    found["state"] = "ready"
    return 200, found


def _gpu(asked: Asked) -> dict[str, Any]:
    for gpu in node_of(asked)["inventory"]["gpus"]:
        if gpu["uuid"] == asked.parts["uuid"]:
            return gpu
    raise Problem(404, "not_found", "There is no such GPU. Nothing was changed.")


@route("POST", "/admin/nodes/{id}/gpus/{uuid}/quarantine")
def quarantine_gpu(asked: Asked) -> Answer:
    found = _gpu(asked)
    why = {"code": "by_operator", "reason": asked.body["reason"], "at": at(0)}
    return 200, found | {"state": "quarantined", "quarantine": why}


@route("POST", "/admin/nodes/{id}/ports")
def set_ports(asked: Asked) -> Answer:
    found = node_of(asked)
    found["ports"] = asked.body["range"]
    return 200, found


@route("POST", "/admin/nodes/{id}/gpus/{uuid}/clear")
def clear_gpu(asked: Asked) -> Answer:
    found = _gpu(asked)
    found |= {"state": "available", "quarantine": None}
    return 200, found


@route("GET", "/admin/skus")
def skus(asked: Asked) -> Answer:
    only_operators(asked)
    return _managed(asked, [asked.world.managed(sku) for sku in asked.world.skus.values()], "create")


@route("POST", "/admin/skus")
def add_sku(asked: Asked) -> Answer:
    only_operators(asked)
    sku = {"gpu_model": None, **asked.body, "id": asked.world.new_id("sku"), "active": True, "created_at": at()}
    asked.world.skus[sku["id"]] = sku
    asked.world.free[sku["id"]] = 1
    return 201, asked.world.managed(sku)


@route("GET", "/admin/skus/{id}")
def sku(asked: Asked) -> Answer:
    only_operators(asked)
    found = asked.world.skus.get(asked.parts["id"])
    if found is None:
        raise Problem(404, "not_found", "There is no such SKU. Nothing was changed.")
    return 200, asked.world.managed(found)


@route("PATCH", "/admin/skus/{id}")
def change_sku(asked: Asked) -> Answer:
    only_operators(asked)
    asked.world.skus[asked.parts["id"]] |= asked.body
    return 200, asked.world.managed(asked.world.skus[asked.parts["id"]])


@route("GET", "/admin/prices")
def prices(asked: Asked) -> Answer:
    only_operators(asked)
    chosen = asked.query.get("sku_id")
    return page(asked, [asked.world.listed(one) for one in asked.world.prices if chosen in {None, one["sku_id"]}])


@route("POST", "/admin/prices")
def set_price(asked: Asked) -> Answer:
    only_operators(asked)
    body = asked.body
    effective_at = body.get("effective_at", at())
    terms = {name: body[name] for name in ("suspended_claim", "suspended_claim_hours", "disk_per_hour") if name in body}
    suspended = body.get("suspended_per_hour") or body["disk_per_hour"]
    made = asked.world.add_price(body["sku_id"], body["per_hour"], suspended, effective_at, **terms)
    return 201, asked.world.listed(made)


@route("GET", "/admin/allocations")
def allocations(asked: Asked) -> Answer:
    only_operators(asked)
    state = asked.query.get("state")
    listed = [one for one in asked.world.allocations.values() if state in {None, one["state"]}]
    return page(asked, [asked.world.admin_summary(one) for one in listed])


@route("GET", "/admin/events/set-aside")
def set_aside_events(asked: Asked) -> Answer:
    only_operators(asked)
    return page(asked, asked.world.set_aside)


@route("POST", "/admin/events/{id}/replay")
def replay_event(asked: Asked) -> Answer:
    only_operators(asked)
    chosen = [one for one in asked.world.set_aside if one["id"] == asked.parts["id"]]
    known = chosen or [one for one in asked.world.events if one["id"] == asked.parts["id"]]
    if not known:
        raise Problem(404, "not_found", "There is no such event. Nothing was changed.")
    asked.world.set_aside = [one for one in asked.world.set_aside if one not in chosen]
    told = {field: known[0][field] for field in ("id", "type", "subject")}
    return 200, {**told, "state": "waiting" if chosen else "done"}


@route("GET", "/admin/work")
def unfinished_work(asked: Asked) -> Answer:
    only_operators(asked)
    return page(asked, asked.world.unfinished)


@route("POST", "/admin/work/{kind}/{id}/retry")
def retry_work(asked: Asked) -> Answer:
    only_operators(asked)
    wanted = (asked.parts["kind"], asked.parts["id"])
    found = [one for one in asked.world.unfinished if (one["kind"], one["id"]) == wanted]
    if not found:
        raise Problem(404, "not_found", "There is no such work. Nothing was changed.")
    chosen = [one for one in found if one["trouble"] == "set_aside"]
    asked.world.unfinished = [one for one in asked.world.unfinished if one not in chosen]
    return 200, {"kind": wanted[0], "id": wanted[1], "was_set_aside": bool(chosen)}


@route("POST", "/admin/reconcile")
def reconcile(asked: Asked) -> Answer:
    only_operators(asked)
    wrong = [] if asked.world.checks_ok else ["held funds"]
    finding = {
        "subject": "account:wallet:org_0000000000000001:USD",
        "detail": "what is held is not what open holds and their history say",
        "amounts": {"held": usd("1"), "open holds": usd("2.500001")},
    }
    checks = [{"name": name, "ok": name not in wrong, "findings": [finding] * (name in wrong)} for name in CHECKS]
    return 200, {"checks": checks, "ran_at": at()}
