"""Operator routes that span domains: run the books' checks now."""

from datetime import datetime

from pydantic import BaseModel

from sublet.allocations.sweep import ended_among
from sublet.audit.records import record
from sublet.billing import checks
from sublet.core.access import Permission
from sublet.core.clock import database_now
from sublet.core.http import ActorDep, SessionDep, SubletRouter
from sublet.core.outbox import parked
from sublet.ledger import reconcile
from sublet.ledger.reconcile import CheckResult, Finding

router = SubletRouter(prefix="/api/v1/admin", tags=["operator"])


class FindingOut(BaseModel):
    """One mismatch that a check found."""

    subject: str
    detail: str


class CheckOut(BaseModel):
    """One check of the books: it holds, or these are its findings."""

    name: str
    ok: bool
    findings: list[FindingOut]


class ReconciliationOut(BaseModel):
    """The outcome of one run over all checks."""

    checks: list[CheckOut]
    ran_at: datetime


@router.post("/reconcile", permission=Permission.ADMIN_RECONCILE)
async def run_reconciliation(actor: ActorDep, session: SessionDep) -> ReconciliationOut:
    """Run every check of the books now; changes nothing but the audit trail."""
    results = [*await reconcile.run(session, ended_among=ended_among), *await checks.run(session)]
    refused = [Finding(subject, detail) for subject, detail in await parked(session)]
    results.append(CheckResult("events set aside", refused))
    await record(session, actor, "ledger.reconciled", "ledger", "all")
    return ReconciliationOut(
        checks=[
            CheckOut(
                name=result.name,
                ok=result.ok,
                findings=[FindingOut(subject=found.subject, detail=found.detail) for found in result.findings],
            )
            for result in results
        ],
        ran_at=await database_now(session),
    )
