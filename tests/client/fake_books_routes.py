"""The fake API's routes of months and reports: a closed month, one that can be closed, and this one."""

from typing import Any

from tests.client.fake_admin_routes import only_operators
from tests.client.fake_routes import Answer, Asked, route
from tests.client.fake_shapes import Problem, at, usd

CSV = "account,debit,credit,currency\r\nwallet,0.00,19.61,USD\r\n"


def _month(name: str, ends: str, *, closed: bool, refusal: str | None) -> dict[str, Any]:
    closing = {"name": "close", "allowed": refusal is None, "reason": refusal}
    return {
        "month": name,
        "starts_at": f"{name}-01T00:00:00Z",
        "ends_at": ends,
        "state": "closed" if closed else "open",
        "closed_at": "2026-10-01T09:00:00Z" if closed else None,
        "closed_by": "usr_ada" if closed else None,
        "actions": [closing],
    }


def months_of_books() -> list[dict[str, Any]]:
    """What a World begins with."""
    return [
        _month("2026-11", "2026-12-01T00:00:00Z", closed=False, refusal="2026-11 is not over."),
        _month("2026-10", "2026-11-01T00:00:00Z", closed=False, refusal=None),
        _month("2026-09", "2026-10-01T00:00:00Z", closed=True, refusal="2026-09 is closed."),
    ]


def _known(asked: Asked) -> list[dict[str, Any]]:
    only_operators(asked)
    if not asked.world.months:
        asked.world.months += months_of_books()
    return asked.world.months


def _found(asked: Asked) -> dict[str, Any]:
    found = next((one for one in _known(asked) if one["month"] == asked.parts["month"]), None)
    if found is None:
        told = f"There is no month {asked.parts['month']!r} that you can see. Nothing was changed."
        raise Problem(404, "not_found", told)
    return found


@route("GET", "/admin/months")
def months(asked: Asked) -> Answer:
    return 200, {"items": _known(asked), "next_cursor": None}


@route("GET", "/admin/months/{month}")
def month(asked: Asked) -> Answer:
    found = _found(asked)
    line = {"account": "revenue_compute", "opening": usd("0"), "debits": usd("0"), "credits": usd("0.39")}
    if asked.query.get("format") == "csv":
        return 200, CSV
    return 200, {"month": found, "lines": [{**line, "closing": usd("0.39")}]}


@route("POST", "/admin/months/{month}/close")
def close(asked: Asked) -> Answer:
    found = _found(asked)
    refusal = found["actions"][0]["reason"]
    if refusal is not None:
        raise Problem(409, "month_not_closable", f"{refusal} Nothing was closed.")
    found |= {"state": "closed", "closed_at": at(0), "closed_by": "usr_ada"}
    found["actions"] = [{"name": "close", "allowed": False, "reason": f"{found['month']} is closed."}]
    return 200, found


def _lines(asked: Asked, lines: list[dict[str, Any]], **named: Any) -> Answer:
    only_operators(asked)
    return (200, CSV) if asked.query.get("format") == "csv" else (200, {**named, "lines": lines})


@route("GET", "/admin/reports/trial-balance")
def trial_balance(asked: Asked) -> Answer:
    lines = [
        {"account": "wallet", "debit": usd("0"), "credit": usd("19.61")},
        {"account": "revenue_compute", "debit": usd("0"), "credit": usd("0.39")},
        {"account": "stripe_balance", "debit": usd("20"), "credit": usd("0")},
    ]
    return _lines(asked, lines, at=asked.query.get("at", at(0)))


@route("GET", "/admin/reports/deferred-revenue")
def deferred_revenue(asked: Asked) -> Answer:
    line = {"organizations": 1, "paid": usd("19.61"), "promo": usd("0"), "owed": usd("0")}
    return _lines(asked, [line], at=asked.query.get("at", at(0)))


@route("GET", "/admin/reports/revenue")
def revenue(asked: Asked) -> Answer:
    line = {"month": asked.query["first"], "sku_id": "sku_small", "node_id": "nd_1", "meter_kind": "compute"}
    return _lines(asked, [{**line, "amount": usd("0.39")}], first=asked.query["first"], last=asked.query["last"])


@route("GET", "/admin/reports/statement")
def statement(asked: Asked) -> Answer:
    line = {"entry_id": "2", "effective_at": at(0), "recorded_at": at(0), "kind": "usage", "account": "wallet"}
    line |= {"description": "Usage of api in 2026-09, which is closed", "amount": usd("-0.39"), "corrects": "2026-09"}
    none = {"wallet": usd("0"), "promo": usd("0"), "owed": usd("0")}
    asked_for = {name: asked.query[name] for name in ("organization_id", "currency", "since")}
    closing = {**none, "wallet": usd("19.61")}
    return _lines(asked, [line], **asked_for, until=asked.query.get("until", at(0)), opening=none, closing=closing)


@route("GET", "/admin/reports/unmetered")
def unmetered(asked: Asked) -> Answer:
    line = {"node_id": "nd_1", "organization_id": "org_1", "intervals": 2, "subjects": 1, "seconds": 4000}
    line |= {"forgone": usd("0.40"), "last_at": at(0)}
    return _lines(asked, [line], since=asked.query["since"], until=asked.query.get("until", at(0)))
