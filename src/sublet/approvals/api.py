"""Operators' routes for approvals: see what was asked for, and decide."""

from sublet.approvals import approvals
from sublet.approvals.schemas import ApprovalOut, Decision
from sublet.approvals.states import ApprovalState
from sublet.core.actors import Permission
from sublet.core.http import ActorDep, SessionDep, SubletRouter
from sublet.core.pages import FilterText, Page, PageQueryDep, page_of

router = SubletRouter(prefix="/api/v1/admin", tags=["operator"])


@router.get("/approvals", permission=Permission.ADMIN_APPROVAL_READ)
async def list_approvals(
    actor: ActorDep,
    session: SessionDep,
    page: PageQueryDep,
    *,
    state: ApprovalState | None = None,
    act: FilterText = None,
    subject: FilterText = None,
) -> Page[ApprovalOut]:
    """What was asked for, newest first."""
    (before,) = page.position(int) or (None,)
    found = await approvals.newest(session, approvals.Filter(state, act, subject), before=before, limit=page.limit + 1)
    return page_of(found, page.limit, lambda one: ApprovalOut.of(one, actor), lambda one: [one.seq])


@router.get("/approvals/{approval_id}", permission=Permission.ADMIN_APPROVAL_READ)
async def show_approval(actor: ActorDep, session: SessionDep, approval_id: str) -> ApprovalOut:
    """One act that needs a second person."""
    return ApprovalOut.of(await approvals.get(session, approval_id), actor)


@router.post("/approvals/{approval_id}/approve", permission=Permission.ADMIN_APPROVAL_DECIDE, fresh=True)
async def approve(actor: ActorDep, session: SessionDep, approval_id: str, body: Decision) -> ApprovalOut:
    """Let the one who asked act, once; only somebody else who may do it themselves can."""
    return ApprovalOut.of(await approvals.approve(session, actor, approval_id, reason=body.reason), actor)


@router.post("/approvals/{approval_id}/reject", permission=Permission.ADMIN_APPROVAL_DECIDE)
async def reject(actor: ActorDep, session: SessionDep, approval_id: str, body: Decision) -> ApprovalOut:
    """Refuse it for good; what was refused can be asked for again."""
    return ApprovalOut.of(await approvals.reject(session, actor, approval_id, reason=body.reason), actor)
