"""The routes of the fake API: what is asked of the world, and how it answers or refuses."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.client.fake_shapes import Problem, at, per_hour, usd
from tests.client.fake_world import HOLD, OPERATOR_TOKEN, World


@dataclass(frozen=True)
class Asked:
    """One request."""

    world: World
    query: dict[str, str]
    body: dict[str, Any]
    token: str
    parts: dict[str, str]


Answer = tuple[int, Any]
ROUTES: list[tuple[str, re.Pattern[str], Callable[[Asked], Answer]]] = []


def route(method: str, path: str) -> Callable[[Callable[[Asked], Answer]], Callable[[Asked], Answer]]:
    """Register a handler for a path with `{names}`."""
    pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))

    def register(handler: Callable[[Asked], Answer]) -> Callable[[Asked], Answer]:
        ROUTES.append((method, pattern, handler))
        return handler

    return register


def page(asked: Asked, items: list[Any]) -> Answer:
    """A page by `limit` and `cursor`; the server's own limit is small, so that clients must turn pages."""
    start = int(asked.query.get("cursor", "0"))
    limit = min(int(asked.query.get("limit", "50")), 2)
    more = start + limit
    return 200, {"items": items[start:more], "next_cursor": str(more) if more < len(items) else None}


@route("GET", "/me")
def me(asked: Asked) -> Answer:
    operator = asked.token == OPERATOR_TOKEN
    organization = {"id": "org_0000000000000001", "name": "Acme", "role": "owner"}
    return 200, {
        "user": {"id": "usr_0000000000000001", "email": "ada@example.org", "email_verified": True, "name": "Ada"},
        "organization": organization,
        "organizations": [organization],
        "platform_roles": ["fleet", "admin"] if operator else [],
        "permissions": ["allocation:read"],
        "auth": "token",
        "terms_to_accept": None,
    }


@route("GET", "/offers")
def offers(asked: Asked) -> Answer:
    return 200, {"items": asked.world.offers(), "next_cursor": None}


@route("GET", "/skus")
def skus(asked: Asked) -> Answer:
    return page(asked, list(asked.world.skus.values()))


def find(asked: Asked) -> dict[str, Any]:
    wanted = asked.parts["id"]
    for allocation in asked.world.allocations.values():
        if wanted in {allocation["id"], allocation["name"]}:
            return allocation
    raise Problem(404, "not_found", f"There is no allocation {wanted!r} that you can see. Nothing was changed.")


@route("GET", "/allocations")
def allocations(asked: Asked) -> Answer:
    ended = {"released", "failed"}
    listed = [
        one
        for one in reversed(asked.world.allocations.values())
        if (asked.query.get("include_ended") == "true" or one["state"] not in ended)
        and one["state"] == asked.query.get("state", one["state"])
        and ("label" not in asked.query or asked.query["label"] in [f"{k}={v}" for k, v in one["labels"].items()])
    ]
    return page(asked, [asked.world.summary(one) for one in listed])


@route("POST", "/allocations")
def launch(asked: Asked) -> Answer:
    world = asked.world
    sku = world.skus.get(asked.body["offer_id"])
    if sku is None:
        raise Problem(404, "not_found", "There is no such offer. Nothing was changed.")
    price = world.price_of(sku["id"])
    if asked.body.get("price_id", price["id"]) != price["id"]:
        raise Problem(409, "price_changed", "The price changed. Nothing was launched. Look at the offer again.")
    if world.free[sku["id"]] == 0:
        raise Problem(409, "no_capacity", "No cpu-small is free. You were not charged. Choose another offer.")
    action = world.launch_action(sku["id"])
    if action["code"] == "launches_stopped":
        raise Problem(action["status"], action["code"], action["detail"])
    if world.balance - 1 < HOLD:
        raise Problem(402, "insufficient_funds", "Your balance is too low. Nothing was launched. Add funds.")
    name = asked.body.get("name") or "brave-otter"
    if any(one["name"] == name for one in world.allocations.values()):
        message = "An allocation has this name already."
        raise Problem(422, "invalid_input", message, errors=[{"field": "name", "message": message}])
    world.free[sku["id"]] -= 1
    created = world.allocation(name, sku, state="queued", seconds=0)
    created |= {"labels": asked.body.get("labels", {}), "environment": sorted(asked.body.get("environment", {}))}
    if "startup_script" in asked.body:
        created["startup"] = world.startup(state="waiting", ended_by=None, exit_code=None)
    return 202, world.begin(created, "provision")


