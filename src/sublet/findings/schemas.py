"""Findings as operators read them."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel

from sublet.core.actions import ActionOut, Refusal, actions_of
from sublet.core.actors import Actor, Permission
from sublet.core.money import MoneyField
from sublet.findings import findings
from sublet.findings.findings import Severity, StoredFinding
from sublet.findings.repairs import RepairsByCode

_DENIED = "This needs the platform role finance or admin."


class FindingSubjectOut(BaseModel):
    """What does not fit."""

    type: str
    id: str


class FindingOwnerOut(BaseModel):
    """Which operator sees to a finding."""

    id: str
    name: str


class RepairOut(BaseModel):
    """What mends it: a sentence, and the command of the command line where there is one."""

    does: str
    command: str | None


class HappenedOut(BaseModel):
    """One thing that became of a finding; `by` is an operator's name, or null for Sublet itself."""

    what: Literal["opened", "severity", "assigned", "given_back", "closed", "resolved"]
    by: str | None
    note: str | None
    at: datetime


class StoredFindingOut(BaseModel):
    """One thing that was found not to fit: open while `until` is null.

    `code` says what is wrong and stays the same; `detail` is for people to read and may change. `at_stake` is how much
    it is about, by currency. `resolution` is how an operator settled it; what a check no longer finds has none.
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
    owner: FindingOwnerOut | None
    at_stake: list[MoneyField]
    repair: RepairOut | None
    settled_by: str | None
    resolution: str | None
    actions: list[ActionOut]

    @classmethod
    def of(
        cls, stored: StoredFinding, actor: Actor, refusal: Refusal | None, *, repairs: RepairsByCode, **more: Any
    ) -> Self:
        """The finding as the API shows it; `refusal` is why it may not be closed on somebody's word."""
        owner = None
        if stored.owner_id is not None and stored.owner_name is not None:
            owner = FindingOwnerOut(id=stored.owner_id, name=stored.owner_name)
        repair = repairs.get(stored.code)
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
            owner=owner,
            at_stake=[amount.field() for amount in stored.at_stake],
            repair=None if repair is None else RepairOut(does=repair.does, command=repair.command),
            settled_by=stored.settled_by,
            resolution=stored.resolution,
            actions=actions_of(
                actor,
                Permission.ADMIN_FINDING_RESOLVE,
                _DENIED,
                {"resolve": refusal, "assign": findings.why_not_assign(stored)},
            ),
            **more,
        )


class FindingDetailOut(StoredFindingOut):
    """A finding with all that became of it, oldest first."""

    history: list[HappenedOut]
