"""Findings as operators read them."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel

from sublet.core.actions import ActionOut, Refusal, actions_of
from sublet.core.actors import Actor, Permission
from sublet.core.money import MoneyField
from sublet.findings.findings import Severity, StoredFinding

_DENIED = "This needs the platform role finance or admin."


class FindingSubjectOut(BaseModel):
    """What does not fit."""

    type: str
    id: str


class StoredFindingOut(BaseModel):
    """One thing that was found not to fit: open while `until` is null.

    `code` says what is wrong and stays the same; `detail` is for people to read and may change.
    """

    id: str
    code: str
    subject: FindingSubjectOut
    severity: Severity
    amounts: dict[str, MoneyField]
    detail: dict[str, Any]
    since: datetime
    seen_at: datetime
    until: datetime | None
    actions: list[ActionOut]

    @classmethod
    def of(cls, stored: StoredFinding, actor: Actor, refusal: Refusal | None) -> Self:
        """The finding as the API shows it; `refusal` is why it may not be closed on somebody's word."""
        return cls(
            id=stored.id,
            code=stored.code,
            subject=FindingSubjectOut(type=stored.subject_type, id=stored.subject_id),
            severity=stored.severity,
            amounts={name: amount.field() for name, amount in stored.amounts.items()},
            detail=stored.detail,
            since=stored.since,
            seen_at=stored.seen_at,
            until=stored.until,
            actions=actions_of(actor, Permission.ADMIN_FINDING_RESOLVE, _DENIED, {"resolve": refusal}),
        )
