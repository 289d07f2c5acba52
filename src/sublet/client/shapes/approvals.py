"""What operators do only with a second person's consent."""

from typing import Any, TypedDict

from sublet.client.shapes.amounts import Action


class Approver(TypedDict):
    """Somebody who asked or decided, as they were called then."""

    id: str
    name: str


class Approval(TypedDict):
    """An act that needs a second person: what it is, who asked for it and why, and what came of it.

    It can be decided and used until `expires_at`. `actions` are the decisions, and why the caller may not take them.
    """

    id: str
    act: str
    subject: str
    parameters: dict[str, Any]
    reason: str
    state: str
    requested_by: Approver
    requested_at: str
    expires_at: str
    decided_by: Approver | None
    decided_at: str | None
    used_at: str | None
    actions: list[Action]