@route("GET", "/allocations/{id}")
def show(asked: Asked) -> Answer:
    found = find(asked)
    asked.world.advance(found)
    return 200, found


@route("PATCH", "/allocations/{id}")
def change(asked: Asked) -> Answer:
    found = find(asked)
    labels = {**found["labels"], **asked.body["labels"]}
    found["labels"] = {key: value for key, value in labels.items() if value is not None}
    return 200, found


@route("GET", "/allocations/{id}/startup")
def startup(asked: Asked) -> Answer:
    found = find(asked)
    if found["startup"] is None:
        raise Problem(404, "not_found", "There is no startup script of it that you can see. Nothing was changed.")
    return 200, {**found["startup"], "output": "begun\n\x1b[2Jbad\tone\n", "seen_at": at()}


def _only(allocation: dict[str, Any], *states: str) -> None:
    if allocation["state"] not in states:
        raise Problem(409, "conflict", f"{allocation['name']} is {allocation['state']}. Nothing was changed.")


@route("GET", "/allocations/{id}/ports")
def ports(asked: Asked) -> Answer:
    return page(asked, find(asked)["ports"])


@route("POST", "/allocations/{id}/ports")
def publish_port(asked: Asked) -> Answer:
    found = find(asked)
    node = next(iter(asked.world.nodes.values()))
    if node["ports"] is None:
        raise Problem(409, "ports_not_given", "The operator gives no ports on its node. Nothing was changed.")
    made = {**asked.body, "id": asked.world.new_id("prt"), "host": node["address"], "state": "opening"}
    made |= {"node_port": node["ports"]["first"] + len(found["ports"]), "refusal": None, "actions": []}
    found["ports"].append(made)
    return 202, made


@route("DELETE", "/allocations/{id}/ports/{port}")
def withdraw_port(asked: Asked) -> Answer:
    gone = next(one for one in find(asked)["ports"] if one["id"] == asked.parts["port"])
    gone["state"] = "closing"
    return 202, gone


@route("POST", "/allocations/{id}/release")
def release(asked: Asked) -> Answer:
    found = find(asked)
    _only(found, "active", "suspended", "queued", "provisioning")
    found |= {"state": "releasing", "release_requested_at": at()}
    return 202, asked.world.begin(found, "release")


@route("POST", "/allocations/{id}/suspend")
def suspend(asked: Asked) -> Answer:
    found = find(asked)
    _only(found, "active")
    return 202, asked.world.begin(found, "suspend")


@route("POST", "/allocations/{id}/resume")
def resume(asked: Asked) -> Answer:
    found = find(asked)
    _only(found, "suspended")
    return 202, asked.world.begin(found, "resume")


@route("POST", "/allocations/{id}/restart-elsewhere")
def restart_elsewhere(asked: Asked) -> Answer:
    found = find(asked)
    _only(found, "lost")
    assert asked.body["price_id"] == found["restart_price"]["id"]
    found |= {"state": "releasing", "release_requested_at": at()}
    sku = asked.world.skus[found["sku"]["id"]]
    created = asked.world.allocation(f"{found['name']}-2", sku, state="queued", seconds=0)
    return 202, asked.world.begin(created, "provision")


@route("GET", "/allocations/{id}/operations")
def operations(asked: Asked) -> Answer:
    return page(asked, asked.world.operations.get(find(asked)["id"], []))


@route("GET", "/allocations/{id}/charges")
def charges(asked: Asked) -> Answer:
    return page(asked, asked.world.charges.get(find(asked)["id"], []))


@route("GET", "/allocations/{id}/history")
def history(asked: Asked) -> Answer:
    change = {"from": None, "to": "queued", "reason": "launched", "actor": "usr_1", "at": at()}
    return page(asked, [change] if find(asked) else [])


