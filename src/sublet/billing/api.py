"""The wallet with its runway, and the charges behind it."""

from fastapi import Request

from sublet.billing import funds, runway, usage
from sublet.billing.policy import Policy
from sublet.billing.schemas import UsageOut, WalletOut
from sublet.core.access import Actor, Permission
from sublet.core.actions import ActionOut, actions_of
from sublet.core.http import ActorDep, SessionDep, SubletRouter
from sublet.core.pages import Page, PageQueryDep, page_of
from sublet.ledger import accounts

router = SubletRouter(prefix="/api/v1", tags=["money"])


def _actions(actor: Actor) -> list[ActionOut]:
    denied = "Only owners, admins and billing members of the organization may top up."
    return actions_of(actor, Permission.WALLET_TOP_UP, denied, {"top_up": None})


@router.get("/wallet", permission=Permission.WALLET_READ)
async def read_wallet(request: Request, actor: ActorDep, session: SessionDep) -> WalletOut:
    """What the organization has, what is set aside, how fast it is spent and how long it lasts."""
    policy = Policy.of(request.app.state.settings)
    wallet = await accounts.wallet(session, actor.organization)
    lasts = await runway.of(session, actor.organization, currency=wallet.currency, policy=policy)
    clock = await funds.clock(session, actor.organization, currency=wallet.currency)
    return WalletOut(
        organization_id=wallet.organization_id,
        currency=wallet.currency,
        balance=wallet.balance.field(),
        held=wallet.held.field(),
        available=wallet.available.field(),
        promo=wallet.promo.field(),
        receivable=wallet.receivable.field(),
        burn_per_hour=lasts.burn.field(),
        runway_seconds=lasts.seconds,
        warning=clock.level if clock.blocks_launch else lasts.warning,
        suspend_at=clock.suspend_at,
        actions=_actions(actor),
    )


@router.get("/usage", permission=Permission.WALLET_READ)
async def list_usage(actor: ActorDep, session: SessionDep, page: PageQueryDep) -> Page[UsageOut]:
    """Every charge of the organization, newest first."""
    position = page.position(int)
    charges = await usage.charges_of(
        session, actor.organization, limit=page.limit + 1, before=position[0] if position else None
    )
    return page_of(charges, page.limit, UsageOut.of, lambda charge: (charge.id,))
