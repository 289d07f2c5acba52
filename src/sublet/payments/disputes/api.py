"""Operators' routes of disputes."""

from sublet.core.actors import Permission
from sublet.core.http import ActorDep, SessionDep, SubletRouter
from sublet.core.pages import FilterText, Page, PageQueryDep, page_of
from sublet.payments.api import ProcessorDep
from sublet.payments.disputes import disputes
from sublet.payments.disputes.schemas import DisputeOut
from sublet.payments.disputes.states import DisputeState

router = SubletRouter(prefix="/api/v1/admin", tags=["disputes"])


@router.get("/disputes", permission=Permission.ADMIN_DISPUTE_READ)
async def list_disputes(
    *,
    actor: ActorDep,
    session: SessionDep,
    processor: ProcessorDep,
    page: PageQueryDep,
    state: DisputeState | None = None,
    organization_id: FilterText = None,
) -> Page[DisputeOut]:
    """Every dispute and inquiry, newest first."""
    (before,) = page.position(int) or (None,)
    rows = await disputes.newest(
        session, before=before, limit=page.limit + 1, state=state, organization_id=organization_id
    )
    shown = {one.id: one for one in await disputes.view(session, actor, rows, processor)}
    return page_of(rows, page.limit, lambda row: shown[row.id], lambda row: [row.seq])


@router.get("/disputes/{dispute_id}", permission=Permission.ADMIN_DISPUTE_READ)
async def show_dispute(actor: ActorDep, session: SessionDep, processor: ProcessorDep, dispute_id: str) -> DisputeOut:
    """One dispute, and whether the bank can be answered."""
    [shown] = await disputes.view(session, actor, [await disputes.get(session, dispute_id)], processor)
    return shown
