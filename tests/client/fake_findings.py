"""What operators see in a World: things that do not fit, and acts that need a second person."""

from typing import Any

from tests.client.fake_shapes import at, usd
from tests.client.fake_world import World


def open_finding(
    world: World, code: str, kind: str, subject: str, severity: str = "critical", **amounts: str
) -> dict[str, Any]:
    """A finding, the newest."""
    found: dict[str, Any] = {
        "id": f"fnd_{len(world.findings) + 1:016d}",
        "code": code,
        "subject": {"type": kind, "id": subject},
        "severity": severity,
        "amounts": {name.replace("_", " "): usd(amount) for name, amount in amounts.items()},
        "detail": {},
        "since": at(300),
        "seen_at": at(60),
        "until": None,
        "owner": None,
        "at_stake": [],
        "repair": {"does": "Answer the bank.", "command": "sublet admin dispute show"},
        "settled_by": None,
        "resolution": None,
        "actions": closing(None),
    }
    world.findings.insert(0, found)
    return found


def closing(refusal: str | None) -> list[dict[str, Any]]:
    """What may be done with a finding."""
    return [{"name": name, "allowed": refusal is None, "reason": refusal} for name in ("resolve", "assign")]


def misunderstand(world: World, event: str, kind: str) -> dict[str, Any]:
    """An event of the card processor that is not understood, and the finding of it."""
    world.not_understood.add(event)
    found = open_finding(world, "payments.unhandled_event", "stripe_event", event, "error")
    found["detail"] = {"type": kind, "object": None}
    return found


def ask_approval(world: World, act: str, subject: str, by: str = "Bob", **parameters: Any) -> dict[str, Any]:
    """Somebody asks for a second person's consent; the operator is Ada, who may not decide on what she asked for."""
    refusal = "Somebody else than who asked has to decide." if by == "Ada" else None
    asked: dict[str, Any] = {
        "id": f"apr_{len(world.approvals) + 1:016d}",
        "act": act,
        "subject": subject,
        "parameters": parameters,
        "reason": "the node burnt down",
        "state": "requested",
        "requested_by": {"id": f"usr_{by.lower()}", "name": by},
        "requested_at": at(300),
        "expires_at": at(300 - 86400),
        "decided_by": None,
        "decided_at": None,
        "used_at": None,
    }
    asked["actions"] = decisions(refusal)
    world.approvals.insert(0, asked)
    return asked


def decisions(refusal: str | None) -> list[dict[str, Any]]:
    """What can be decided about an approval, or why nothing can."""
    return [{"name": name, "allowed": refusal is None, "reason": refusal} for name in ("approve", "reject")]
