"""What does not fit, and what operators mend by hand."""

from typing import TypedDict

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
