"""The fake API's inbox."""

from typing import Any

from tests.client.fake_routes import Answer, Asked, page, route
from tests.client.fake_shapes import Problem, at
from tests.client.fake_world import World


def add_notice(world: World, title: str = "Your funds last for another 22 h 13 min", **changes: Any) -> dict[str, Any]:
    """Something that the person was told, the newest."""
    told: dict[str, Any] = {
        "id": f"ntc_{len(world.notices) + 1:016d}",
        "kind": "wallet.low",
        "organization_id": "org_1",
        "title": title,
        "sentences": ["Its funds last for another 22 h 13 min.", "Add funds, or release what is not needed."],
        "link": "/billing",
        "link_says": "Add funds",
        "created_at": at(60),
        "read_at": None,
        "mailed_at": None,
        "not_mailed_because": None,
        **changes,
    }
    world.notices.insert(0, told)
    return told


@route("GET", "/notices")
def listed(asked: Asked) -> Answer:
    wanted = [one for one in asked.world.notices if "unread" not in asked.query or one["read_at"] is None]
    return page(asked, wanted)


@route("GET", "/notices/{id}")
def shown(asked: Asked) -> Answer:
    return 200, _find(asked.world, asked.parts["id"])


@route("POST", "/notices/{id}/read")
def read(asked: Asked) -> Answer:
    _find(asked.world, asked.parts["id"])["read_at"] = at()
    return 204, None


@route("POST", "/notices/read")
def read_all(asked: Asked) -> Answer:
    world = asked.world
    place = world.notices.index(_find(world, asked.body["up_to"]))
    unread = [one for one in world.notices[place:] if one["read_at"] is None]
    for one in unread:
        one["read_at"] = at()
    return 200, {"marked": len(unread)}


def _find(world: World, notice_id: str) -> dict[str, Any]:
    for one in world.notices:
        if one["id"] == notice_id:
            return one
    raise Problem(404, "not_found", f"There is no notice {notice_id}. Nothing was changed.")
