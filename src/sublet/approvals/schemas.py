"""Approvals as operators read and decide them."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, StringConstraints

from sublet.approvals.approvals import Approval, why_not_decide
from sublet.approvals.states import ApprovalState
from sublet.core.actions import ActionOut, actions_of
from sublet.core.actors import Actor, Permission

_DENIED = "This needs the platform role fleet, finance or admin."


class ApproverOut(BaseModel):
    """Somebody who asked or decided, as they were called then."""

    id: str
    name: str


class ApprovalOut(BaseModel):
    """An act that needs a second person: what it is, who asked for it and why, and what came of it.

    It can be decided and used until `expires_at`, and by then is `expired`.
    """

    id: str
    act: str
    subject: str
    parameters: dict[str, Any]
    reason: str
    state: ApprovalState
    requested_by: ApproverOut
    requested_at: datetime
    expires_at: datetime
    decided_by: ApproverOut | None
    decided_at: datetime | None
    used_at: datetime | None
    actions: list[ActionOut]

    @classmethod
    def of(cls, one: Approval, actor: Actor) -> Self:
        """The approval as the API shows it to somebody."""
        return cls(
            id=one.id,
            act=one.act,
            subject=one.subject,
            parameters=one.parameters,
            reason=one.reason,
            state=one.state,
            requested_by=ApproverOut(id=one.requested_by, name=one.requested_by_name),
            requested_at=one.requested_at,
            expires_at=one.expires_at,
            decided_by=None
            if one.decided_by is None or one.decided_by_name is None
            else ApproverOut(id=one.decided_by, name=one.decided_by_name),
            decided_at=one.decided_at,
            used_at=one.used_at,
            actions=_actions(one, actor),
        )


def _actions(one: Approval, actor: Actor) -> list[ActionOut]:
    """Both decisions; only consent asks for a fresh sign-in, as its route does."""
    refusal, decides = why_not_decide(one, actor), Permission.ADMIN_APPROVAL_DECIDE
    return [
        *actions_of(actor, decides, _DENIED, {"approve": refusal}, fresh=True),
        *actions_of(actor, decides, _DENIED, {"reject": refusal}),
    ]


class Decision(BaseModel):
    """Why somebody decides as they do; it is kept in the approval's history."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
