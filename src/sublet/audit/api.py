"""The audit trail's one route."""

from typing import Annotated

from fastapi import Query

from sublet.audit import trail
from sublet.audit.schemas import AuditEventOut
from sublet.core.actors import Permission
from sublet.core.http import SessionDep, SubletRouter
from sublet.core.pages import FilterText, Page, PageQueryDep, page_of

router = SubletRouter(prefix="/api/v1/admin", tags=["operator"])


@router.get("/audit-events", permission=Permission.ADMIN_AUDIT_READ)
async def list_audit_events(
    session: SessionDep,
    page: PageQueryDep,
    *,
    target_type: FilterText = None,
    target_id: FilterText = None,
    actor: Annotated[str | None, Query(max_length=200, description="The id of the user who acted.")] = None,
    action: FilterText = None,
    organization_id: FilterText = None,
) -> Page[AuditEventOut]:
    """Who did what, newest first."""
    wanted = trail.Filter(target_type, target_id, actor, action, organization_id)
    (before,) = page.position(int) or (None,)
    rows = await trail.newest(session, wanted, before=before, limit=page.limit + 1)
    return page_of(rows, page.limit, AuditEventOut.of, lambda row: [row.seq])
