"""The wallet with its runway, the entries of its books with what each was for, and the charges behind them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Literal

from fastapi import Depends, Path, Query, Response

from sublet.billing import by_day, purposes, spend, spending_limits, standing, usage
from sublet.billing.policy import Policy
from sublet.billing.schemas import (
    EntryLineOut,
    EntryOut,
    ExpiringOut,
    ExplainedChargeOut,
    MonthUsageOut,
    SpendingLimitOut,
    SpendingLimitRequest,
    UsageOut,
    WalletOut,
)
from sublet.billing.spend import Scope, SpendingLimit, Suspended
from sublet.catalog import prices, skus
from sublet.core.actions import ActionOut, ManagedPage, Refusal, actions_of
from sublet.core.actors import Actor, Permission
from sublet.core.app import Slot
from sublet.core.db import Session
from sublet.core.errors import InvalidInput
from sublet.core.filters import Time
from sublet.core.http import (
    CSV_ANSWER,
    ActorDep,
    CurrencyDep,
    SessionDep,
    SettingsDep,
    SnapshotDep,
    SubletRouter,
    csv_answer,
)
from sublet.core.money import CurrencyCode
from sublet.core.pages import Page, PageQuery, PageQueryDep, page_of
from sublet.ledger import credits, entries, wallets

MOST_LINES = 10_000
"""How many lines of the ledger a file has; a longer one is asked for in parts."""
MONTH = r"^[0-9]{4}-(0[1-9]|1[0-2])$"

router = SubletRouter(prefix="/api/v1", tags=["money"])


async def _policy(settings: SettingsDep) -> Policy:
    return Policy.of(settings)


PolicyDep = Annotated[Policy, Depends(_policy)]
"""How money follows usage, for routes that name prices, funds or what a launch sets aside."""


WhyNotPay = Callable[[Session, str], Awaitable[Refusal | None]]
"""Says why an organization can begin no payment now."""

WHY_NOT_PAY: Slot[WhyNotPay] = Slot("why nobody can pay now")
WhyNotPayDep = Annotated[WhyNotPay, Depends(WHY_NOT_PAY)]


CurrencyOf = Callable[[Session, str, str], Awaitable[str]]
"""Says in which currency an organization pays for one of its subjects; NotFound for what is not its own, or ended."""

CURRENCY_OF: Slot[CurrencyOf] = Slot("the currency of a subject")
CurrencyOfDep = Annotated[CurrencyOf, Depends(CURRENCY_OF)]


def _actions(actor: Actor, why_not_pay: Refusal | None) -> list[ActionOut]:
    denied = "Only owners, admins and billing members of the organization may top up."
    return actions_of(actor, Permission.WALLET_TOP_UP, denied, {"top_up": why_not_pay}, pays_in=True)


@router.get("/wallet", permission=Permission.WALLET_READ)
async def read_wallet(
    actor: ActorDep, session: SessionDep, policy: PolicyDep, currency: CurrencyDep, why_not_pay: WhyNotPayDep
) -> WalletOut:
    """What the organization has, what is set aside, how fast it is spent and how long it lasts."""
    wallet = await wallets.wallet(session, actor.organization, currency=currency)
    stands = await standing.standing(session, actor.organization, currency=currency, policy=policy)
    expires = await credits.next_to_expire(session, actor.organization, currency=currency)
    return WalletOut(
        organization_id=wallet.organization_id,
        currency=wallet.currency,
        balance=wallet.balance.field(),
        held=wallet.held.field(),
        available=wallet.available.field(),
        promo=wallet.promo.field(),
        receivable=wallet.receivable.field(),
        burn_per_hour=stands.runway.burn.field(),
        runway_seconds=stands.runway.seconds,
        warning=stands.warning,
        suspend_at=stands.suspend_at,
        data_kept_until=stands.data_kept_until,
        credit_expires=None if expires is None else ExpiringOut(amount=expires.amount.field(), at=expires.at),
        actions=_actions(actor, await why_not_pay(session, actor.organization)),
    )


@router.get("/wallet/entries", permission=Permission.WALLET_READ, response_model=Page[EntryOut], responses=CSV_ANSWER)
async def list_entries(
    *,
    actor: ActorDep,
    session: SessionDep,
    currency: CurrencyDep,
    page: PageQueryDep,
    kind: Annotated[str | None, Query(max_length=40, description="Such as usage_batch or top_up.")] = None,
    since: Annotated[Time | None, Query(description="From then on, by the entries' own times.")] = None,
    until: Annotated[Time | None, Query(description="Until before then.")] = None,
    search: Annotated[
        str | None, Query(max_length=100, description="In the description, or in the name of what was charged for.")
    ] = None,
    as_format: Annotated[
        Literal["json", "csv"], Query(alias="format", description="`csv` has all lines at once, and no cursor.")
    ] = "json",
) -> Page[EntryOut] | Response:
    """Every line of the books on the organization's accounts, newest first, with what each was for."""
    if as_format == "csv":
        page = PageQuery(MOST_LINES, None)
    before = page.position(int, int, int)
    named = await purposes.entries_named(session, actor.organization, search) if search else ()
    lines = await entries.list_for(
        session,
        actor.organization,
        currency=currency,
        limit=page.limit + 1,
        before=None if before is None else (before[0], before[1], before[2]),
        wanted=entries.LineFilter(kind, since, until, search or None, named),
    )
    found = await purposes.of_entries(session, actor.organization, {line.entry.id for line in lines})
    listed = page_of(
        lines, page.limit, lambda line: EntryOut.of(line, found.get(line.entry.id)), lambda line: line.next_position
    )
    if as_format == "json":
        return listed
    if listed.next_cursor is not None:
        raise InvalidInput(
            f"There are more than {MOST_LINES} lines. Nothing was left out silently: ask for a shorter time.",
            field="since",
        )
    return csv_answer("ledger", [EntryLineOut.of(line) for line in listed.items])


