"""What a launch would cost: a projection of the offer's rate, never a bill."""

from decimal import ROUND_DOWN, Decimal
from typing import TypedDict

from sublet.cli.formats import duration, money, rate, two_places
from sublet.cli.tables import print_facts
from sublet.client.shapes import LaunchAction, Money, Offer, Price, Wallet

_MICRO = Decimal("0.000001")


class Projected(TypedDict):
    """The offer's rate over usual times."""

    hour: Money
    day: Money
    month: Money


class Estimate(TypedDict):
    """The answer of `launch --dry-run`."""

    offer: Offer
    projected: Projected
    hold: Money
    available_funds: Money
    runway_seconds: int | None
    launchable: bool
    reason: str | None
    code: str | None


def _over(offer: Offer, hours: int) -> Money:
    rate_per_hour = offer["price"]["per_hour"]
    amount = (Decimal(rate_per_hour["amount"]) * hours).quantize(_MICRO, ROUND_DOWN)
    return {"amount": two_places(amount), "currency": rate_per_hour["currency"]}


def _runway(offer: Offer, wallet: Wallet) -> int | None:
    together = Decimal(offer["price"]["per_hour"]["amount"]) + Decimal(wallet["burn_per_hour"]["amount"])
    return int(Decimal(wallet["available"]["amount"]) * 3600 / together) if together > 0 else None


def estimate(offer: Offer, wallet: Wallet) -> Estimate:
    """Price a launch of the offer beside everything that runs already; whether it may start, the server says."""
    launch = launch_action(offer)
    return {
        "offer": offer,
        "projected": {"hour": _over(offer, 1), "day": _over(offer, 24), "month": _over(offer, 24 * 30)},
        "hold": offer["hold"],
        "available_funds": wallet["available"],
        "runway_seconds": _runway(offer, wallet),
        "launchable": launch["allowed"],
        "reason": launch["reason"],
        "code": launch["code"],
    }


def kept_for(price: Price) -> str:
    """How long what is suspended keeps its place: `4 hours`, `always`, `not kept`."""
    hours = price["suspended_claim_hours"]
    if hours is not None:
        return f"{hours} hour{'' if hours == 1 else 's'}"
    return "always" if price["suspended_claim"] == "always" else "not kept"


def suspension(price: Price) -> str:
    """What suspension costs and keeps, in a phrase."""
    if price["suspended_claim"] == "none":
        return f"{rate(price['suspended_per_hour'])} for its disk alone, its place is not kept"
    kept = f"{rate(price['suspended_per_hour'])} with its place"
    if price["disk_per_hour"] is None:
        return f"{kept}, kept always"
    return f"{kept} for {kept_for(price)}, then {rate(price['disk_per_hour'])} for its disk alone"


def launch_action(offer: Offer) -> LaunchAction:
    """Whether the offer could be launched, as the server says."""
    return next(action for action in offer["actions"] if action["name"] == "launch")


def show_estimate(priced: Estimate) -> None:
    """Print an estimate for a person."""
    projected = priced["projected"]
    runway = priced["runway_seconds"]
    print_facts(
        [
            ("Offer", f"{priced['offer']['sku']['code']} ({priced['offer']['sku']['name']})"),
            ("Rate", rate(priced["offer"]["price"]["per_hour"])),
            ("Suspended", suspension(priced["offer"]["price"])),
            ("1 hour", money(projected["hour"])),
            ("24 hours", money(projected["day"])),
            ("30 days", money(projected["month"])),
            ("Sets aside", money(priced["hold"], exact=True)),
            ("Available", money(priced["available_funds"])),
            ("Lasts", f"{duration(runway)} with everything that runs" if runway is not None else "no end in sight"),
            ("Free now", str(priced["offer"]["available"])),
        ]
    )
