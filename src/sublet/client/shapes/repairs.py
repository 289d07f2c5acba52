"""What does not fit, and what operators mend by hand."""

from typing import Any, TypedDict

from sublet.client.shapes.amounts import Money


class Finding(TypedDict):
    """One mismatch, with the amounts that do not fit by name."""

    subject: str
    detail: str
    amounts: dict[str, Money]


class CheckResult(TypedDict):
    """A check of reconciliation and what it found."""

    name: str
    ok: bool
    findings: list[Finding]


class Reconciliation(TypedDict):
    """The result of a reconciliation."""

    checks: list[CheckResult]
    ran_at: str


class SetAsideEvent(TypedDict):
    """An event that a handler kept refusing."""

    id: str
    type: str
    subject: str
    attempts: int
    last_error: str
    failed_at: str


class ReplayedEvent(TypedDict):
    """An event that was asked for again: `waiting` to be handled, or `done`."""

    id: str
    type: str
    subject: str
    state: str


class UnfinishedWork(TypedDict):
    """Work that does not come to its end: `trouble` is set_aside, crashing, failing, or waiting to be taken."""

    kind: str
    id: str
    place: str
    trouble: str
    attempts: int
    crashes: int
    last_error: str | None
    since: str


class RetriedWork(TypedDict):
    """Work that was asked for again; what was not set aside is tried by itself."""

    kind: str
    id: str
    was_set_aside: bool


class PaymentEventReceived(TypedDict):
    """An event of the card processor waits to be processed again."""

    received: bool


class FindingSubject(TypedDict):
    """What a finding is about."""

    type: str
    id: str


class FindingOwner(TypedDict):
    """Which operator sees to a finding."""

    id: str
    name: str


class Repair(TypedDict):
    """What mends it, and the command that does where there is one."""

    does: str
    command: str | None


class Happened(TypedDict):
    """One thing that became of a finding; `by` is an operator's name, or None for Sublet itself."""

    what: str
    by: str | None
    note: str | None
    at: str


class StoredFinding(TypedDict):
    """One thing that was found not to fit: open while `until` is null, last seen to be so at `seen_at`.

    `code` says what is wrong and stays the same; `detail` is for people to read and may change. `at_stake` is how much
    it is about, by currency.
    """

    id: str
    code: str
    subject: FindingSubject
    severity: str
    amounts: dict[str, Money]
    detail: dict[str, Any]
    since: str
    seen_at: str
    until: str | None
    owner: FindingOwner | None
    at_stake: list[Money]
    repair: Repair | None
    settled_by: str | None
    resolution: str | None


class FindingDetail(StoredFinding):
    """A finding with all that became of it, oldest first."""

    history: list[Happened]
