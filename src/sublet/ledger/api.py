"""The customer's ledger."""

from sublet.core.access import Permission
from sublet.core.http import ActorDep, SessionDep, SubletRouter
from sublet.core.pages import Page, PageQueryDep, page_of
from sublet.ledger import entries
from sublet.ledger.schemas import EntryOut

router = SubletRouter(prefix="/api/v1", tags=["money"])


@router.get("/wallet/entries", permission=Permission.WALLET_READ)
async def list_entries(actor: ActorDep, session: SessionDep, page: PageQueryDep) -> Page[EntryOut]:
    """Every line of the books on the organization's accounts, newest first."""
    before = page.position(int, int, int)
    lines = await entries.list_for(
        session,
        actor.organization,
        limit=page.limit + 1,
        before=None if before is None else (before[0], before[1], before[2]),
    )
    return page_of(lines, page.limit, EntryOut.of, lambda line: line.next_position)