@router.get("/usage", permission=Permission.WALLET_READ)
async def list_usage(actor: ActorDep, session: SessionDep, page: PageQueryDep) -> Page[UsageOut]:
    """Every charge of the organization, newest first."""
    (before,) = page.position(int) or (None,)
    charges = await usage.charges_of(session, actor.organization, limit=page.limit + 1, before=before)
    return page_of(charges, page.limit, UsageOut.of, lambda charge: (charge.id,))


@router.get("/usage/by-day", permission=Permission.WALLET_READ)
async def show_usage_by_day(
    *,
    actor: ActorDep,
    session: SnapshotDep,
    policy: PolicyDep,
    currency: CurrencyDep,
    month: Annotated[
        str | None, Query(pattern=MONTH, description="Such as 2026-11; left out: the present one.")
    ] = None,
) -> MonthUsageOut:
    """What a month cost, day by day, and what the present one comes to if what runs goes on."""
    found = await by_day.month_usage(session, actor.organization, currency=currency, month=month, policy=policy)
    return MonthUsageOut.of(found)


@router.get("/spending-limits", permission=Permission.WALLET_READ)
async def list_limits(
    actor: ActorDep, session: SessionDep, policy: PolicyDep, page: PageQueryDep
) -> ManagedPage[SpendingLimitOut]:
    """What the organization lets itself spend, how far that is spent, and when it begins anew; oldest first."""
    (after,) = page.position(int) or (0,)
    limits = await spend.limits_of(session, actor.organization, policy=policy)
    waiting = await spend.suspended_for_limits(session, actor.organization)
    rows = [limit for limit in limits if limit.seq > after][: page.limit + 1]
    found = page_of(rows, page.limit, lambda limit: _limit(actor, limit, policy, waiting), lambda limit: (limit.seq,))
    actions = _limit_actions(actor, "set")
    return ManagedPage(items=found.items, next_cursor=found.next_cursor, actions=actions)


@router.patch("/spending-limits/{limit_id}", permission=Permission.SPENDING_LIMIT_MANAGE)
async def set_limit(
    *,
    actor: ActorDep,
    session: SessionDep,
    policy: PolicyDep,
    currency_of: CurrencyOfDep,
    limit_id: str,
    body: SpendingLimitRequest,
) -> SpendingLimitOut:
    """Spend so much at most in a `day`, in a `month`, or on one allocation, by its id; what was reached counts anew."""
    scope, subject_id = _limited(limit_id)
    amount = spending_limits.read_amount(body.amount, body.currency)
    if subject_id is None:
        await wallets.wallet(session, actor.organization, currency=body.currency)
    elif (paid_in := await currency_of(session, actor.organization, subject_id)) != body.currency:
        raise InvalidInput(f"It is paid for in {paid_in}. Nothing was changed.", field="currency")
    await spending_limits.set_limit(session, actor, amount, scope=scope, subject_id=subject_id)
    limits = await spend.limits_of(session, actor.organization, policy=policy)
    waiting = await spend.suspended_for_limits(session, actor.organization)
    mine = (scope, subject_id, body.currency)
    return next(
        _limit(actor, limit, policy, waiting)
        for limit in limits
        if (limit.scope, limit.subject_id, limit.currency) == mine
    )


@router.delete("/spending-limits/{limit_id}", permission=Permission.SPENDING_LIMIT_MANAGE, status_code=204)
async def clear_limit(
    actor: ActorDep,
    session: SessionDep,
    limit_id: str,
    currency: Annotated[CurrencyCode, Query(description="The limit's own: there may be one in each.")],
) -> None:
    """Take a limit away. What it suspended resumes."""
    scope, subject_id = _limited(limit_id)
    await spending_limits.clear_limit(session, actor, currency=currency, scope=scope, subject_id=subject_id)


def _limited(limit_id: str) -> tuple[Scope, str | None]:
    """What an id names; the id of an allocation is its subject's."""
    whole: dict[str, Scope] = {"day": "day", "month": "month"}
    return (whole[limit_id], None) if limit_id in whole else ("allocation", limit_id)


def _limit(actor: Actor, limit: SpendingLimit, policy: Policy, waiting: Sequence[Suspended]) -> SpendingLimitOut:
    return SpendingLimitOut.of(limit, _limit_actions(actor, "set", "clear"), policy=policy, waiting=waiting)


def _limit_actions(actor: Actor, *names: str) -> list[ActionOut]:
    """Whoever may change limits may do so at any time."""
    return actions_of(actor, Permission.SPENDING_LIMIT_MANAGE, spending_limits.DENIED, dict.fromkeys(names))


@router.get("/usage/{charge_id}", permission=Permission.WALLET_READ)
async def explain_charge(
    actor: ActorDep, session: SessionDep, charge_id: Annotated[int, Path(ge=1, le=2**63 - 1)]
) -> ExplainedChargeOut:
    """Why one charge is what it is: what ran, at which price, proven by which observations, in which entry."""
    charge = await usage.charge(session, actor.organization, charge_id)
    price = await prices.listed(session, charge.price_id)
    entry = None if charge.ledger_entry_id is None else await entries.get(session, charge.ledger_entry_id)
    return ExplainedChargeOut.explained(charge, await skus.get(session, charge.sku_id), price.price, entry)
