"""The findings' routes that only read."""

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, Query

from sublet.core.actors import Permission
from sublet.core.http import ActorDep, SessionDep, SubletRouter
from sublet.core.pages import FilterText, Page, PageQueryDep, page_of
from sublet.findings import findings
from sublet.findings.findings import Severity
from sublet.findings.repairs import REPAIRS, RepairsByCode
from sublet.findings.resolution import CONSEQUENCES, ConsequencesByCode, why_not_resolve
from sublet.findings.schemas import FindingDetailOut, StoredFindingOut

router = SubletRouter(prefix="/api/v1/admin", tags=["operator"])


@dataclass(frozen=True, slots=True)
class Known:
    """What the layers above know of findings: what follows from closing them, and what mends them."""

    consequences: Annotated[ConsequencesByCode, Depends(CONSEQUENCES)]
    repairs: Annotated[RepairsByCode, Depends(REPAIRS)]


FindingsDep = Annotated[Known, Depends()]


@router.get("/findings", permission=Permission.ADMIN_FINDING_READ)
async def list_findings(
    actor: ActorDep,
    session: SessionDep,
    known: FindingsDep,
    page: PageQueryDep,
    *,
    state: Annotated[Literal["open", "closed"] | None, Query(description="Left out: both.")] = None,
    code: FilterText = None,
    severity: Severity | None = None,
    subject_type: FilterText = None,
    subject_id: FilterText = None,
    owner_id: Annotated[
        str | None,
        Query(max_length=200, description="Who sees to it; `nobody`: what no operator sees to."),
    ] = None,
) -> Page[StoredFindingOut]:
    """What was found not to fit, newest first."""
    wanted = findings.Filter(state, code, severity, subject_type, subject_id, owner_id)
    (before,) = page.position(int) or (None,)
    found = await findings.newest(session, wanted, before=before, limit=page.limit + 1)
    refusals = await why_not_resolve(session, found, consequences=known.consequences)
    return page_of(
        found,
        page.limit,
        lambda one: StoredFindingOut.of(one, actor, refusals.get(one.id), repairs=known.repairs),
        lambda one: [one.seq],
    )


@router.get("/findings/{finding_id}", permission=Permission.ADMIN_FINDING_READ)
async def show_finding(actor: ActorDep, session: SessionDep, known: FindingsDep, finding_id: str) -> FindingDetailOut:
    """One finding, with what mends it and all that became of it."""
    found = await findings.get(session, finding_id)
    refusal = (await why_not_resolve(session, [found], consequences=known.consequences)).get(finding_id)
    told = await findings.history(session, finding_id)
    history = [{"what": one.what, "by": one.by, "note": one.note, "at": one.at} for one in told]
    return FindingDetailOut.of(found, actor, refusal, repairs=known.repairs, history=history)
