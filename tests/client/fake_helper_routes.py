"""The fake API's routes of the helpers of nodes."""

from typing import Any

from tests.client.fake_admin_routes import only_operators
from tests.client.fake_routes import Answer, Asked, page, route
from tests.client.fake_shapes import Problem, at

OURS = {"version": "0.2.0", "sha256": "2f" * 32}
_TOLD = "Upgrade the helpers (`sublet admin node upgrade --canary {name}` tries it on {name} first)."


def _drifted(asked: Asked) -> list[dict[str, Any]]:
    return [
        {
            "id": one["id"],
            "name": one["name"],
            "state": one["state"],
            "helper": {"version": one["helper_version"], "sha256": "1e" * 32},
            "standing": "other",
            "advice": _TOLD.format(name=one["name"]),
            "actions": [{"name": "upgrade_first", "allowed": True, "reason": None}],
        }
        for one in asked.world.nodes.values()
        if one["helper_version"] not in {None, OURS["version"]}
    ]


@route("GET", "/admin/helper-versions")
def versions(asked: Asked) -> Answer:
    only_operators(asked)
    counts = [{"helper": one["helper"], "standing": one["standing"], "nodes": 1} for one in _drifted(asked)]
    rollout = asked.world.rollouts[-1] if asked.world.rollouts else None
    upgrade = {"name": "upgrade", "allowed": rollout is None, "reason": None}
    return 200, {
        "ours": OURS,
        "minimum_version": "0.1.0",
        "counts": counts,
        "rollout": rollout,
        "actions": [upgrade],
    }


@route("GET", "/admin/helper-drift")
def drift(asked: Asked) -> Answer:
    only_operators(asked)
    return page(asked, _drifted(asked))


@route("POST", "/admin/helper-rollouts")
def start(asked: Asked) -> Answer:
    only_operators(asked)
    canary = asked.world.nodes[asked.body["canary"]]
    rollout = {
        "id": f"hro_000000000000000{1 + len(asked.world.rollouts)}",
        "helper": OURS,
        "phase": "canary",
        "reason": None,
        "started_by": "Operator",
        "started_at": at(),
        "ended_at": None,
        "canary": {
            "node_id": canary["id"],
            "node_name": canary["name"],
            "canary": True,
            "from_version": canary["helper_version"],
            "outcome": "waiting",
            "detail": None,
            "ended_at": None,
        },
        "failed": [],
        "waiting": len(_drifted(asked)),
        "done": 0,
        "left": 0,
        "actions": [{"name": "stop", "allowed": True, "reason": None}],
    }
    asked.world.rollouts.append(rollout)
    return 201, rollout


@route("GET", "/admin/helper-rollouts")
def listed(asked: Asked) -> Answer:
    only_operators(asked)
    return page(asked, asked.world.rollouts[::-1])


@route("GET", "/admin/helper-rollouts/{id}")
def shown(asked: Asked) -> Answer:
    only_operators(asked)
    return 200, _found(asked)


@route("GET", "/admin/helper-rollouts/{id}/nodes")
def upgraded(asked: Asked) -> Answer:
    only_operators(asked)
    return page(asked, [_found(asked)["canary"]])


def _found(asked: Asked) -> dict[str, Any]:
    found: dict[str, Any] | None = next((one for one in asked.world.rollouts if one["id"] == asked.parts["id"]), None)
    if found is None:
        raise Problem(404, "not_found", "There is no such rollout that you can see. Nothing was changed.")
    return found


@route("POST", "/admin/helper-rollouts/{id}/stop")
def stop(asked: Asked) -> Answer:
    only_operators(asked)
    found = _found(asked)
    found |= {"phase": "stopped", "reason": asked.body["reason"], "ended_at": at()}
    found |= {"left": found["waiting"], "waiting": 0}
    found["canary"]["outcome"] = "left"
    return 200, found
