"""What operators do with a node over its life, in the fake API."""

from tests.client.fake_admin_routes import node_of
from tests.client.fake_findings import ask_approval
from tests.client.fake_routes import Answer, Asked, route
from tests.client.fake_shapes import at

_BECOMES = {
    "drain": "draining",
    "stop-drain": "cordoned",
    "maintenance": "maintenance",
    "quarantine": "quarantined",
    "put-back": "ready",
    "retire": "retired",
}


def _change(asked: Asked, act: str) -> Answer:
    found = node_of(asked)
    stays = act == "self-test" or (found["state"] == "quarantined" and act in {"drain", "stop-drain"})
    found["state"] = found["state"] if stays else _BECOMES[act]
    if act == "drain":
        asked.world.drain = {
            "id": "drn_1",
            "reason": asked.body["reason"],
            "begun_by": "Operator",
            "begun_at": at(0),
            "deadline_at": "2030-01-01T00:00:00Z",
            "credit_seconds": asked.body["credit_seconds"],
        }
    return 202 if act == "self-test" else 200, found


@route("POST", "/admin/nodes/{id}/drain")
def drain(asked: Asked) -> Answer:
    return _change(asked, "drain")


@route("POST", "/admin/nodes/{id}/stop-drain")
def stop_drain(asked: Asked) -> Answer:
    return _change(asked, "stop-drain")


@route("POST", "/admin/nodes/{id}/maintenance")
def maintain(asked: Asked) -> Answer:
    return _change(asked, "maintenance")


@route("POST", "/admin/nodes/{id}/quarantine")
def quarantine(asked: Asked) -> Answer:
    return _change(asked, "quarantine")


@route("POST", "/admin/nodes/{id}/self-test")
def self_test(asked: Asked) -> Answer:
    return _change(asked, "self-test")


@route("POST", "/admin/nodes/{id}/put-back")
def put_back(asked: Asked) -> Answer:
    return _change(asked, "put-back")


@route("POST", "/admin/nodes/{id}/retire")
def retire(asked: Asked) -> Answer:
    return _change(asked, "retire")


@route("POST", "/admin/nodes/{id}/force-release")
def force_release(asked: Asked) -> Answer:
    found = node_of(asked)
    credit = {"credit_seconds": asked.body["credit_seconds"]}
    approval = ask_approval(asked.world, "node.force_release", found["id"], "Ada", **credit)
    return 200, {"node": found, "approval": approval}
