"""The finding that what is suspended is used all the same: by whom, on which evidence, until it is shown otherwise."""

from collections.abc import Sequence

from sublet.allocations.rows import Allocation
from sublet.core.db import Session
from sublet.findings import findings
from sublet.findings.findings import Severity
from sublet.fleet.backend import EvidenceCheck

NOT_GIVEN_BACK_CODE = "allocations.claim_not_given_back"

_HOLDERS_NAMED = 10


async def not_given_back(session: Session, allocation: Allocation, left: Sequence[EvidenceCheck]) -> None:
    """Its time is over, and its node does not show that its disk alone is in use; `left` is what it shows instead."""
    what = ", ".join(f"{one.name} ({one.detail})" for one in left) or "its node does not say"
    await _open(
        session,
        allocation,
        f"is to have its disk alone, is charged for that, and is not shown to have given the rest back: {what}."
        f"{_who(left)} Nobody else can have it meanwhile",
    )


async def used_while_kept(session: Session, allocation: Allocation, left: Sequence[EvidenceCheck]) -> None:
    """It keeps its claim while it is suspended, and others use its GPUs."""
    what = ", ".join(one.detail for one in left)
    problem = f"is suspended, is charged for that, and its GPUs are not shown to be unused: {what}.{_who(left)}"
    await _open(session, allocation, problem.removesuffix("."))


async def close(session: Session, allocation: Allocation) -> None:
    """It is shown to be unused, or it runs again, or it has ended."""
    await findings.close_finding(session, code=NOT_GIVEN_BACK_CODE, subject_type="allocation", subject_id=allocation.id)


async def _open(session: Session, allocation: Allocation, problem: str) -> None:
    await findings.open_finding(
        session,
        code=NOT_GIVEN_BACK_CODE,
        subject_type="allocation",
        subject_id=allocation.id,
        severity=Severity.CRITICAL,
        detail={"problem": problem, "node": allocation.node_id, "login": allocation.login},
    )


def _who(left: Sequence[EvidenceCheck]) -> str:
    holders = [str(holder) for one in left for holder in one.holders]
    return f" Who holds it: {'; '.join(holders[:_HOLDERS_NAMED])}." if holders else ""
