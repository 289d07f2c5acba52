"""Operators' routes of payouts."""

from sublet.core.actors import Permission
from sublet.core.http import SessionDep, SubletRouter
from sublet.core.pages import Page, PageQueryDep, page_of
from sublet.payments.payouts import payouts
from sublet.payments.payouts.schemas import PayoutChangeOut, PayoutDetailOut, PayoutOut, PayoutTransactionOut
from sublet.payments.payouts.states import PayoutState

router = SubletRouter(prefix="/api/v1/admin", tags=["payouts"])


@router.get("/payouts", permission=Permission.ADMIN_PAYOUT_READ)
async def list_payouts(session: SessionDep, page: PageQueryDep, *, state: PayoutState | None = None) -> Page[PayoutOut]:
    """Every payout, newest first, with what left for it and what it is made of."""
    (before,) = page.position(int) or (None,)
    found = await payouts.newest(session, before=before, limit=page.limit + 1, state=state)
    return page_of(found, page.limit, PayoutOut.of, lambda one: [one.seq])


@router.get("/payouts/{payout_id}", permission=Permission.ADMIN_PAYOUT_READ)
async def show_payout(session: SessionDep, payout_id: str) -> PayoutDetailOut:
    """One payout, with all that became of it."""
    found = await payouts.get(session, payout_id)
    history = [PayoutChangeOut.of(row) for row in await payouts.history(session, payout_id)]
    return PayoutDetailOut.of(found, history=history)


@router.get("/payouts/{payout_id}/transactions", permission=Permission.ADMIN_PAYOUT_READ)
async def list_transactions(session: SessionDep, payout_id: str, page: PageQueryDep) -> Page[PayoutTransactionOut]:
    """The balance transactions that a payout is made of, by their ids."""
    await payouts.get(session, payout_id)
    (after,) = page.position(str) or (None,)
    found = await payouts.transactions(session, payout_id, after=after, limit=page.limit + 1)
    return page_of(found, page.limit, PayoutTransactionOut.of, lambda row: [row.id])
