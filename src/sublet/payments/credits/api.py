"""Routes of promotional credit: what a customer has and redeems, what operators give, and codes."""

from sublet.approvals.schemas import ApprovalOut
from sublet.core.actions import ManagedPage, actions_of
from sublet.core.actors import Actor, Permission
from sublet.core.amounts import read_money, require_kept
from sublet.core.http import ActorDep, CurrencyDep, DatabaseDep, SessionDep, SettingsDep, SubletRouter
from sublet.core.pages import FilterText, PageQueryDep, page_of
from sublet.identity.operators import may_now
from sublet.ledger import credits as ledger
from sublet.payments.credits import budget, codes, grants
from sublet.payments.credits.codes import PromoCode
from sublet.payments.credits.schemas import (
    BudgetOut,
    CreditOut,
    GrantOut,
    MadeGrantOut,
    MadePromoCodeOut,
    NewGrant,
    NewPromoCode,
    PromoCodeOut,
    RedeemedOut,
    Redeeming,
)

router = SubletRouter(prefix="/api/v1", tags=["credits"])

_NOT_A_PAYER = "Only owners, admins and billing members of the organization may redeem codes."
_DENIED = "This needs the platform role finance or admin."


@router.get("/credits", permission=Permission.WALLET_READ)
async def list_credits(
    actor: ActorDep, session: SessionDep, settings: SettingsDep, currency: CurrencyDep, page: PageQueryDep
) -> ManagedPage[CreditOut]:
    """The organization's credits, newest first, with what is left of each, and whether the caller may redeem a code."""
    (before,) = page.position(int) or (None,)
    lots = await ledger.newest(session, actor.organization, currency=currency, before=before, limit=page.limit + 1)
    found = page_of(lots, page.limit, CreditOut.of, lambda lot: [lot.id])
    refusal = await codes.why_not_redeem(session, actor, mail_is_sent=settings.smtp_host is not None)
    actions = actions_of(actor, Permission.WALLET_TOP_UP, _NOT_A_PAYER, {"redeem": refusal})
    return ManagedPage(items=found.items, next_cursor=found.next_cursor, actions=actions)


@router.post("/promo-codes/redeem", permission=Permission.WALLET_TOP_UP, creates=True, status_code=201)
async def redeem_code(
    actor: ActorDep, database: DatabaseDep, settings: SettingsDep, currency: CurrencyDep, body: Redeeming
) -> RedeemedOut:
    """Take what a code gives into the wallet; each organization redeems a code once."""
    given = await codes.redeem(
        database, actor, body.code, currency=currency, mail_is_sent=settings.smtp_host is not None
    )
    return RedeemedOut(amount=given.field())


@router.post("/admin/credits", permission=Permission.ADMIN_CREDIT_GRANT, creates=True, status_code=201)
async def grant_credit(
    actor: ActorDep, session: SessionDep, settings: SettingsDep, currency: CurrencyDep, body: NewGrant
) -> MadeGrantOut:
    """Give an organization credit; beyond the month's budget, a second person has to approve it first."""
    _require_kept(body.currency, currency)
    made, approval = await grants.grant(
        session,
        actor,
        body.organization_id,
        read_money(body.amount, body.currency, field="amount"),
        valid_days=body.valid_days,
        reason=body.reason,
        budget_a_month=settings.credit_budget,
        may_now=may_now,
    )
    return MadeGrantOut(
        credit=None if made is None else GrantOut.of(made),
        approval=None if approval is None else ApprovalOut.of(approval, actor),
    )


@router.get("/admin/credits", permission=Permission.ADMIN_CREDIT_READ)
async def list_grants(
    actor: ActorDep, session: SessionDep, page: PageQueryDep, *, organization_id: FilterText = None
) -> ManagedPage[GrantOut]:
    """Credit that operators gave, newest first, and whether the caller may give some."""
    (before,) = page.position(int) or (None,)
    found = await grants.newest(session, before=before, limit=page.limit + 1, organization_id=organization_id)
    listed = page_of(found, page.limit, lambda one: GrantOut.of(one[1]), lambda one: [one[0]])
    actions = actions_of(actor, Permission.ADMIN_CREDIT_GRANT, _DENIED, {"grant": None})
    return ManagedPage(items=listed.items, next_cursor=listed.next_cursor, actions=actions)


@router.get("/admin/credit-budget", permission=Permission.ADMIN_CREDIT_READ)
async def show_budget(session: SessionDep, settings: SettingsDep, currency: CurrencyDep) -> BudgetOut:
    """What operators may give this month without a second person, and what of it is left."""
    return BudgetOut.of(await budget.read(session, a_month=settings.credit_budget, currency=currency))


@router.post("/admin/promo-codes", permission=Permission.ADMIN_CREDIT_GRANT, creates=True, status_code=201)
async def create_code(
    actor: ActorDep, session: SessionDep, settings: SettingsDep, currency: CurrencyDep, body: NewPromoCode
) -> MadePromoCodeOut:
    """Make a code; all that it could give counts against the month's budget."""
    _require_kept(body.currency, currency)
    made, approval = await codes.make(
        session,
        actor,
        body.code,
        read_money(body.amount, body.currency, field="amount"),
        most_uses=body.most_uses,
        days=body.days,
        valid_days=body.valid_days,
        reason=body.reason,
        budget_a_month=settings.credit_budget,
        may_now=may_now,
    )
    return MadePromoCodeOut(
        promo_code=None if made is None else _out(made, actor),
        approval=None if approval is None else ApprovalOut.of(approval, actor),
    )


@router.get("/admin/promo-codes", permission=Permission.ADMIN_CREDIT_READ)
async def list_codes(actor: ActorDep, session: SessionDep, page: PageQueryDep) -> ManagedPage[PromoCodeOut]:
    """Every code, newest first, and whether the caller may make one."""
    (before,) = page.position(int) or (None,)
    found = await codes.newest(session, before=before, limit=page.limit + 1)
    listed = page_of(found, page.limit, lambda one: _out(one, actor), lambda one: [one.seq])
    actions = actions_of(actor, Permission.ADMIN_CREDIT_GRANT, _DENIED, {"create": None})
    return ManagedPage(items=listed.items, next_cursor=listed.next_cursor, actions=actions)


@router.post("/admin/promo-codes/{promo_code_id}/end", permission=Permission.ADMIN_CREDIT_GRANT)
async def end_code(actor: ActorDep, session: SessionDep, promo_code_id: str) -> PromoCodeOut:
    """Let nobody redeem the code any more; what it gave stays."""
    return _out(await codes.end(session, actor, promo_code_id), actor)


def _require_kept(given: str, kept: str) -> None:
    require_kept(given, kept=kept, useless="spend credit", instead="it", nothing="Nothing was given.")


def _out(one: PromoCode, actor: Actor) -> PromoCodeOut:
    return PromoCodeOut.of(
        one, actions_of(actor, Permission.ADMIN_CREDIT_GRANT, _DENIED, {"end": codes.why_not_end(one)})
    )
