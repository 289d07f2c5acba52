"""The fake API's spending limits."""

from typing import Any

from tests.client.fake_routes import Answer, Asked, page, route
from tests.client.fake_shapes import Problem, at, usd
from tests.client.fake_world import World

ACTIONS = [{"name": name, "allowed": True, "reason": None} for name in ("set", "clear")]


def put_limit(world: World, limit_id: str, amount: str, *, spent: str = "0", reached: bool = False) -> dict[str, Any]:
    """A limit of a day, of a month or of an allocation, in place of the one before."""
    of_one = limit_id not in {"day", "month"}
    names = {one["id"]: one["name"] for one in world.allocations.values()}
    limit: dict[str, Any] = {
        "id": limit_id,
        "scope": "allocation" if of_one else limit_id,
        "subject_id": limit_id if of_one else None,
        "subject_name": names.get(limit_id),
        "amount": usd(amount),
        "spent": usd(spent),
        "left": usd(f"{float(amount) - float(spent):.2f}"),
        "reached": reached,
        "suspended": [],
        "period_started_at": None if of_one else at(3600),
        "period_ends_at": None if of_one else at(-3600),
        "actions": ACTIONS,
    }
    world.limits[limit_id] = limit
    return limit


@route("GET", "/spending-limits")
def limits(asked: Asked) -> Answer:
    status, found = page(asked, list(asked.world.limits.values()))
    return status, {**found, "actions": ACTIONS[:1]}


@route("PATCH", "/spending-limits/{id}")
def put(asked: Asked) -> Answer:
    return 200, put_limit(asked.world, asked.parts["id"], asked.body["amount"])


@route("DELETE", "/spending-limits/{id}")
def clear(asked: Asked) -> Answer:
    limit = asked.world.limits.get(asked.parts["id"])
    if limit is None or limit["amount"]["currency"] != asked.query["currency"]:
        raise Problem(404, "not_found", "There is no spending limit of that that you can see. Nothing was changed.")
    del asked.world.limits[asked.parts["id"]]
    return 204, None
