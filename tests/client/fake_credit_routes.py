"""The fake API's routes of promotional credit: one that was given, and one code."""

from typing import Any

from tests.client.fake_admin_routes import only_operators
from tests.client.fake_findings import ask_approval
from tests.client.fake_routes import Answer, Asked, page, route
from tests.client.fake_shapes import Problem, at, usd

CODE_ID = "prm_0000000000000001"
ORGANIZATION = "org_0000000000000001"


def _credit(amount: str, **more: Any) -> dict[str, Any]:
    return {
        "id": "crg_0000000000000001",
        "organization_id": ORGANIZATION,
        "amount": usd(amount),
        "reason": "welcome",
        "granted_by": "Ada",
        "expires_at": at(-86_400),
        "created_at": at(60),
        **more,
    }


def _code(**more: Any) -> dict[str, Any]:
    return {
        "id": CODE_ID,
        "code": "SPRING-7Q4M-X2",
        "amount": usd("5"),
        "most_uses": 100,
        "uses": 3,
        "valid_days": 30,
        "expires_at": at(-86_400),
        "reason": "a fair",
        "made_by": "Ada",
        "created_at": at(3600),
        "ended_at": None,
        "is_over": False,
        "actions": [{"name": "end", "allowed": True, "reason": None}],
        **more,
    }


def managed(asked: Asked, items: list[Any], action: str) -> Answer:
    """A page, and what may be done to the list."""
    status, found = page(asked, items)
    return status, {**found, "actions": [{"name": action, "allowed": True, "reason": None}]}


@route("GET", "/credits")
def credits(asked: Asked) -> Answer:
    given = {"amount": usd("5"), "left": usd("3"), "expired": usd("0"), "expires_at": at(-86_400), "given_at": at(60)}
    return managed(asked, [{"id": "1", "reason": "welcome", **given}], "redeem")


@route("POST", "/promo-codes/redeem")
def redeem(asked: Asked) -> Answer:
    if asked.body["code"].upper() != "SPRING-7Q4M-X2":
        raise Problem(409, "promo_code_refused", "There is no code like that, or it is over. Nothing was given.")
    return 201, {"amount": usd("5")}


@route("GET", "/admin/credits")
def grants(asked: Asked) -> Answer:
    only_operators(asked)
    return managed(asked, [_credit("5")], "grant")


@route("POST", "/admin/credits")
def grant(asked: Asked) -> Answer:
    only_operators(asked)
    if float(asked.body["amount"]) <= 50:
        return 201, {"credit": _credit(asked.body["amount"], reason=asked.body["reason"]), "approval": None}
    approval = ask_approval(asked.world, "credit.grant", ORGANIZATION, by="Ada", amount=asked.body["amount"])
    return 201, {"credit": None, "approval": approval}


@route("GET", "/admin/credit-budget")
def budget(asked: Asked) -> Answer:
    only_operators(asked)
    return 200, {"whole": usd("100"), "given": usd("40"), "left": usd("60")}


@route("GET", "/admin/promo-codes")
def codes(asked: Asked) -> Answer:
    only_operators(asked)
    return managed(asked, [_code()], "create")


@route("POST", "/admin/promo-codes")
def make_code(asked: Asked) -> Answer:
    only_operators(asked)
    return 201, {"promo_code": _code(code=asked.body["code"].upper(), uses=0), "approval": None}


@route("POST", "/admin/promo-codes/{id}/end")
def end_code(asked: Asked) -> Answer:
    only_operators(asked)
    over = [{"name": "end", "allowed": False, "reason": "The code SPRING-7Q4M-X2 was ended before."}]
    return 200, _code(ended_at=at(0), is_over=True, actions=over)
