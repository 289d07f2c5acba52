"""The findings' one route."""

from typing import Annotated, Literal

from fastapi import Depends, Query

from sublet.core.actors import Permission
from sublet.core.http import ActorDep, SessionDep, SubletRouter
from sublet.core.pages import FilterText, Page, PageQueryDep, page_of
from sublet.findings import findings
from sublet.findings.findings import Severity
from sublet.findings.resolution import CONSEQUENCES, ConsequencesByCode, why_not_resolve
from sublet.findings.schemas import StoredFindingOut

router = SubletRouter(prefix="/api/v1/admin", tags=["operator"])

ConsequencesDep = Annotated[ConsequencesByCode, Depends(CONSEQUENCES)]


@router.get("/findings", permission=Permission.ADMIN_FINDING_READ)
async def list_findings(
    actor: ActorDep,
    session: SessionDep,
    consequences: ConsequencesDep,
    page: PageQueryDep,
    *,
    state: Annotated[Literal["open", "closed"] | None, Query(description="Left out: both.")] = None,
    code: FilterText = None,
    severity: Severity | None = None,
    subject_type: FilterText = None,
    subject_id: FilterText = None,
) -> Page[StoredFindingOut]:
    """What was found not to fit, newest first."""
    wanted = findings.Filter(state, code, severity, subject_type, subject_id)
    (before,) = page.position(int) or (None,)
    found = await findings.newest(session, wanted, before=before, limit=page.limit + 1)
    refusals = await why_not_resolve(session, found, consequences=consequences)
    return page_of(
        found, page.limit, lambda one: StoredFindingOut.of(one, actor, refusals.get(one.id)), lambda one: [one.seq]
    )
