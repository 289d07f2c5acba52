"""The fake API's saved cards and auto top-up."""

from typing import Any

from tests.client.fake_routes import Answer, Asked, page, route
from tests.client.fake_shapes import Problem, at, usd
from tests.client.fake_world import World


def add_card(world: World, last4: str, *, brand: str = "visa", default: bool = False) -> dict[str, Any]:
    """A saved card, the newest."""
    card: dict[str, Any] = {
        "id": f"card_{len(world.cards) + 1:016d}",
        "brand": brand,
        "last4": last4,
        "expiry_month": 4,
        "expiry_year": 2030,
        "is_default": default,
        "saved_at": at(3600),
        "actions": [{"name": "remove", "allowed": True, "reason": None}],
    }
    world.cards.insert(0, card)
    return card


def auto_top_up(world: World) -> dict[str, Any]:
    """What is wanted, and how it stands."""
    amounts = dict.fromkeys(("threshold", "amount", "monthly_cap", "charged_this_month"))
    known = {"currency": "USD", "enabled": False, "standing": "off", "declines": 0, "actions": []}
    return {**amounts, **known, "tries_again_at": None, "top_up_id": None, **world.auto_top_up}


@route("GET", "/payment-methods")
def cards(asked: Asked) -> Answer:
    status, found = page(asked, asked.world.cards)
    return status, {**found, "actions": [{"name": "add", "allowed": True, "reason": None}]}


@route("POST", "/payment-methods")
def begin(_asked: Asked) -> Answer:
    return 201, {
        "id": "su_0000000000000001",
        "state": "pending",
        "checkout_url": "http://127.0.0.1:12111/pay/cs_test_2",
        "failure": None,
        "created_at": at(),
        "completed_at": None,
    }


def _find(asked: Asked) -> dict[str, Any]:
    for card in asked.world.cards:
        if card["id"] == asked.parts["id"]:
            return card
    raise Problem(404, "not_found", "There is no such card. Nothing was changed.")


@route("POST", "/payment-methods/{id}/default")
def make_default(asked: Asked) -> Answer:
    chosen = _find(asked)
    for card in asked.world.cards:
        card["is_default"] = card is chosen
    return 200, chosen


@route("DELETE", "/payment-methods/{id}")
def remove(asked: Asked) -> Answer:
    asked.world.cards.remove(_find(asked))
    return 204, None


@route("GET", "/auto-top-up")
def show(asked: Asked) -> Answer:
    return 200, auto_top_up(asked.world)


@route("PATCH", "/auto-top-up")
def change(asked: Asked) -> Answer:
    if not asked.world.cards:
        raise Problem(409, "no_card_to_charge", "There is no default card. Nothing was changed. Save a card first.")
    bounds = {name: usd(asked.body[name]) for name in ("threshold", "amount", "monthly_cap")}
    asked.world.auto_top_up = {**bounds, "charged_this_month": usd("0"), "enabled": True, "standing": "enough"}
    return 200, auto_top_up(asked.world)


@route("DELETE", "/auto-top-up")
def turn_off(asked: Asked) -> Answer:
    asked.world.auto_top_up = {**asked.world.auto_top_up, "enabled": False, "standing": "off"}
    return 200, auto_top_up(asked.world)
