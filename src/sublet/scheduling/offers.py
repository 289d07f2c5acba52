"""What can be launched: SKUs that are offered, with their price in force and what is free at this moment."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sublet.billing.policy import Policy
from sublet.billing.spend import SpendingLimit, SpendingLimitForbids
from sublet.billing.standing import standing
from sublet.catalog import prices, skus
from sublet.catalog.prices import Price
from sublet.catalog.skus import Sku
from sublet.core.actions import Refusal
from sublet.core.actors import Actor, Permission
from sublet.core.db import Session
from sublet.core.errors import Conflict, NotFound, PermissionDenied
from sublet.core.money import Money, Rate
from sublet.findings.launches import are_stopped
from sublet.ledger import wallets
from sublet.ledger.failures import InsufficientFunds
from sublet.scheduling.claims import NoCapacity
from sublet.scheduling.placement import Availability, availability
from sublet.scheduling.windows import FROM_NOW_ON

_NOTHING = "Nothing was launched and no funds are held."
_TOP_UP = "Top up the wallet and try again."


class TooManyLaunches(Conflict):
    """An organization has at most so many launches under way at a time, and begins at most so many within an hour."""

    code = "too_many_launches"
    title = "Too many launches are under way"


class LaunchesStopped(Conflict):
    """Something about the organization's payments must be settled by an operator before anything new starts."""

    code = "launches_stopped"
    title = "Nothing new can start"


@dataclass(frozen=True, slots=True)
class Offer:
    """A SKU with its price in force, what a launch sets aside, and how many could be launched now."""

    sku: Sku
    price: Price
    hold: Money
    availability: Availability


@dataclass(frozen=True, slots=True)
class Launches:
    """How launches are bounded: `count` says how many an organization has under way, of which `most` may be, and
    `began_within_an_hour` whether so many have begun lately as `most_an_hour`."""

    count: Callable[[Session, str], Awaitable[int]]
    most: int
    began_within_an_hour: Callable[[Session, str, int], Awaitable[bool]]
    most_an_hour: int
    to_come: Callable[[Session, str, str], Awaitable[Rate]]
    """What an organization will spend more in a currency once all is open that is being set up or resumed."""


@dataclass(frozen=True, slots=True)
class Means:
    """What an organization could set aside now; `out_of_funds` while its money has run out for what runs already.

    `available` is less what it owes: promotional credit pays no debt, and nothing new starts on it before the debt.
    """

    available: Money
    owes: bool
    under_way: int
    most_under_way: int
    too_often: int | None
    """So many may begin within an hour, if so many have; None while further ones may."""
    out_of_funds: bool
    stopped: bool
    """Whether an operator has to see to something first."""
    to_come: Money
    """What limits have to leave for what is being set up or resumed, of which no meter tells yet."""
    limits: tuple[SpendingLimit, ...] = ()
    """Spending limits of the organization as a whole."""


async def list_offers(session: Session, *, currency: str, policy: Policy) -> list[Offer]:
    """Every active SKU that has a price, oldest first; three statements, however many there are."""
    offered = await skus.list_active(session)
    priced = await prices.in_force(session, [sku.id for sku in offered], currency=currency)
    sold = [sku for sku in offered if sku.id in priced]
    free = await availability(session, sold, during=FROM_NOW_ON)
    return [Offer(sku, priced[sku.id], policy.hold_for(priced[sku.id].per_hour), free[sku.id]) for sku in sold]


async def means_of(
    session: Session, actor: Actor, *, currency: str, policy: Policy, launches: Launches
) -> Means | None:
    """What the actor could launch with in a currency, in seven statements; None for who launches nothing anyway."""
    if actor.organization_id is None or not actor.can(Permission.ALLOCATION_LAUNCH):
        return None
    try:
        wallet = await wallets.wallet(session, actor.organization_id, currency=currency)
    except NotFound:
        none = Money.zero(currency)
        return Means(none, False, 0, launches.most, too_often=None, out_of_funds=False, stopped=False, to_come=none)
    stands = await standing(session, actor.organization_id, currency=currency, policy=policy)
    stopped = await are_stopped(session, actor.organization_id)
    under_way = await launches.count(session, actor.organization_id)
    too_often = await launches.began_within_an_hour(session, actor.organization_id, launches.most_an_hour)
    return Means(
        wallet.available - wallet.receivable,
        wallet.receivable.micro > 0,
        under_way,
        launches.most,
        too_often=launches.most_an_hour if too_often else None,
        out_of_funds=stands.out_of_funds,
        stopped=stopped,
        to_come=policy.hold_for(await launches.to_come(session, actor.organization_id, currency)),
        limits=tuple(limit for limit in stands.limits if limit.subject_id is None),
    )


def why_not_launch(actor: Actor, hold: Money, means: Means | None, *, is_free: bool) -> Refusal | None:
    """Why the actor cannot launch what sets `hold` aside; `is_free` says whether there is room for it now."""
    if not actor.can(Permission.ALLOCATION_LAUNCH):
        return Refusal(PermissionDenied, "Your role or token does not include launching.", outcome=_NOTHING)
    if means is None:
        return Refusal(PermissionDenied, "Launching needs an organization, and you are not in one.", outcome=_NOTHING)
    if not is_free:
        advice = "Choose another offer, or try again when something has been released."
        return Refusal(NoCapacity, "Nothing of this kind is free now.", advice, outcome=_NOTHING)
    return _why_not_by_means(hold, means)


def why_stopped(*, outcome: str) -> Refusal:
    """Why nothing is launched or resumed until an operator has seen to the organization's payments."""
    reason = "A payment was taken back after it had been spent, so nothing new can start."
    return Refusal(LaunchesStopped, reason, "Ask the operator.", outcome=outcome)


def _why_not_by_means(hold: Money, means: Means) -> Refusal | None:
    if means.stopped:
        return why_stopped(outcome=_NOTHING)
    if means.under_way >= means.most_under_way:
        reason = (
            f"Your organization has {means.under_way} launches under way, and {means.most_under_way} may be at a time."
        )
        advice = "Try again when one of them has been set up, or cancel one."
        return Refusal(TooManyLaunches, reason, advice, outcome=_NOTHING)
    if means.too_often is not None:
        reason = f"Your organization has begun {means.too_often} launches within an hour, which is the most."
        return Refusal(TooManyLaunches, reason, "Try again later, or resume what is suspended.", outcome=_NOTHING)
    return _why_not_by_funds(hold, means) or _why_not_by_limits(hold, means)


def _why_not_by_funds(hold: Money, means: Means) -> Refusal | None:
    if means.out_of_funds:
        reason = "Your money has run out for what runs already, so nothing new can start."
        return Refusal(InsufficientFunds, reason, _TOP_UP, outcome=_NOTHING)
    # The balance itself is not said: a token that may launch need not be one that may read the wallet.
    if means.available < hold:
        beyond = " beyond what your organization owes" if means.owes else ""
        reason = f"A launch sets {hold} aside, and less is available in your wallet{beyond}."
        return Refusal(InsufficientFunds, reason, _TOP_UP, outcome=_NOTHING)
    return None


def _why_not_by_limits(hold: Money, means: Means) -> Refusal | None:
    """Why the organization's own limits forbid it: what a launch sets aside has to fit into what each leaves
    beside what is under way."""
    for limit in means.limits:
        if limit.reached_at is not None or limit.left < hold + means.to_come:
            when = f"Raise the limit, or try again when the next {limit.scope} begins."
            return Refusal(SpendingLimitForbids, limit.sentence, when, outcome=_NOTHING)
    return None