@route("POST", "/allocations/{id}/ssh-certificates")
def certificates(asked: Asked) -> Answer:
    found = find(asked)
    _only(found, "active")
    assert asked.world.certify is not None
    return 201, asked.world.certify(found, asked.body["public_key"])


@route("GET", "/wallet")
def wallet(asked: Asked) -> Answer:
    return 200, asked.world.wallet()


@route("GET", "/wallet/entries")
def entries(asked: Asked) -> Answer:
    kind, search = asked.query.get("kind"), asked.query.get("search", "")
    found = [one for one in asked.world.entries if kind in {None, one["kind"]} and search in one["description"]]
    return page(asked, found)


@route("GET", "/usage/by-day")
def usage_by_day(asked: Asked) -> Answer:
    used, nothing = usd("0.39"), usd("0")
    forecast = {"amount": usd("260.31"), "accrued": usd("0.0012"), "per_hour": per_hour("0.36"), "within_funds": False}
    return 200, {
        "month": asked.query.get("month", "2026-11"),
        "starts_at": "2026-11-01T00:00:00Z",
        "ends_at": "2026-12-01T00:00:00Z",
        "charged": used,
        "days": [
            {"day": "2026-11-01", "amount": nothing, "kinds": []},
            {"day": "2026-11-02", "amount": used, "kinds": [{"meter_kind": "compute", "amount": used}]},
        ],
        "forecast": None if "month" in asked.query else forecast,
    }


@route("GET", "/usage")
def usage(asked: Asked) -> Answer:
    return page(asked, [])


@route("GET", "/usage/{charge_id}")
def charge(asked: Asked) -> Answer:
    for subject, charges in asked.world.charges.items():
        for one in charges:
            if one["id"] == asked.parts["charge_id"]:
                return 200, {**one, **explained(one), "subject_id": subject, "subject_name": "api"}
    raise Problem(404, "not_found", "There is no charge of this id.")


def explained(charge: dict[str, Any]) -> dict[str, Any]:
    """What a charge rests on."""
    rate = charge["rate"]
    posted = {"effective_at": charge["period_end"], "recorded_at": charge["period_end"]}
    return {
        "meter_kind": "compute",
        "sku": {"id": "sku_0000000000000001", "code": "cpu-small", "name": "Small"},
        "price": {
            "id": charge["price_id"],
            "per_hour": rate,
            "suspended_per_hour": rate,
            "disk_per_hour": None,
            "effective_at": charge["period_start"],
        },
        "entry": {"id": charge["ledger_entry_id"], "kind": "usage", "description": "Usage of api", **posted},
        "observations": {
            "node_id": "nd_0000000000000001",
            "boot_id": "2f4c1a52-9b7e-4d0c-8b60-0c1b5a1f7d11",
            "first_at": charge["period_start"],
            "last_at": charge["period_end"],
            "count": 790,
        },
    }


@route("POST", "/top-ups")
def top_up(asked: Asked) -> Answer:
    created: dict[str, Any] = {
        "id": asked.world.new_id("tu"),
        "purpose": "top_up",
        "saved_card_id": None,
        "amount": usd(asked.body["amount"]),
        "state": "pending",
        "checkout_url": "http://127.0.0.1:12111/pay/cs_test_1",
        "failure": None,
        "fee": None,
        "created_at": at(),
        "completed_at": None,
        "actions": [{"name": "confirm", "allowed": False, "reason": "The bank asks for no confirmation of it."}],
    }
    asked.world.top_ups[created["id"]] = created
    return 201, created


@route("GET", "/top-ups/{id}")
def one_top_up(asked: Asked) -> Answer:
    return 200, asked.world.top_ups[asked.parts["id"]]


@route("GET", "/top-ups")
def top_ups(asked: Asked) -> Answer:
    return page(asked, list(asked.world.top_ups.values()))


@route("GET", "/events")
def events(asked: Asked) -> Answer:
    known = asked.world.events
    after = asked.query.get("after")
    if after is None:
        return 200, {"items": [], "next_cursor": known[-1]["id"] if known else "0-0"}
    start = next((number + 1 for number, one in enumerate(known) if one["id"] == after), 0)
    shown = known[start : start + 2]
    return 200, {"items": shown, "next_cursor": shown[-1]["id"] if shown else after}
